"""Columns of the level-of-service table: what every trip between two zones costs in a period, in one cache line.

The table is float32 of shape (periods, origin zones, destination zones, ``N_LOS``).
"""

from __future__ import annotations

ACTIVE_KM = 0
"""Walking and cycling distance [km]."""
CAR_MIN, CAR_KM = 1, 2
"""Time [min] and distance [km] of a car, without access and search."""
CHARGE_CNY, LEZ_CNY = 3, 4
"""Area charge on every car, and the further one on cars that are not new-energy [CNY]."""
TRANSIT_MIN = 5
"""Three columns: generalised minutes by bus, metro, bus and metro; infinite where not available."""
TRANSIT_CNY = 8
"""Three columns: fares by bus, metro, bus and metro [CNY]."""
N_LOS = 12
"""Columns of the table; the twelfth is spare, so that a row is 48 bytes."""

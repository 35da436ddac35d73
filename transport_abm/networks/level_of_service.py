"""Columns of the level-of-service table: what every trip between two zones costs in a period, in one cache line.

The table is float32 of shape (periods, origin zones, destination zones, ``N_LOS``).
"""

from __future__ import annotations

ACTIVE_KM = 0
"""Walking and cycling distance [km]."""
CAR_MIN, CAR_KM, CHARGE_CNY = 1, 2, 3
"""Time [min] and distance [km] of a car, without access and search, and the area charge [CNY]: of hired cars, and of
private ones that are new-energy."""
OIL_MIN, OIL_KM, OIL_CNY = 4, 5, 6
"""The same of cars that are not new-energy; low-emission charge included."""
BARRED_MIN, BARRED_KM, BARRED_CNY = 7, 8, 9
"""The same of cars on their tail-number day, which go round the area, priced as cars that are not new-energy."""
TRANSIT_MIN = 10
"""Three columns: generalised minutes by bus, metro, bus and metro; infinite where not available."""
TRANSIT_CNY = 13
"""Three columns: fares by bus, metro, bus and metro [CNY]."""
N_LOS = 16
"""Columns of the table: a row is 64 bytes."""

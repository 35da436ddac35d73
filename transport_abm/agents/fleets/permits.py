"""Permits of delivery vans: who may work inside the ring, in which hours, and what lost hours cost.

    cost of an oil van = share hit * (max(0, T_new - T_oil) value of an hour + T_oil night premium) * days

Inside the 5th ring a van needs a permit. With one, a new-energy van is barred in the peaks only, an oil van by day
(6 to 23 h); the four exempt kinds of the plan (dangerous goods, cold chain, confidential mail, suburban mail) are not
barred. Oil vans new to a permit are refused with the priority share; a low-emission ring bars them from its inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.vehicles import FleetVehicles
from transport_abm.core.columns import Column
from transport_abm.core.errors import Fault
from transport_abm.core.vocabulary import NEW_ENERGY

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

PERMIT_LIMIT_RING = 5
"""Ring inside which a goods vehicle needs a permit: a name of the rule, not a number to vary."""
NO_ZONE_RING = 1
"""Value of the low-emission ring that stands for no such zone; 7 is the whole city."""


class CargoKind(IntEnum):
    """What a van carries; the last four are outside the plan's rule (clause 16)."""

    GENERAL = 0
    PARCEL = 1
    COLD_CHAIN = 2
    DANGEROUS = 3
    CONFIDENTIAL_MAIL = 4
    SUBURBAN_MAIL = 5


EXEMPT_KINDS = (
    CargoKind.COLD_CHAIN, CargoKind.DANGEROUS, CargoKind.CONFIDENTIAL_MAIL, CargoKind.SUBURBAN_MAIL,
)  # fmt: skip
IS_EXEMPT_KIND = np.isin(np.arange(len(CargoKind)), [int(kind) for kind in EXEMPT_KINDS])
_NEW_ENERGY = [int(powertrain) for powertrain in NEW_ENERGY]


class Vans(FleetVehicles):
    """Delivery vans under 4.5 t; `exempt` is set for the four exempt kinds."""

    permit = Column(np.bool_, "1", "has a permit for the inside of the 5th ring")
    cargo = Column(np.int8, "1", "CargoKind code")
    capacity_t = Column(np.float32, "t", "payload")
    ring = Column(np.int8, "ring", "innermost ring of the zones it serves (2-6); 7 beyond the 6th")


def delivery_window_h(inputs: Mapping[str, float]) -> float:
    """Hours of a day that a new-energy van with a permit may work inside the ring [h], at most its duty."""
    free = min(inputs["freight.delivery_hours"], 24.0 - inputs["freight.peak_barred_h"])
    return float(min(free, inputs["freight.duty_h"]))


def oil_window_h(inputs: Mapping[str, float]) -> float:
    """Hours of a day that an oil van with a permit may work inside the ring [h], at most its duty."""
    free = min(inputs["freight.delivery_hours"], inputs["freight.oil_night_h"])
    return float(min(free, inputs["freight.duty_h"]))


def oil_window_cost_cny(inputs: Mapping[str, float]) -> float:
    """What the hours closed to an oil van inside the ring cost its operator [CNY/year].

    Lost hours are priced at a van with its driver; those worked at night carry a premium. Both hold for the share of
    its work that the daytime bar hits.
    """
    night_h = oil_window_h(inputs)
    lost_h = max(0.0, delivery_window_h(inputs) - night_h)
    day_cny = lost_h * inputs["freight.van_hour_cny"] + night_h * inputs["freight.night_premium_cny_h"]
    hit = inputs["freight.oil_barred_share"]
    return float(day_cny * inputs["freight.working_day_count"] * hit)


def may_buy_oil(
    ring: NDArray[np.int8], cargo: NDArray[np.int8], draw: F64, inputs: Mapping[str, float]
) -> Bool:
    """Which new vans may burn oil.

    Parameters
    ----------
    ring
        Innermost ring of the zones each van serves.
    cargo
        CargoKind codes.
    draw
        One draw a van; below the priority share an oil van is refused a permit.
    inputs
        Parameter values of the year.

    Returns
    -------
    NDArray[np.bool_]
        True for exempt kinds; else only where no low-emission ring bars it, and outside the 5th ring or with a
        permit granted.
    """
    granted = (ring > PERMIT_LIMIT_RING) | (draw >= inputs["freight.van_nev_priority"])
    return np.asarray(IS_EXEMPT_KIND[cargo] | (granted & ~in_low_emission_ring(ring, inputs)))


def in_low_emission_ring(ring: NDArray[np.int8], inputs: Mapping[str, float]) -> Bool:
    """Whether each van serves the inside of the low-emission ring."""
    limit = inputs["freight.lez_ring"]
    return np.asarray((ring <= limit) & (limit > NO_ZONE_RING))


def in_scope(vans: Vans) -> Bool:
    """Vans that the plan's rule counts: in use, with a permit, not of an exempt kind."""
    return np.asarray(vans.alive & vans.permit & ~IS_EXEMPT_KIND[vans.cargo])


def is_new_energy(vans: Vans) -> Bool:
    """Which vans are new-energy vehicles."""
    return np.isin(vans.powertrain, _NEW_ENERGY)


def van_nev_share(vans: Vans) -> float:
    """New-energy share of the vans that the plan's rule counts (target T17) [1]; NaN where it counts none."""
    scope = in_scope(vans)
    count = int(scope.sum())
    return float((is_new_energy(vans) & scope).sum() / count) if count else float("nan")


def check_freight_rules(inputs: Mapping[str, float]) -> list[Fault]:
    """Faults of the freight parameters of one year that contradict each other.

    Parameters
    ----------
    inputs
        Parameter values of the year.

    Returns
    -------
    list[Fault]
        One for each contradiction; empty if the rules can hold together.
    """
    faults = []

    def ask(good: bool, path: str, expected: str) -> None:
        """Note a fault unless the condition holds."""
        if not good:
            faults.append(Fault("freight", path, expected, f"{inputs[path]:g}"))

    shares = [f"freight.{name}_truck_share" for name in ("light", "medium", "heavy")]
    total = sum(inputs[path] for path in shares)
    if abs(total - 1.0) > 1e-6:
        faults.append(Fault("freight", ", ".join(shares), "shares that add up to 1", f"{total:g}"))
    cargo = sum(inputs[f"freight.cargo_{kind.name.lower()}_share"] for kind in EXEMPT_KINDS)
    if cargo > 1.0:
        faults.append(
            Fault("freight", "freight.cargo_*_share", "shares that add up to at most 1", f"{cargo:g}")
        )
    ask(inputs["freight.van_permit_quota"] >= 0, "freight.van_permit_quota", "0 permits or more")
    ask(0 <= inputs["freight.van_nev_priority"] <= 1, "freight.van_nev_priority", "a share from 0 to 1")
    ask(
        inputs["freight.base_rail_share"] + inputs["freight.rail_shift_share"] <= 1,
        "freight.rail_shift_share",
        "a share that leaves rail at most all goods",
    )
    ask(
        inputs["freight.delivery_hours"] > 0,
        "freight.delivery_hours",
        "more than 0 hours, as the stops inside the ring must be served",
    )
    ask(
        inputs["freight.peak_barred_h"] + inputs["freight.oil_night_h"] <= 24,
        "freight.oil_night_h",
        "hours that fit into a day with the barred peaks",
    )
    return faults

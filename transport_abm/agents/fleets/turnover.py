"""Vehicles that stand row by row: how they age, leave and come, with every move in the books.

A vehicle fills a slot (a licence, a place on a line) that outlives it. Draws go by slot, so that the buyer of a
slot draws the same numbers in every scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transport_abm.agents.fleets.renewal import Option
from transport_abm.agents.vehicles import IS_NEW_ENERGY, FleetVehicles, VehicleBook, count_vehicles
from transport_abm.core.columns import Column
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.vocabulary import VehicleClass

I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


class SlotVehicles(FleetVehicles):
    """Vehicles of fleets whose places outlive the vehicles."""

    slot = Column(np.int32, "1", "place in the fleet that it fills, kept by its replacement")


def open_fleet(fleet: SlotVehicles, class_: VehicleClass, book: VehicleBook) -> None:
    """Book the stock at the start of the year, and let every vehicle grow a year older."""
    alive = fleet.alive
    book.opening += count_vehicles(class_, fleet.powertrain, fleet.fuel, alive)
    fleet.age[alive] += 1


def close_fleet(fleet: SlotVehicles, class_: VehicleClass, book: VehicleBook) -> None:
    """Book the stock at the end of the year."""
    book.closing += count_vehicles(class_, fleet.powertrain, fleet.fuel, fleet.alive)


def scrap(fleet: SlotVehicles, class_: VehicleClass, gone: Bool, book: VehicleBook) -> I64:
    """Scrap vehicles, and book them.

    Parameters
    ----------
    fleet
        Changed.
    class_
        Its class.
    gone
        Which of them, one value a row.
    book
        They are added to what is scrapped.

    Returns
    -------
    NDArray[np.int64]
        Their rows, ordered by slot.
    """
    return _leave(fleet, class_, gone, book.scrapped)


def take_out(fleet: SlotVehicles, class_: VehicleClass, gone: Bool, book: VehicleBook) -> I64:
    """Sell vehicles out of the fleet, and book them; otherwise as `scrap`."""
    return _leave(fleet, class_, gone, book.taken_out)


def _leave(fleet: SlotVehicles, class_: VehicleClass, gone: Bool, flow: I64) -> I64:
    """Vehicles that leave are counted and their rows end."""
    gone = gone & fleet.alive
    flow += count_vehicles(class_, fleet.powertrain, fleet.fuel, gone)
    fleet.alive[gone] = False
    row = np.flatnonzero(gone)
    return np.asarray(row[np.argsort(fleet.slot[row], kind="stable")])


def add(
    fleet: SlotVehicles,
    class_: VehicleClass,
    options: Sequence[Option],
    choice: NDArray[np.int8],
    book: VehicleBook,
    **columns: ArrayLike,
) -> slice:
    """Add new vehicles of the chosen options, and book them.

    Parameters
    ----------
    fleet
        Rows are added.
    class_
        Its class.
    options, choice
        What could be bought, and the number of what each buyer chose.
    book
        They are added to the new ones.
    columns
        The other columns of the new rows.

    Returns
    -------
    slice
        The new rows.
    """
    powertrain = np.array([option.powertrain for option in options], np.int8)[choice]
    fuel = np.array([option.fuel for option in options], np.int8)[choice]
    book.new += count_vehicles(class_, powertrain, fuel, slice(None))
    return fleet.append(len(choice), age=np.int8(0), powertrain=powertrain, fuel=fuel, **columns)


def oldest(fleet: SlotVehicles, among: Bool, count: int) -> Bool:
    """The oldest of some vehicles, so many; of equal age the lower slot first."""
    row = np.flatnonzero(among)
    order = np.lexsort((fleet.slot[row], -fleet.age[row].astype(np.int64)))[: max(count, 0)]
    out = np.zeros(len(fleet), np.bool_)
    out[row[order]] = True
    return out


def new_energy(fleet: SlotVehicles) -> Bool:
    """Whether each vehicle is a new-energy vehicle."""
    return np.asarray(IS_NEW_ENERGY[fleet.powertrain])


def nev_share(fleet: SlotVehicles, *, in_scope: bool) -> float:
    """New-energy vehicles among those alive, those outside the plan's rule left out or not [1].

    Nothing to count gives zero.
    """
    where = fleet.alive & ~fleet.exempt if in_scope else fleet.alive
    total = int(where.sum())
    return float((new_energy(fleet) & where).sum() / total) if total else 0.0


def draw_ages(
    option: NDArray[np.int8],
    options: Sequence[Option],
    inputs: Mapping[str, float],
    prefix: str,
    *,
    seed: int,
    class_: VehicleClass,
) -> NDArray[np.int8]:
    """Ages of the base year: even over a span of years, one span for new-energy vehicles and one for others.

    Parameters
    ----------
    option
        Number of each vehicle's option.
    options
        The options.
    inputs
        Parameter values; read: ``{prefix}.nev_age_max_year``, ``{prefix}.other_age_min_year``,
        ``{prefix}.other_age_max_year`` [year].
    prefix
        Start of the paths.
    seed, class_
        Address of the draws.

    Returns
    -------
    NDArray[np.int8]
        Completed years.
    """
    nev = np.array([each.new_energy for each in options], np.bool_)[option]
    low = np.where(nev, 0.0, inputs[f"{prefix}.other_age_min_year"])
    high = np.where(nev, inputs[f"{prefix}.nev_age_max_year"], inputs[f"{prefix}.other_age_max_year"])
    draw = uniform(seed, Stream.FLEET, np.arange(len(option), dtype=np.int64), 0, 10 * int(class_) + 1)
    return np.floor(low + draw * (high - low + 1.0)).astype(np.int8)

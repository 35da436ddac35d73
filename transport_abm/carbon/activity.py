"""What moves in a year: kilometres by consumer, powertrain, fuel, district and age.

    km(work, kind) = km(work) w(kind) / sum w,   w = vehicles x exp(-decline x age) x use

A work is what one class drives and carries in a year by district; the stock of the class shares it out over kinds
(powertrain, fuel, age). Kinds with a home share out the kilometres of their own district, those without any: private
cars and vans drive at home, taxis and buses all over the city.
Nothing is lost: the kilometres, passenger-km and tonne-km of the rows add up to those of the works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transport_abm.core.errors import ConservationError, Fault, InputError
from transport_abm.core.vocabulary import LABELS, NEW_ENERGY, Fuel, Powertrain, VehicleClass

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


class Consumer(IntEnum):
    """Who uses energy: the classes of vehicles with their codes, then what is not a vehicle of the stock."""

    PRIVATE_CAR = 0
    OFFICIAL_CAR = 1
    TAXI = 2
    RIDE_HAIL = 3
    BUS = 4
    COACH = 5
    VAN = 6
    TRUCK = 7
    SANITATION = 8
    AIRPORT = 9
    OTHER = 10
    METRO = 11
    E_BIKE = 12
    RAIL = 13


CONSUMER_LABELS: tuple[tuple[str, str], ...] = (
    *LABELS[VehicleClass],
    ("Metro", "地铁"),
    ("E-bikes", "电动自行车"),
    ("Rail freight", "铁路货运"),
)

OPERATING: tuple[Consumer, ...] = (
    Consumer.TAXI, Consumer.RIDE_HAIL, Consumer.BUS, Consumer.COACH, Consumer.VAN, Consumer.TRUCK, Consumer.METRO,
)  # fmt: skip
"""Operating (commercial) transport in its widest scope."""


class Size(IntEnum):
    """Size within a class; trucks have three, others are ANY."""

    ANY = 0
    LIGHT = 1
    MEDIUM = 2
    HEAVY = 3


@dataclass(frozen=True, eq=False)
class Stock:
    """Vehicles that share out the work: equally long arrays, one entry a kind."""

    class_: I64
    """VehicleClass code."""
    powertrain: I64
    """Powertrain code."""
    fuel: I64
    """Fuel code; of the engine for hybrids."""
    age: I64
    """Completed years since first registration [year]."""
    district: I64
    """Home district, -1 where it does not matter."""
    size: I64
    """Size code."""
    range_km: F64
    """Electric range of a plug-in hybrid, 0 for the catalogue's [km]."""
    count: F64
    """Vehicles, weighted to the city; or anything they share the work by, such as their own kilometres."""

    @classmethod
    def build(
        cls,
        class_: ArrayLike,
        powertrain: ArrayLike,
        fuel: ArrayLike,
        age: ArrayLike,
        count: ArrayLike,
        *,
        district: ArrayLike = -1,
        size: ArrayLike = Size.ANY,
        range_km: ArrayLike = 0.0,
    ) -> Stock:
        """A stock from columns or single values; equal kinds are counted together.

        Parameters
        ----------
        class_, powertrain, fuel, age, district, size, range_km
            Columns of the kinds; a single value holds for all. Plug-in hybrids alone keep their range.
        count
            Vehicles of each entry (1 / sample for a sampled car).

        Returns
        -------
        Stock
            One entry a kind, in the order of the codes.

        Raises
        ------
        InputError
            If a count is negative or not finite.
        """
        columns = np.broadcast_arrays(
            *(np.asarray(each) for each in (class_, powertrain, fuel, age, district, size, range_km, count))
        )
        reach = np.where(columns[1] == Powertrain.PHEV, columns[6], 0)
        codes = [each.astype(np.int64).ravel() for each in (*columns[:6], reach)]
        weight = columns[7].astype(np.float64).ravel()
        if not np.isfinite(weight).all() or (weight < 0.0).any():
            raise InputError(Fault("stock", "count", "counts of 0 or more", "negative or not finite ones"))
        _, first, which = np.unique(_one_key(codes), return_index=True, return_inverse=True)
        kind = [each[first] for each in codes]
        total = np.asarray(np.bincount(which.ravel(), weights=weight, minlength=len(first)), np.float64)
        return cls(kind[0], kind[1], kind[2], kind[3], kind[4], kind[5], kind[6].astype(np.float64), total)

    @classmethod
    def of_cohort(cls, class_: VehicleClass, count: NDArray[np.int64], *, size: Size = Size.ANY) -> Stock:
        """A stock from counts by powertrain, fuel and age (three axes)."""
        powertrain, fuel, age = np.nonzero(count)
        return cls.build(int(class_), powertrain, fuel, age, count[powertrain, fuel, age], size=int(size))

    @classmethod
    def join(cls, stocks: Sequence[Stock]) -> Stock:
        """One stock of several, in their order."""
        return cls(*(np.concatenate([getattr(stock, each.name) for stock in stocks]) for each in fields(cls)))


def _one_key(codes: Sequence[I64]) -> I64:
    """One number for each combination of codes, in their order."""
    key = np.zeros(len(codes[0]), np.int64)
    for code in codes:
        low = int(code.min(initial=0))
        key = key * (int(code.max(initial=0)) - low + 1) + (code - low)
    return key


@dataclass(frozen=True, eq=False)
class Work:
    """What one consumer drives and carries in a year, by district."""

    consumer: Consumer
    vehicle_km: F64
    """Vehicle-km, empty running included; car-km of the metro; shape (districts,) [km/year]."""
    passenger_km: F64
    """[pkm/year]"""
    tonne_km: F64
    """[tkm/year]"""
    speed_kmh: F64
    """Mean speed [km/h]."""
    size: Size = Size.ANY
    operating: bool = False
    """Belongs to operating transport."""


def build_work(
    consumer: Consumer,
    district_count: int,
    *,
    vehicle_km: ArrayLike = 0.0,
    passenger_km: ArrayLike = 0.0,
    tonne_km: ArrayLike = 0.0,
    speed_kmh: ArrayLike = 1.0,
    size: Size = Size.ANY,
    share: ArrayLike | None = None,
    operating: bool | None = None,
) -> Work:
    """A work from arrays by district, or from totals of the city.

    Parameters
    ----------
    consumer
        Who works.
    district_count
        Number of districts.
    vehicle_km, passenger_km, tonne_km
        Of the year, shape (districts,), or one total of the city.
    speed_kmh
        By district or one for all [km/h].
    size
        Size of the vehicles.
    share
        Shares of the districts for totals; by default all of a total stands in the first district.
    operating
        Belongs to operating transport; by default all work of the consumers in `OPERATING` does.

    Returns
    -------
    Work
        The work.

    Raises
    ------
    InputError
        If a figure is negative or not finite, or the shares do not add up to one; all faults are named.
    """
    where = f"work of {consumer.name.lower()}"
    faults: list[Fault] = []
    first = np.zeros(district_count)
    first[0] = 1.0
    part = first if share is None else np.asarray(share, np.float64)
    if part.shape != (district_count,) or abs(part.sum() - 1.0) > 1e-9 or (part < 0.0).any():
        faults.append(Fault(where, "share", f"{district_count} shares that add up to 1", str(part)))
    figures = {"vehicle_km": vehicle_km, "passenger_km": passenger_km, "tonne_km": tonne_km}
    out: dict[str, F64] = {}
    for name, value in figures.items():
        given = np.asarray(value, np.float64)
        out[name] = given * part if given.ndim == 0 else given.copy()
    out["speed_kmh"] = np.broadcast_to(np.asarray(speed_kmh, np.float64), (district_count,)).copy()
    for name, array in out.items():
        if array.shape != (district_count,):
            faults.append(Fault(where, name, f"{district_count} districts", f"shape {array.shape}"))
        elif not np.isfinite(array).all() or (array < 0.0).any():
            faults.append(Fault(where, name, "finite numbers of 0 or more", str(array)))
    if faults:
        raise InputError(faults)
    hired = consumer in OPERATING if operating is None else operating
    return Work(consumer=consumer, size=size, operating=hired, **out)


@dataclass(frozen=True, eq=False)
class Activity:
    """What moves in a year: equally long arrays, one entry for each kind of vehicle in each district."""

    year: int
    district_count: int
    consumer: I64
    """Consumer code."""
    powertrain: I64
    fuel: I64
    """Fuel code; of the engine for hybrids."""
    district: I64
    age: I64
    """Completed years since first registration [year]."""
    size: I64
    range_km: F64
    vehicle_km: F64
    """[km/year]"""
    passenger_km: F64
    """[pkm/year]"""
    tonne_km: F64
    """[tkm/year]"""
    speed_kmh: F64
    operating: NDArray[np.bool_]

    def total(self, name: str, where: NDArray[np.bool_] | None = None) -> F64:
        """Sum of a column by consumer, of all rows or of some."""
        column = getattr(self, name) if where is None else np.where(where, getattr(self, name), 0.0)
        return np.asarray(np.bincount(self.consumer, weights=column, minlength=len(Consumer)), np.float64)


_ELECTRIC = (Consumer.METRO, Consumer.E_BIKE, Consumer.RAIL)


def build_activity(works: Sequence[Work], stock: Stock, inputs: Mapping[str, float], year: int) -> Activity:
    """Share out the year's works over the stock.

    Parameters
    ----------
    works
        What each consumer drives and carries (see `works.py`).
    stock
        Vehicles of all classes that work.
    inputs
        Values of the year; needs ``carbon.car_age_decline_share`` and ``carbon.new_energy_km_factor``.
    year
        Calendar year.

    Returns
    -------
    Activity
        Rows whose kilometres and turnover add up to those of the works.

    Raises
    ------
    ConservationError
        If a class has work and no vehicles to do it; all such classes are named.
    """
    if not works:
        raise InputError(Fault("activity", "works", "at least one", "none"))
    idle = [work for work in works if work.consumer not in _ELECTRIC and not _crew(work, stock).any()]
    lost = [f"{work.consumer.name.lower()} {work.size.name.lower()}" for work in idle if _amount(work) > 0.0]
    if lost:
        raise ConservationError(f"activity {year}: work without vehicles: {', '.join(lost)}")
    blocks = [_share_out(work, stock, inputs) for work in works if all(work is not each for each in idle)]
    names = [each.name for each in fields(Activity) if each.name not in ("year", "district_count")]
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in names}
    activity = Activity(year=year, district_count=len(works[0].vehicle_km), **columns)
    _check(activity, works)
    return activity


def _amount(work: Work) -> float:
    """Anything that a work moves."""
    return float(work.vehicle_km.sum() + work.passenger_km.sum() + work.tonne_km.sum())


def _crew(work: Work, stock: Stock) -> NDArray[np.bool_]:
    """Kinds of the stock that do a work."""
    return np.asarray((stock.class_ == work.consumer) & (stock.size == work.size) & (stock.count > 0.0))


def _share_out(work: Work, stock: Stock, inputs: Mapping[str, float]) -> dict[str, NDArray[np.generic]]:
    """Rows of one work: districts times kinds."""
    count = len(work.vehicle_km)
    if work.consumer in _ELECTRIC:
        zero = np.zeros(1, np.int64)
        kind = {"powertrain": zero + Powertrain.BEV, "fuel": zero + Fuel.ELECTRICITY, "age": zero}
        reach, part = np.zeros(1), np.ones((count, 1))
    else:
        who = _crew(work, stock)
        kind = {name: getattr(stock, name)[who] for name in ("powertrain", "fuel", "age")}
        reach = stock.range_km[who]
        part = _parts(work, stock.count[who], stock.district[who], kind, inputs)
    where, which = np.nonzero(part)
    share = part[where, which]
    out: dict[str, NDArray[np.generic]] = {name: each[which] for name, each in kind.items()}
    for name in ("vehicle_km", "passenger_km", "tonne_km"):
        out[name] = getattr(work, name)[where] * share
    return out | {
        "consumer": np.full(len(where), int(work.consumer), np.int64),
        "size": np.full(len(where), int(work.size), np.int64),
        "operating": np.full(len(where), work.operating),
        "district": where.astype(np.int64),
        "range_km": reach[which],
        "speed_kmh": work.speed_kmh[where],
    }


def _parts(work: Work, count: F64, home: I64, kind: Mapping[str, I64], inputs: Mapping[str, float]) -> F64:
    """Share of each kind in each district's work; every row adds up to one."""
    weight = count.copy()
    if work.consumer is Consumer.PRIVATE_CAR:
        weight *= np.exp(-inputs["carbon.car_age_decline_share"] * kind["age"])
        new_energy = np.isin(kind["powertrain"], [int(each) for each in NEW_ENERGY])
        weight *= np.where(new_energy, inputs["carbon.new_energy_km_factor"], 1.0)
    parts = np.tile(weight, (len(work.vehicle_km), 1))
    if (home >= 0).any():
        own = parts * ((home == np.arange(len(work.vehicle_km))[:, None]) | (home < 0))
        # a district whose sampled households hold no car, or without a van, is served by those of the city
        parts = np.where(own.sum(axis=1, keepdims=True) > 0.0, own, parts)
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


def _check(activity: Activity, works: Sequence[Work]) -> None:
    """Raise ConservationError unless the rows carry what the works carry."""
    for name in ("vehicle_km", "passenger_km", "tonne_km"):
        given = np.zeros(len(Consumer))
        for work in works:
            given[work.consumer] += getattr(work, name).sum()
        left = np.abs(activity.total(name) - given)
        if (left > 1e-9 * np.maximum(given, 1.0)).any():
            raise ConservationError(
                f"activity {activity.year}: {name} of {Consumer(int(left.argmax())).name} is lost"
            )

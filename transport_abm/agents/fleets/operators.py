"""Who runs fleets: bus companies, taxi companies and owner groups, ride-hail platforms, logistics firms."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.columns import Column, Table
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.vocabulary import VehicleClass
from transport_abm.networks.city import City

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


class OperatorKind(IntEnum):
    """Kinds of operators."""

    BUS_COMPANY = 0
    TAXI_COMPANY = 1
    INDIVIDUAL_TAXIS = 2
    SOCIAL_SECURITY_TAXIS = 3
    RIDE_HAIL_PLATFORM = 4
    LOGISTICS_FIRM = 5


CLASS_OF_KIND = {
    OperatorKind.BUS_COMPANY: VehicleClass.BUS,
    OperatorKind.TAXI_COMPANY: VehicleClass.TAXI,
    OperatorKind.INDIVIDUAL_TAXIS: VehicleClass.TAXI,
    OperatorKind.SOCIAL_SECURITY_TAXIS: VehicleClass.TAXI,
    OperatorKind.RIDE_HAIL_PLATFORM: VehicleClass.RIDE_HAIL,
    OperatorKind.LOGISTICS_FIRM: VehicleClass.VAN,
}
"""What each kind of operator runs."""


class Operators(Table):
    """Operators of fleets."""

    kind = Column(np.int8, "1", "OperatorKind code")
    class_ = Column(np.int8, "1", "VehicleClass code of its vehicles")
    district = Column(np.int16, "row", "district of its seat")


_COUNTED = {
    OperatorKind.TAXI_COMPANY: "fleets.taxi.company_count",
    OperatorKind.RIDE_HAIL_PLATFORM: "fleets.ride_hail.platform_count",
    OperatorKind.LOGISTICS_FIRM: "fleets.logistics_firm_count",
}


def build_operators(city: City, inputs: Mapping[str, float], *, seed: int) -> Operators:
    """Operators of a city: two bus companies (central and suburban lines), the two groups of single taxis, and firms.

    Parameters
    ----------
    city
        Gives districts and work places; firms sit where work places are.
    inputs
        Parameter values; read: ``fleets.taxi.company_count``, ``fleets.ride_hail.platform_count``,
        ``fleets.logistics_firm_count``.
    seed
        Address of the draws.

    Returns
    -------
    Operators
        One row an operator, grouped by kind.
    """
    jobs = district_jobs(city)
    rest = np.where(city.districts.central, 0.0, jobs)
    kind = [OperatorKind.BUS_COMPANY, OperatorKind.BUS_COMPANY]
    seat = [int(np.argmax(jobs)), int(np.argmax(rest if rest.any() else jobs))]
    kind += [OperatorKind.INDIVIDUAL_TAXIS, OperatorKind.SOCIAL_SECURITY_TAXIS]
    seat += [int(np.argmax(jobs))] * 2
    for each, path in _COUNTED.items():
        count = max(1, round(inputs[path]))
        key = np.arange(count, dtype=np.int64) + 10_000 * int(each)
        kind += [each] * count
        seat += draw_district(jobs, uniform(seed, Stream.FLEET, key, 0)).tolist()
    code = np.array(kind, np.int8)
    class_ = np.array([CLASS_OF_KIND[each] for each in OperatorKind], np.int8)[code]
    return Operators.build(len(code), kind=code, class_=class_, district=np.array(seat, np.int16))


def district_jobs(city: City) -> NDArray[np.float64]:
    """Work places by district."""
    return _by_district(city, city.zones.jobs)


def district_residents(city: City) -> NDArray[np.float64]:
    """Residents by district."""
    return _by_district(city, city.zones.residents)


def _by_district(city: City, value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of a column of the zones by district."""
    return np.asarray(np.bincount(city.zones.district, value, len(city.districts.name_en)), np.float64)


def draw_district(weight: NDArray[np.float64], draw: NDArray[np.float64]) -> NDArray[np.int16]:
    """Districts drawn with the given weights, one a draw."""
    ends = np.cumsum(weight) / weight.sum()
    return np.minimum(np.searchsorted(ends, draw, side="right"), len(weight) - 1).astype(np.int16)


def operators_of(operators: Operators, kind: OperatorKind) -> I32:
    """Rows of the operators of one kind."""
    return np.flatnonzero((operators.kind == kind) & operators.alive).astype(np.int32)


def city_scale(city: City, inputs: Mapping[str, float]) -> float:
    """Residents of the city over those of Beijing, whose fleets the parameters count [1]."""
    return float(city.zones.residents.sum() / inputs["population.base_resident_count"])

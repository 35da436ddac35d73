"""Short runs of the tiny city, and variants of it in which a lever can be seen."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

import numba
import numpy as np

from tests.tiny import tiny_city
from transport_abm.core.errors import ConvergenceWarning
from transport_abm.core.vocabulary import LinkClass, TransitMode
from transport_abm.model import TransportModel
from transport_abm.networks.city import City
from transport_abm.policy.levers import LeverSetting
from transport_abm.policy.scenario import Scenario

SHORT_WAYS: dict[str, float] = {
    "work.mean_distance_central_km": 2.2,
    "school.mean_distance_pupil_km": 2.0,
    "school.mean_distance_student_km": 2.5,
    "destination.mean_distance_leisure_km": 2.6,
    "destination.mean_distance_errand_km": 2.6,
}
"""Mean distances that a city of six kilometres can have; those of Beijing are out of its reach."""
OUTSIDE_5TH_RING = 6


def tiny_case(
    levers: Mapping[str, float] | None = None,
    *,
    years: tuple[int, int] = (2020, 2020),
    sample: float = 1.0,
    replication: int = 0,
    parameters: Mapping[str, float] = SHORT_WAYS,
) -> Scenario:
    """The baseline in the tiny city, with levers in full force from the first year on."""
    settings = tuple(
        LeverSetting(lever=lever, value=value, start_year=years[0]) for lever, value in (levers or {}).items()
    )
    return Scenario.named("baseline").replace(
        name="tiny", city="tiny", years=years, sample=sample, replication=replication, levers=settings,
        parameters=parameters,
    )  # fmt: skip


@contextmanager
def quick(threads: int = 1) -> Iterator[None]:
    """One thread, which is quicker for so few zones, and no word on distances out of a small city's reach."""
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield
    finally:
        numba.set_num_threads(before)


def finished(
    case: Scenario, city: City | None = None, *, threads: int = 1, check: bool = False
) -> TransportModel:
    """A model of a small city that has run to its end."""
    with quick(threads):
        model = TransportModel(case, city=city or tiny_city(), check=check)
        model.run()
    return model


def value(
    model: TransportModel, outcome: str, class_: str = "", *, district: str = "", year: int | None = None
) -> float:
    """An outcome of the last year, or of another one."""
    series = model.results().series(outcome, district=district, class_=class_)
    return float(series.loc[year if year is not None else max(series.index)])


@lru_cache(maxsize=1)
def ringed_city() -> City:
    """The tiny city with rings from west to east: 2nd, 4th and, in its last column, beyond the 5th."""
    city = tiny_city()
    column = np.rint((city.zones.x_m - city.zones.x_m.min()) / 1500.0).astype(int)
    zone_ring = np.array([2, 2, 4, OUTSIDE_5TH_RING], np.int8)[column]
    roads = city.roads
    east_m = np.maximum(roads.node_x_m[roads.tail], roads.node_x_m[roads.head]) - roads.node_x_m.min()
    road_ring = np.array([2, 4, OUTSIDE_5TH_RING], np.int8)[np.digitize(east_m, (3_100.0, 4_600.0))]
    return replace(
        city,
        name="tiny-ringed",
        zones=replace(city.zones, ring=zone_ring),
        roads=replace(roads, ring=road_ring),
    )


@lru_cache(maxsize=1)
def opening_city() -> City:
    """The tiny city with a fast metro line from end to end that opens in 2022."""
    city = tiny_city()
    transit = city.transit
    ends = np.array([0, 3, 3, 0], np.int32)
    calls, roads = len(transit.stop), len(transit.road_link)
    grown = replace(
        transit,
        line_name_en=(*transit.line_name_en, "Express"), line_name_zh=(*transit.line_name_zh, "快线"),
        line_mode=np.append(transit.line_mode, np.int8(TransitMode.METRO)),
        line_vehicle_capacity=np.append(transit.line_vehicle_capacity, 1460.0),
        line_vehicle_seats=np.append(transit.line_vehicle_seats, 250.0),
        line_headway_min=np.vstack([transit.line_headway_min, [[1.0, 1.0, 1.0, 2.0]]]),
        pattern_line=np.append(transit.pattern_line, np.array([3, 3], np.int32)),
        pattern_indptr=np.append(transit.pattern_indptr, [calls + 2, calls + 4]),
        stop=np.append(transit.stop, ends),
        segment_length_m=np.append(transit.segment_length_m, [6000.0, 0.0, 6000.0, 0.0]),
        segment_time_s=np.append(transit.segment_time_s, [300.0, 0.0, 300.0, 0.0]),
        road_indptr=np.append(transit.road_indptr, [roads] * 4),
        open_year=np.append(transit.open_year, np.array([2022, 2022], np.int16)),
        close_year=np.append(transit.close_year, np.array([9999, 9999], np.int16)),
    )  # fmt: skip
    return replace(city, name="tiny-opening", transit=grown)


@lru_cache(maxsize=1)
def busy_city() -> City:
    """The tiny city with main roads only, too narrow for its cars in the peaks."""
    city = tiny_city()
    roads = city.roads
    main = np.full(roads.n_links, LinkClass.PRIMARY, np.int8)
    narrow = replace(roads, link_class=main, capacity_pcuh=np.full(roads.n_links, 60.0))
    return replace(city, name="tiny-busy", roads=narrow)


@lru_cache(maxsize=1)
def wide_city() -> City:
    """The tiny city drawn four times as large, for eight times as many people: ways are long."""
    city, factor, crowd = tiny_city(), 4.0, 8.0
    x_m, y_m = city.roads.node_x_m.min(), city.roads.node_y_m.min()
    zones, roads, transit = city.zones, city.roads, city.transit
    return replace(
        city, name="tiny-wide",
        zones=replace(
            zones, x_m=x_m + factor * (zones.x_m - x_m), y_m=y_m + factor * (zones.y_m - y_m),
            residents=zones.residents * crowd, jobs=zones.jobs * crowd,
            school_places=zones.school_places * crowd,
        ),
        roads=replace(
            roads, length_m=roads.length_m * factor,
            node_x_m=x_m + factor * (roads.node_x_m - x_m), node_y_m=y_m + factor * (roads.node_y_m - y_m),
        ),
        transit=replace(
            transit,
            segment_length_m=transit.segment_length_m * factor,
            segment_time_s=transit.segment_time_s * factor,
            stop_x_m=x_m + factor * (transit.stop_x_m - x_m),
            stop_y_m=y_m + factor * (transit.stop_y_m - y_m),
        ),
    )  # fmt: skip

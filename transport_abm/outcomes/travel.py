"""Outcomes of travel: one function each, with its unit and its definition in words.

The green-trip share follows the statistics' definition: of the weekday trips with at least one end in the central
districts, walking included, the share made on foot, by bicycle (shared and electric ones too), bus or metro.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.tours import BACK, DEPART, DESTINATION, ORIGIN, PURPOSE, STOP
from transport_abm.core.vocabulary import GREEN_MODES, Mode, Period, Purpose, TransitMode
from transport_abm.networks.level_of_service import ACTIVE_KM, CAR_MIN
from transport_abm.networks.roads.road_skims import free_link_time_s
from transport_abm.outcomes.register import Row, YearView, outcome

NEAR_CAPACITY = 0.9
"""Flow over capacity from which a link counts as near its capacity."""
GREEN = np.isin(np.arange(len(Mode)), [int(mode) for mode in GREEN_MODES])


@outcome("1", "Green-trip share, central city", "中心城区绿色出行比例",
         "weekday trips with an end in the central districts, walking included: "
         "share on foot, by bicycle, bus or metro")  # fmt: skip
def green_share(view: YearView) -> Iterator[Row]:
    """The plan's green-trip share, and the same for each district."""
    yield "", "", _share(view.central_count, GREEN)
    for name, count in zip(view.city.districts.name_en, view.district_count, strict=True):
        yield name, "", _share(count, GREEN)


@outcome("1", "Green share of motorised trips", "机动化出行中的绿色比例",
         "bus and metro among the motorised trips with an end in the central districts")  # fmt: skip
def green_share_motorised(view: YearView) -> Iterator[Row]:
    """Variant: motorised trips only."""
    motorised = np.arange(len(Mode)) >= Mode.BUS
    yield "", "", _share(np.where(motorised, view.central_count, 0), GREEN)


@outcome(
    "1",
    "Green-trip share, whole city",
    "全市绿色出行比例",
    "as the green-trip share, for all trips of the city",
)
def green_share_city(view: YearView) -> Iterator[Row]:
    """Variant: all districts."""
    yield "", "", _share(view.pair_count.sum(axis=(1, 2)), GREEN)


@outcome("1", "Green-trip share without e-bikes", "中心城区绿色出行比例（不计电动自行车）",
         "as the green-trip share, e-bike trips counted as not green")  # fmt: skip
def green_share_no_e_bike(view: YearView) -> Iterator[Row]:
    """Variant: e-bikes are not green."""
    yield "", "", _share(view.central_count, GREEN & (np.arange(len(Mode)) != Mode.E_BIKE))


@outcome(
    "1",
    "Mode share",
    "出行方式分担率",
    "share of the trips with an end in the central districts, or in the district",
)
def mode_share(view: YearView) -> Iterator[Row]:
    """Shares of all modes, central city and each district."""
    domains = [("", view.central_count), *zip(view.city.districts.name_en, view.district_count, strict=True)]
    for name, count in domains:
        for mode in Mode:
            yield name, mode.name.lower(), count[mode] / max(1, count.sum())


@outcome(
    "trips/day",
    "Trips, central city",
    "中心城区出行量",
    "weekday trips with an end in the central districts, or in the district",
)
def trips(view: YearView) -> Iterator[Row]:
    """Trips by mode, central city and each district."""
    yield "", "", view.central_count.sum() * view.weight
    for mode in Mode:
        yield "", mode.name.lower(), view.central_count[mode] * view.weight
    for name, count in zip(view.city.districts.name_en, view.district_count, strict=True):
        yield name, "", count.sum() * view.weight


@outcome("trips/day", "Trips, whole city", "全市出行量", "all weekday trips of the city")
def trips_city(view: YearView) -> Iterator[Row]:
    """Trips of the whole city by mode."""
    count = view.pair_count.sum(axis=(1, 2))
    yield "", "", count.sum() * view.weight
    for mode in Mode:
        yield "", mode.name.lower(), count[mode] * view.weight


@outcome(
    "person-km/day",
    "Passenger-km",
    "客运周转量",
    "person-kilometres of all weekday trips, by the district of origin",
)
def passenger_km(view: YearView) -> Iterator[Row]:
    """Passenger-km by mode, whole city and by district."""
    yield "", "", view.mode_km.sum()
    for mode in Mode:
        yield "", mode.name.lower(), view.mode_km[mode].sum()
    by_zone = view.mode_km.sum(axis=0)
    for d, name in enumerate(view.city.districts.name_en):
        yield name, "", by_zone[view.city.zones.district == d].sum()


@outcome("km", "Mean trip distance", "平均出行距离", "person-km over trips, whole city, by mode")
def mean_distance(view: YearView) -> Iterator[Row]:
    """Mean distance of a trip."""
    count = view.pair_count.sum(axis=(1, 2)) * view.weight
    yield "", "", view.mode_km.sum() / max(1.0, count.sum())
    for mode in Mode:
        if count[mode] > 0:
            yield "", mode.name.lower(), view.mode_km[mode].sum() / count[mode]


@outcome("km", "Mean commute distance, central residents", "中心城区居民平均通勤距离",
         "network distance between home and work of the central districts' residents who go to work")  # fmt: skip
def commute_distance(view: YearView) -> Iterator[Row]:
    """Mean commute distance."""
    table = view.tours.table
    commute = (table[:, PURPOSE] == Purpose.WORK) & view.central[table[:, ORIGIN]]
    distance = view.travel.los[Period.AM, :, :, ACTIVE_KM]
    yield (
        "",
        "",
        float(distance[table[commute, ORIGIN], table[commute, DESTINATION]].mean(dtype=np.float64))
        if commute.any()
        else 0.0,
    )


@outcome("1", "Commutes among trips that start in the morning peak", "早高峰出发出行中通勤比例",
         "trips of tours to work and school among all trips that start between 7 and 9, whole city")  # fmt: skip
def commute_share_am(view: YearView) -> Iterator[Row]:
    """Share of mandatory tours' trips in the morning peak."""
    table = view.tours.table
    trips = (table[:, DEPART] == Period.AM) + (table[:, BACK] == Period.AM) * (1.0 + (table[:, STOP] >= 0))
    total = trips.sum()
    yield "", "", float(trips[table[:, PURPOSE] <= Purpose.SCHOOL].sum() / total) if total else 0.0


@outcome(
    "min",
    "Mean time of a car trip",
    "小汽车平均出行时间",
    "car drivers' in-vehicle time by the cheapest ways at the times of the period, whole city, by period",
)
def car_time(view: YearView) -> Iterator[Row]:
    """Mean in-vehicle time of car drivers."""
    for period in Period:
        trips_pair = view.count[Mode.CAR_DRIVER, period]
        total = trips_pair.sum()
        if total:
            minutes = np.where(trips_pair > 0, view.travel.los[period, :, :, CAR_MIN], 0.0)
            yield "", period.name.lower(), float((trips_pair * minutes).sum(dtype=np.float64) / total)


@outcome(
    "km/h",
    "Network speed",
    "路网平均速度",
    "vehicle-km over vehicle-hours on drive links in the central rings (inside the 5th)",
)
def network_speed(view: YearView) -> Iterator[Row]:
    """Mean speed of motor traffic inside the 5th ring, by period."""
    inside = view.city.roads.ring <= 5
    for period in Period:
        # Times of closed links are infinite, and no car is on them.
        used = inside & (view.travel.link_flow_pcuh[period] > 0)
        flow = view.travel.link_flow_pcuh[period, used]
        hours = float((flow * view.travel.link_time_s[period, used]).sum()) / 3600.0
        if hours > 0:
            km = float((flow * view.city.roads.length_m[used]).sum()) / 1000.0
            yield "", period.name.lower(), km / hours


@outcome("vehicle-h/h", "Vehicle-hours in an hour of the morning peak", "早高峰一小时车辆小时数",
         "on all roads, in the design hour, on the spatial queue in the mean hour; free: at the times of empty roads; "
         "below: delay on links with less than 90 % of their capacity in flow; near: delay on the others")  # fmt: skip
def road_hours(view: YearView) -> Iterator[Row]:
    """Where the drivers' time goes: empty roads, delay on links below their capacity, delay on those near it."""
    roads = view.city.roads
    used = view.travel.link_flow_pcuh[Period.AM] > 0
    flow, time_s = view.travel.link_flow_pcuh[Period.AM, used], view.travel.link_time_s[Period.AM, used]
    free_s = free_link_time_s(roads, view.inputs)[used]
    near = flow >= NEAR_CAPACITY * roads.capacity_pcuh[used]
    delay_h = flow * (time_s - free_s) / 3600.0
    yield "", "", float((flow * time_s).sum() / 3600.0)
    yield "", "free", float((flow * free_s).sum() / 3600.0)
    yield "", "below", float(delay_h[~near].sum())
    yield "", "near", float(delay_h[near].sum())


@outcome(
    "km/h",
    "Bus speed",
    "公交运营速度",
    "bus-km over bus-hours of all lines in the peaks, dwell time included",
)
def bus_speed(view: YearView) -> Iterator[Row]:
    """Mean running speed of buses in the peaks."""
    for period in (Period.AM, Period.PM):
        speed = view.travel.bus_speed_kmh[period]
        if np.isfinite(speed):
            yield "", period.name.lower(), float(speed)


@outcome("vehicle-km/day", "Car-km", "小汽车行驶里程",
         "weekday kilometres of private cars, taxis and ride-hail cars, empty running included, "
         "by the district of the trip's origin")  # fmt: skip
def car_km(view: YearView) -> Iterator[Row]:
    """Vehicle-km of private and hired cars."""
    private = view.mode_km[Mode.CAR_DRIVER]
    hired = (view.mode_km[Mode.TAXI] + view.mode_km[Mode.RIDE_HAIL]) / view.inputs["traffic.hired_occupancy"]
    hired = hired / (1.0 - view.inputs["traffic.hired_empty_share"])
    yield "", "", float((private + hired).sum())
    yield "", "private", float(private.sum())
    yield "", "hired", float(hired.sum())
    for d, name in enumerate(view.city.districts.name_en):
        yield name, "", float((private + hired)[view.city.zones.district == d].sum())


@outcome(
    "boardings/day",
    "Transit boardings",
    "公共交通客运量",
    "weekday boardings of all lines, transfers counted",
)
def boardings(view: YearView) -> Iterator[Row]:
    """Boardings of bus and metro."""
    for mode in TransitMode:
        yield "", mode.name.lower(), view.travel.boardings[mode]


@outcome("1", "Metro crowding in the morning peak", "早高峰地铁拥挤度",
         "passenger-km on sections whose load is above the trains' places; "
         "and the mean load of passengers' sections")  # fmt: skip
def crowding(view: YearView) -> Iterator[Row]:
    """Share of metro passenger-km above capacity and mean load factor."""
    load, km = view.travel.metro_load, view.travel.metro_passenger_km
    if km.sum() > 0:
        yield "", "over_capacity", float(km[load > 1.0].sum() / km.sum())
        yield "", "mean_load", float((load * km).sum() / km.sum())


@outcome("persons", "Residents", "常住人口", "living residents, weighted, whole city and by district")
def residents(view: YearView) -> Iterator[Row]:
    """Residents."""
    yield "", "", float(view.residents.sum())
    for d, name in enumerate(view.city.districts.name_en):
        yield name, "", float(view.residents[view.city.zones.district == d].sum())


@outcome("km", "Metro in service", "地铁运营里程", "length of the metro lines in service, one direction")
def metro_length(view: YearView) -> Iterator[Row]:
    """Length of metro lines in service."""
    yield "", "", view.travel.metro_length_km


@outcome("1", "Stuck and late vehicles", "卡滞与滞留车辆",
         "spatial queue only; released: moves to a full link that the rule for stuck vehicles made possible, as a share of "
         "all; late: packets still on the road when the day ends")  # fmt: skip
def queue(view: YearView) -> Iterator[Row]:
    """How far the simulated day had to be helped."""
    day = view.travel.queue_day
    if day is not None:
        yield "", "released", day.released_share
        yield "", "late", day.late_share


@outcome("1", "Equilibrium gap", "均衡误差",
         "road: relative gap; crowd: relative gap of transit loadings in their crowd; "
         "share: largest change of a mode share in the last iteration; "
         "transit: largest mean change of times")  # fmt: skip
def gap(view: YearView) -> Iterator[Row]:
    """Gaps of the last iteration."""
    for name, value in view.gap.items():
        yield "", name, value


@outcome("1", "Converged", "是否收敛", "1 if every gap of the year is below its threshold")
def converged(view: YearView) -> Iterator[Row]:
    """Convergence flag."""
    yield "", "", float(view.gap["excess"] <= 1.0)


def _share(count: NDArray[np.int64], part: NDArray[np.bool_]) -> float:
    """Share of the chosen modes; zero where there are no trips."""
    total = float(count.sum())
    return float(count[part].sum()) / total if total else 0.0

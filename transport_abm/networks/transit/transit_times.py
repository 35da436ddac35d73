"""Bus running times on congested roads, and fares of transit trips.

A bus segment follows road links. On a link with free time ``t0`` and congested time ``t`` the bus needs

    k (t0 + (1 - lane) (t - t0)),

``lane`` the share of main-road kilometres with a bus lane (0 on other roads), ``k`` its handicap against
cars; a segment adds one dwell for every stop it stands for.
"""

from __future__ import annotations

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import LinkClass, TransitMode
from transport_abm.networks.city import F32, F64, Fares, RoadNetwork, TransitNetwork
from transport_abm.networks.transit.transit_service import Inputs

MAIN_ROADS = (LinkClass.EXPRESSWAY, LinkClass.PRIMARY)
"""Classes of road that can carry bus lanes."""


def bus_segment_time_s(transit: TransitNetwork, roads: RoadNetwork, link_time_s: F64, inputs: Inputs) -> F64:
    """Running time with dwell of the segment leaving each call.

    Parameters
    ----------
    transit
        Patterns with their road links.
    roads
        Road links.
    link_time_s
        Time of each link in the period [s].
    inputs
        Read: ``transit.bus_lane_share``, ``transit.bus_time_factor``, ``transit.bus_speed_max_kmh``,
        ``transit.bus_speed_no_road_kmh``, ``transit.bus_stop_spacing_m``, ``transit.bus_dwell_s_per_stop``.

    Returns
    -------
    F64
        Seconds for each call; metro calls keep their timetable, last calls have 0.

    Raises
    ------
    NetworkError
        If there is not one time for each link.

    Notes
    -----
    The pace along the links is applied to the segment's own length, so that a segment may use parts of links.
    """
    if link_time_s.shape != (roads.n_links,):
        raise NetworkError(Fault("roads", "link_time_s", f"{roads.n_links} links", str(link_time_s.shape)))
    count = np.diff(transit.pattern_indptr)
    line_mode = transit.line_mode[np.repeat(transit.pattern_line, count)]
    length = transit.segment_length_m
    pace = _pace_s_m(transit, roads, link_time_s, inputs)
    stops = np.maximum(1.0, np.rint(length / inputs["transit.bus_stop_spacing_m"]))
    bus = np.where(length > 0, length * pace + stops * inputs["transit.bus_dwell_s_per_stop"], 0.0)
    time_s: F64 = np.where(line_mode == TransitMode.BUS, bus, transit.segment_time_s)
    return time_s


def _pace_s_m(transit: TransitNetwork, roads: RoadNetwork, link_time_s: F64, inputs: Inputs) -> F64:
    """Seconds per metre of a running bus along the links of each call's segment."""
    free_s = roads.length_m * 3.6 / roads.free_speed_kmh
    lane = np.where(np.isin(roads.link_class, MAIN_ROADS), inputs["transit.bus_lane_share"], 0.0)
    delay_s = np.maximum(link_time_s - free_s, 0.0)
    bus_s = inputs["transit.bus_time_factor"] * (free_s + (1 - lane) * delay_s)
    bus_s = np.maximum(bus_s, roads.length_m * 3.6 / inputs["transit.bus_speed_max_kmh"])
    n_calls = len(transit.stop)
    call = np.repeat(np.arange(n_calls), np.diff(transit.road_indptr))
    time = np.bincount(call, bus_s[transit.road_link], n_calls)
    metre = np.bincount(call, roads.length_m[transit.road_link], n_calls)
    off_road = 3.6 / inputs["transit.bus_speed_no_road_kmh"]
    pace: F64 = np.divide(time, metre, out=np.full(n_calls, off_road), where=metre > 0)
    return pace


def transit_fare_cny(fares: Fares, bus_km: F32, metro_km: F32, bus_boardings: F32, inputs: Inputs) -> F32:
    """Fare of a transit trip: metro by its whole distance, each bus boarding by its own, with a card.

    Parameters
    ----------
    fares
        Fare rules.
    bus_km, metro_km
        Distance on each submode, any shape [km].
    bus_boardings
        Buses boarded, of the same shape (skim ``bus_boardings``; for trips by bus alone also ``boardings``).
    inputs
        Read: ``fares.metro_factor``, ``fares.bus_factor``.

    Returns
    -------
    F32
        Fare of each trip [CNY], of the same shape.

    Notes
    -----
    Changing trains inside the metro costs nothing, so boardings there do not count. Bus distance is split
    evenly over the buses boarded.
    """
    metro = metro_fare_cny(fares, metro_km) * inputs["fares.metro_factor"]
    buses = np.maximum(np.asarray(bus_boardings, np.float64), 0.0)
    each_km = np.divide(bus_km, buses, out=np.zeros(np.shape(bus_km)), where=buses > 0)
    beyond = np.maximum(each_km - fares.bus_base_km, 0.0)
    each = (fares.bus_base_cny + _steps(beyond, fares.bus_step_km)) * (1 - fares.bus_card_discount)
    total = metro + buses * each * inputs["fares.bus_factor"] * (np.asarray(bus_km) > 0)
    return total.astype(np.float32)


def metro_fare_cny(fares: Fares, metro_km: F32 | F64) -> F64:
    """Metro fare by distance [CNY]; 0 at no distance, upper ends of bands included."""
    km = np.asarray(metro_km, np.float64)
    up_to = fares.metro_up_to_km
    band = np.minimum(np.searchsorted(up_to, km, side="left"), len(up_to) - 1)
    beyond = np.maximum(km - up_to[-1], 0.0)
    fare: F64 = np.where(km > 0, fares.metro_cny[band] + _steps(beyond, fares.metro_step_km), 0.0)
    return fare


def _steps(beyond_km: F64, step_km: float) -> F64:
    """Yuan for distance beyond the last band: one for each step begun."""
    if not step_km > 0:
        return np.zeros_like(beyond_km)
    steps: F64 = np.ceil(beyond_km / step_km)
    return steps

"""Small networks drawn by hypothesis, with names that no reader expects."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from transport_abm.networks.city import F64
from transport_abm.networks.formats.road_file import RoadFile
from transport_abm.networks.roads.road_problem import RoadProblem

NAMES = st.text("ab1,;'\"<&> 路é{}", min_size=1, max_size=6).map(str.strip).filter(bool)


def numbers(draw: st.DrawFn, n: int, low: float, high: float) -> F64:
    """So many numbers, now and then at the ends of their range."""
    one = st.floats(low, high, allow_subnormal=False)
    return np.array(draw(st.lists(one, min_size=n, max_size=n)), np.float64)


def names(draw: st.DrawFn, n: int) -> tuple[str, ...]:
    """So many different names."""
    return tuple(draw(st.lists(NAMES, min_size=n, max_size=n, unique=True)))


@st.composite
def road_files(draw: st.DrawFn, *, closed_lanes: float | None = None) -> RoadFile:
    """A network of up to six nodes and ten links, parallel links and loops included, one link open to cars."""
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 10))
    node = st.integers(0, n - 1)
    ends = np.array(draw(st.lists(st.tuples(node, node), min_size=m, max_size=m)), np.int32)
    is_open = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m)))
    is_open[draw(st.integers(0, m - 1))] = True
    lanes = np.array(draw(st.lists(st.sampled_from([1.0, 2.0, 1.5, 5.0]), min_size=m, max_size=m)))
    capacity = numbers(draw, m, 0.1, 1e5)
    length, speed = numbers(draw, m, 0.5, 1e5), numbers(draw, m, 0.5, 300)
    if closed_lanes is not None:
        lanes[~is_open], capacity[~is_open] = closed_lanes, 1.0
    time = np.where(is_open, numbers(draw, m, 0.1, 1e4), np.inf)
    zones = draw(st.integers(0, n))
    demand = None
    if zones:
        demand = numbers(draw, zones * zones, 0, 1e4).reshape(zones, zones)
    problem = RoadProblem(
        tail=ends[:, 0].copy(), head=ends[:, 1].copy(), n_nodes=n, free_time_s=time, capacity_pcuh=capacity,
        bpr_scale=numbers(draw, m, 0, 5), bpr_power=numbers(draw, m, 1, 9), fixed_cost_s=numbers(draw, m, 0, 60),
        preload_pcuh=numbers(draw, m, 0, 60), first_through_node=draw(st.sampled_from([0, zones])),
    )  # fmt: skip
    return RoadFile(
        name="drawn", problem=problem, node_name=names(draw, n), link_name=names(draw, m),
        zone_name=names(draw, zones), zone_node=np.arange(zones, dtype=np.int32), length_m=length, lanes=lanes,
        free_speed_kmh=speed, x=numbers(draw, n, -180, 180), y=numbers(draw, n, -90, 90), crs="EPSG:4326",
        uses=tuple("auto" if ok else "walk" for ok in is_open), toll=numbers(draw, m, 0, 9), demand=demand,
    )  # fmt: skip

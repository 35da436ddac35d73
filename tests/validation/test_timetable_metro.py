"""Journeys by the clock against the operator's own timetable of Beijing's metro lines, train by train."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.naive_timetable import Line, Net
from transport_abm.networks.transit.timetable import DS_PER_MIN, departure_timetable, leave_ds
from transport_abm.networks.transit.timetable_assignment import assign_timetable

DAY = 24 * 60 * DS_PER_MIN
SAMPLES = 40
WEEKDAY = ("工作日", "平常日", "平日", "全日")


def _clock(text: str) -> int:
    """Minutes from midnight; hours after midnight belong to the day before."""
    hour, minute = map(int, text.split(":"))
    return hour * 60 + minute + (1440 if hour < 3 else 0)


def _steps(delta: list[Any]) -> list[int]:
    """Minutes from train to train: numbers, and [times, pattern] for what repeats."""
    return [m for x in delta for m in (_steps(x[1]) * x[0] if isinstance(x, list) else (x,))]


def departures(line: dict[str, Any], station: str, direction: str) -> np.ndarray:
    """Weekday departures of a direction at a station [min]."""
    groups = line["timetable"].get(station, {}).get(direction, {})
    name = next((g for g in WEEKDAY if g in groups), None)
    times: list[int] = []
    for part in groups[name]["schedule"] if name else ():
        times += np.cumsum([_clock(part["first_train"]), *_steps(part["delta"])]).tolist()
    return np.array(sorted(times))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["5号线", "9号线", "16号线", "17号线", "亦庄线", "S1线"])
def test_station_to_station_times_are_those_of_the_real_timetable(shared_data: Path, name: str) -> None:
    """Leaving a station at a moment of the morning peak, the router's rider takes the train that the table shows."""
    path = shared_data / "subway" / "beijing_subway_lines_full_timetable.json.gz"
    line = next(x for x in json.loads(gzip.decompress(path.read_bytes())).values() if x["name"] == name)
    for direction in line["train_routes"]:
        times = [departures(line, s["name"], direction) for s in line["stations"]]
        # Every train calls everywhere, so the k-th departures of all stations are one train's.
        assert len({len(t) for t in times}) == 1 and len(times[0]) > 100
        if times[0][0] > times[-1][0]:
            times = times[::-1]
        peak_trains = (times[0] >= 7 * 60) & (times[0] < 9 * 60)
        run = [(b - a)[peak_trains].mean() for a, b in pairwise(times)]
        n = len(times)
        rides = [round(m * DS_PER_MIN) for m in run]
        starts = (times[0] * DS_PER_MIN).tolist()
        net = Net(
            n, n, [Line(list(range(n)), rides, starts, metro=True)], [], [(k, k, 0.0) for k in range(n)], DAY,
            SAMPLES, wait_weight=1.0, walk_weight=1.0, transfer_min=0.0,
        )  # fmt: skip
        service, time_s = net.service(), net.call_time_s()
        peak = ((7 * 60 * DS_PER_MIN, 2 * 60 * DS_PER_MIN),)
        table = departure_timetable(service, time_s, [np.array(starts, np.float64)], DAY, peak)
        skims = assign_timetable(service, None, time_s, timetable=table).skims
        leave_min = leave_ds(n, SAMPLES, table) / DS_PER_MIN
        for a, b in ((0, n // 2), (0, n - 1), (n // 3, n - 1)):
            train = np.searchsorted(times[a], leave_min[a])
            took = times[b][train] - leave_min[a]
            # The table shows whole minutes, and single trains are a minute or so off the mean run.
            assert skims["total"][a, b] == pytest.approx(took.mean(), abs=1.0)

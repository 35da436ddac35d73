"""The ladder: one year of one scenario on every rung of road traffic, side by side, with time and memory.

Each rung runs in a process of its own, one after the other, so that seconds and peak memory are the rung's alone and no
rung starts from another's traffic. People, tours, draws and constants are the same: rungs differ by traffic only.
"""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

import pandas as pd

from transport_abm.core.errors import ConvergenceWarning, Fault, RunError, ScenarioError
from transport_abm.policy.scenario import Scenario

RUNGS = ("L0", "L1", "L2")
KEYS = ["outcome", "class"]
COMPARED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("green_share", ("",)),
    ("mode_share", ("bus", "metro", "bus_metro", "car_driver", "taxi", "ride_hail")),
    ("car_time", ("am", "midday", "pm", "night")),
    ("network_speed", ("am", "midday", "pm", "night")),
    ("bus_speed", ("am", "pm")),
    ("mean_distance", ("car_driver",)),
    ("car_km", ("",)),
    ("road_hours", ("", "free", "below", "near")),
    ("queue", ("released", "late")),
    ("gap", ("road", "share", "transit", "excess", "iterations")),
)
"""Outcomes that the rungs are compared by, and their classes."""


@dataclass(frozen=True)
class RungRun:
    """One rung's year."""

    rung: str
    outcomes: pd.DataFrame
    """City-wide outcomes: outcome, class, value, unit."""
    set_up_s: float
    """Opening the city, its constants and people [s]."""
    seconds: float
    """The year itself [s]."""
    peak_gb: float
    """Most memory of the process [GB]."""
    manifest: dict[str, object]

    def value(self, outcome: str, class_: str = "") -> float:
        """An outcome; NaN where the rung does not have it."""
        rows = self.outcomes[(self.outcomes["outcome"] == outcome) & (self.outcomes["class"] == class_)]
        return float(rows["value"].iloc[0]) if len(rows) else float("nan")


def run_ladder(
    case: Scenario,
    rungs: Sequence[str] = RUNGS,
    *,
    city: str | None = None,
    tell: Callable[[str, float], None] | None = None,
) -> list[RungRun]:
    """Run the last year of a scenario, and the years before it that it needs, on several rungs.

    Parameters
    ----------
    case
        The scenario; its years should be one year where the rungs' speed is compared.
    rungs
        Rungs in the order of the result.
    city
        Name or folder of the city; by default the scenario's.
    tell
        Progress.

    Returns
    -------
    list
        One run for each rung.

    Raises
    ------
    ScenarioError
        If a rung is unknown, or named twice.
    RunError
        If a rung's process ends without a result; the rung is named.
    """
    wrong = [rung for rung in rungs if rung not in RUNGS or list(rungs).count(rung) > 1]
    if wrong or not rungs:
        raise ScenarioError(
            Fault("ladder", "rungs", f"some of {', '.join(RUNGS)}, each once", ", ".join(rungs) or "none")
        )
    runs = []
    for number, rung in enumerate(rungs):
        if tell is not None:
            tell(f"{rung}", number / len(rungs))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            try:
                runs.append(alone.submit(_climb, case.replace(traffic=rung), city or case.city).result())
            except BrokenProcessPool as error:
                raise RunError(f"ladder: {rung}: its process was ended before it had a result") from error
    return runs


def _climb(case: Scenario, city_name: str) -> RungRun:
    """One rung in this process."""
    from transport_abm.model import TransportModel
    from transport_abm.networks.cities.open_city import open_city

    began = time.perf_counter()
    city, _ = open_city(city_name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = TransportModel(case.replace(city=city.name), city=city)
        ready = time.perf_counter()
        results = model.run()
    done = time.perf_counter()
    last = results.table[(results.table["year"] == case.years[1]) & (results.table["district"] == "")]
    return RungRun(
        case.traffic,
        last[["outcome", "class", "value", "unit"]].reset_index(drop=True),
        ready - began,
        done - ready,
        # Linux counts in kilobytes.
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        dict(results.manifest),
    )


def ladder_table(runs: Sequence[RungRun]) -> pd.DataFrame:
    """What the rungs are compared by: outcome, class, unit, and a column for each rung.

    Parameters
    ----------
    runs
        One run for each rung.

    Returns
    -------
    DataFrame
        Rows of ``COMPARED`` that any rung has, then ``seconds``, ``set_up_s`` and ``peak_gb``.
    """
    unit = {
        (str(row["outcome"]), str(row["class"])): str(row["unit"])
        for run in runs
        for row in run.outcomes.to_dict("records")
    }
    rows: list[dict[str, object]] = []
    for outcome, classes in COMPARED:
        for class_ in classes:
            if (outcome, class_) in unit:
                named = {"outcome": outcome, "class": class_, "unit": unit[outcome, class_]}
                rows.append(named | {run.rung: run.value(outcome, class_) for run in runs})
    for name, of_unit in (("seconds", "s"), ("set_up_s", "s"), ("peak_gb", "GB")):
        rows.append(
            {"outcome": name, "class": "", "unit": of_unit} | {run.rung: getattr(run, name) for run in runs}
        )
    return pd.DataFrame(rows)

"""Runs that nobody has run, and reports of them that are read as a browser would."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transport_abm.core.vocabulary import Mode
from transport_abm.networks.cities.city_files import city_digest
from transport_abm.networks.city import City
from transport_abm.outcomes import OUTCOMES
from transport_abm.policy.scenario import Scenario
from transport_abm.report import write_report
from transport_abm.report.table import VEHICLES
from transport_abm.results import Ensemble, Results

GREEN = {2024: 0.75, 2025: 0.7712, 2026: 0.772, 2027: 0.774, 2028: 0.775, 2029: 0.776, 2030: 0.771}
FIRST, LAST = 2024, 2030
DRAW = 0.0004
"""Green share of each further replication less that of the one before."""
VOID = {"meta", "br", "hr"}
SVG_VOID = {"path", "line", "rect", "circle"}


def outcome_table(
    replication: int = 0, *, excess: float = 0.5, years: range = range(FIRST, LAST + 1)
) -> pd.DataFrame:
    """Plausible values of every outcome of travel in the tiny city; those of vehicles: tests/synthetic_vehicles.py."""
    rows: list[tuple[Any, ...]] = []

    def add(name: str, year: int, value: float, class_: str = "", district: str = "") -> None:
        rows.append((name, year, district, class_, value, OUTCOMES[name].unit))

    for year in years:
        green = GREEN[year] - DRAW * replication
        for name in [name for name in OUTCOMES if name not in VEHICLES]:
            if name not in (
                "mode_share",
                "gap",
                "crowding",
                "boardings",
                "bus_speed",
                "network_speed",
                "car_time",
            ):
                add(name, year, 1.0 if name == "converged" else 12_345.678)
        for name in ("green_share_motorised", "green_share_city", "green_share_no_e_bike"):
            add(name, year, green - 0.1)
        rows = [row for row in rows if not (row[0] in ("green_share",) and row[1] == year)]
        add("green_share", year, green)
        add("green_share", year, green + 0.01, district="Inner")
        add("green_share", year, green - 0.02 * (year == LAST), district="Outer")
        for mode in Mode:
            add("mode_share", year, 1 / len(Mode), mode.name.lower())
            add("passenger_km", year, 2e6, mode.name.lower())
        for period in ("am", "pm"):
            add("network_speed", year, 24.3, period)
            add("bus_speed", year, 17.9, period)
            add("car_time", year, 31.0, period)
        add("crowding", year, 0.12, "over_capacity")
        add("boardings", year, 8.5e6, "metro")
        for name in ("road", "share", "transit"):
            add("gap", year, 0.0005, name)
        add("gap", year, excess if year == LAST else 0.5, "excess")
        add("gap", year, 7, "iterations")
    table = pd.DataFrame(rows, columns=["outcome", "year", "district", "class", "value", "unit"])
    return table.drop_duplicates(["outcome", "year", "district", "class"], keep="last").reset_index(drop=True)


def run_of(city: City, replication: int = 0, *, case: Scenario | None = None, **options: Any) -> Results:
    """A run of the tiny city that nobody has run."""
    case = (case or Scenario.named("plan")).replace(years=(FIRST, LAST), replication=replication)
    link = np.arange(city.roads.n_links, dtype=np.int32)
    load = (0.2 + 1.1 * link / len(link)).astype(np.float32)
    roads = pd.DataFrame(
        {"year": np.int16(LAST), "link": link, "am_pcuh": load * 1000, "pm_pcuh": load * 900, "load": load}
    )
    call = np.array([0, 1, 2, 4, 5, 6], np.int32)
    transit = pd.DataFrame(
        {"year": np.int16(LAST), "call": call, "pattern": (call // 4).astype(np.int32),
         "passengers_h": np.float32(1000.0) * (1 + call), "load": np.float32(0.2) * (1 + call)}
    )  # fmt: skip
    manifest: dict[str, Any] = {
        "format": 1, "run": f"run-{replication}", "scenario": case.model_dump(mode="json"),
        "city": {"name": "tiny", "digest": city_digest(city), "meta": dict(city.meta)},
        "base_year": {"constant": [0.1] * len(Mode), "share_gap": 1e-7, "trips_gap": 0.0001},
        "population_fit": {"tae": 12.0, "srmse": 0.001, "chi_square": 3.0, "max_error": 0.004},
        "parameter_tags": {"prior": 30, "source-read": 10}, "code": "c0de", "versions": {"numpy": "2.0"},
    }  # fmt: skip
    return Results(manifest, outcome_table(replication, **options), roads, transit)


def page(results: Results | Ensemble, folder: Path, path: Path, language: str = "en") -> str:
    """Text of a report."""
    return write_report(results, path / f"{language}.html", language=language, city=str(folder)).read_text(
        "utf-8"
    )


class Checker(HTMLParser):
    """Collects tags, attributes and visible text, and insists that every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SVG_VOID, f"<{tag}/> does not close itself in HTML"
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> out of order"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """Everything a reader sees."""
        return " ".join(" ".join(self.words).split())


TRANSPORT = [f"T{k}" for k in range(14, 25)]
"""Targets of transport."""


def set_values(run: Results, outcome: str, year: int, value: float, class_: str = "") -> Results:
    """The run with one value replaced."""
    table = run.table.copy()
    own = (table["outcome"] == outcome) & (table["year"] == year) & (table["class"] == class_)
    own &= table["district"] == ""
    assert own.any()
    table.loc[own, "value"] = value
    return replace(run, table=table)

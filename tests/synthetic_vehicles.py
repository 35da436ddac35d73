"""SYNTHETIC outcomes of vehicles, plates, fleets and carbon: made by formulas for tests, no result of any run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from transport_abm.core.vocabulary import Accounting, ApplicantKind, Fuel, Powertrain, Scope, VehicleClass
from transport_abm.results import COLUMNS, Results

FIRST, LAST = 2020, 2030
STOCK = {"private_car": 5e6, "official_car": 4e5, "taxi": 7e4, "ride_hail": 6e4, "bus": 2.4e4, "coach": 2e4,
         "van": 2e5, "truck": 2.6e5, "sanitation": 1.1e4, "airport": 8e3, "other": 3e5}  # fmt: skip
SHARE = {"bus_nev_share": 1.0, "taxi_nev_share": 0.97, "sanitation_new_nev_share": 1.0, "van_nev_share": 0.62,
         "public_fleet_electric_share": 0.8, "airport_electric_share": 0.7, "new_nev_or_clean_share": 0.43}  # fmt: skip
"""Value of the last year; they rise from a fifth of it in the first."""
CHANGE = {"activity": 3e5, "structure": -4e4, "load": -2e4, "efficiency": -2.5e5, "fuel": -3e5, "grid": -9e4}


def vehicle_table(
    replication: int = 0,
    *,
    years: range = range(FIRST, LAST + 1),
    values: Mapping[tuple[str, int], float] | None = None,
) -> pd.DataFrame:
    """Synthetic outcomes by year; ``values`` replaces totals by outcome and year."""
    rows: list[tuple[Any, ...]] = []
    shift = 1.0 - 0.004 * replication

    def add(name: str, unit: str, year: int, value: float, class_: str = "") -> None:
        value = (values or {}).get((name, year), value) if not class_ else value
        rows.append((name, year, "", class_, value, unit))

    for year in years:
        t = (year - FIRST) / (LAST - FIRST)
        _stocks(add, year, t, shift)
        for name, end in SHARE.items():
            value = end * (0.2 + 0.8 * min(1.0, 2.0 * t))
            add(name, "1", year, value)
            if name != "new_nev_or_clean_share":
                add(name, "1", year, 0.9 * value, "all")
        add("private_nev_share", "1", year, 0.06 + 0.3 * t * shift)
        add("new_nev_share_private", "1", year, 0.15 + 0.5 * t * shift)
        for name, count in (("home", 2e5), ("public", 4e4), ("fast", 1.5e4)):
            add("charging_posts", "posts", year, count * (1 + 2 * t), name)
        _plates(add, year, t)
        _carbon(add, year, t, shift)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _stocks(add: Any, year: int, t: float, shift: float) -> None:
    """Stocks, sales and new-energy vehicles."""
    total = 0.0
    for class_, count in STOCK.items():
        share = min(1.0, (0.05 + 0.35 * t) * shift * (2.0 if class_ in ("bus", "taxi") else 1.0))
        parts = {"ice": 0.9 * (1 - share), "hev": 0.1 * (1 - share), "phev": 0.2 * share, "bev": 0.8 * share}
        add("vehicle_stock", "vehicles", year, count, class_)
        add("vehicles_new", "vehicles/year", year, 0.08 * count, class_)
        for name, part in parts.items():
            add("vehicle_stock", "vehicles", year, count * part, f"{class_}.{name}")
            add("vehicles_new", "vehicles/year", year, 0.08 * count * part, f"{class_}.{name}")
        add("nev_stock", "vehicles", year, count * share, class_)
        total += count * share
    add("nev_stock", "vehicles", year, total)
    add("nev_registered", "vehicles", year, 1.1 * total)
    assert {item.name.lower() for item in VehicleClass} == set(STOCK)
    assert "bev" in {item.name.lower() for item in Powertrain}


def _plates(add: Any, year: int, t: float) -> None:
    """Waiting lists, odds, waits and books."""
    for k, pool in enumerate(("ordinary", "new_energy")):
        for item in ApplicantKind:
            class_ = f"{pool}.{item.name.lower()}"
            add("plate_waiting", "applicants", year, (3e6 - 2.4e6 * k) * (1 - 0.1 * t) / (1 + item), class_)
            add("plate_odds", "1", year, 0.004 + 0.05 * k + 0.01 * t, class_)
            for name in ("plate_quota", "plate_issued", "plate_used", "plate_expired"):
                add(name, "plates/year", year, 2e4 * (1 + k) / (1 + item) * (1 - 0.2 * t), class_)
        add("plate_wait_year", "year", year, 40.0 - 32 * k + t, pool)


def _carbon(add: Any, year: int, t: float, shift: float) -> None:
    """CO2, energy and the intensity in every scope and accounting mode."""
    for k, class_ in enumerate(STOCK):
        add("co2", "t/year", year, 1.2e7 / (1 + k) * (1 - 0.2 * t), class_)
    for item in Fuel:
        add("energy", "TJ/year", year, 1e5 / (1 + item), item.name.lower())
    for item_a in Accounting:
        add("co2_total", "t/year", year, 1.8e7 * (1 + 0.08 * item_a) * (1 - 0.15 * t), item_a.name.lower())
    add("operating_intensity_change", "1", year, -0.12 * t * shift)
    for s in Scope:
        for a in Accounting:
            value = -0.12 * t * shift * (1 + 0.1 * s - 0.08 * (a - 1))
            add("operating_intensity_change", "1", year, value, f"{s.name}.{a.name}".lower())
    for name, value in CHANGE.items():
        add("co2_change_by", "t/year", year, value * t, name)


def with_vehicles(run: Results, **options: Any) -> Results:
    """A synthetic run with the outcomes of vehicles added."""
    number = int(run.manifest["scenario"]["replication"])
    years = range(min(run.years), max(run.years) + 1)
    extra = vehicle_table(number, years=years, **options)
    # What a test gives stands; what the run has of the same outcomes goes.
    kept = run.table[~run.table["outcome"].isin(set(extra["outcome"]))]
    return replace(run, table=pd.concat([kept, extra], ignore_index=True))


def matrix_of(effects: Mapping[tuple[str, str], float], *, scenario: str = "plan") -> pd.DataFrame:
    """A synthetic matrix of levers and targets from effects by lever and target."""
    from transport_abm.experiments.paired import COLUMNS as MATRIX
    from transport_abm.policy.levers import read_levers
    from transport_abm.policy.targets import read_targets

    rows = []
    for (lever, target), effect in effects.items():
        item, goal = read_levers()[lever], read_targets()[target]
        rows.append((scenario, "tiny", 0.01, lever, item.high, item.unit, 2023, target, goal.outcome, goal.year or LAST, 1, 1.0,
                     1.0 + effect, effect, effect, effect, "" if np.isfinite(effect) else "failed"))  # fmt: skip
    return pd.DataFrame(rows, columns=list(MATRIX))

"""What the commands about cities print: facts of a city, and travel times of two cities side by side."""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from transport_abm import __version__

COMPARED = {
    "road_min": ("By car on empty roads (min)", "空载道路驾车（分钟）"),
    "road_km": ("Distance by car (km)", "驾车距离（公里）"),
    "metro_ride_min": ("By metro, waits and rides without walks (min)", "地铁候车和乘车，不含步行（分钟）"),
    "metro_min": ("By metro, door to door (min)", "地铁，门到门（分钟）"),
    "transit_min": ("By metro, bus or both, door to door (min)", "地铁、公交或两者，门到门（分钟）"),
}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_FACTS = {
    "name": ("Name", "名称"),
    "crs": ("Projected CRS", "投影坐标系"),
    "districts": ("Districts", "区"),
    "zones": ("Zones", "交通小区"),
    "residents": ("Residents", "常住人口"),
    "residents_central": ("Residents of the central districts", "中心城区常住人口"),
    "jobs": ("Jobs", "就业岗位"),
    "school_places": ("School places", "学位"),
    "area_km2": ("Area (km2)", "面积（平方公里）"),
    "nodes": ("Road nodes", "道路节点"),
    "links": ("Road links", "路段"),
    "road_km": ("Roads, each direction (km)", "道路，分方向（公里）"),
    "lane_km": ("Lanes (km)", "车道（公里）"),
    "stops": ("Stops", "站点"),
    "metro_lines": ("Metro lines", "地铁线路"),
    "bus_lines": ("Bus lines", "公交线路"),
    "patterns": ("Patterns (line, direction, years)", "运行方案（线路、方向、年份）"),
    "metro_pattern_km": ("Metro patterns (km)", "地铁运行方案（公里）"),
    "bus_pattern_km": ("Bus patterns (km)", "公交运行方案（公里）"),
    "transfers": ("Walks between stops", "站间步行"),
    "digest": ("Digest", "摘要"),
}
_ABOUT = """\
These are times of the model, not observations: by car from the nearest road node on an empty network (free
speeds and delays at signals), by transit with empty vehicles at midday, waits included. Places are points
set by hand and rounded to 0.005 degrees, as are the stations of the bundled city: walks to stations differ
by that rounding, so the times without walks compare the lines best. One direction, from the first place to
the second; `-` where a place lies outside a city or cannot be reached."""
_ABOUT_ZH = """\
这些是模型的时间，不是观测值：驾车从最近的道路节点出发，道路空载（自由流速度和信号延误）；公共交通为平峰，
车内无拥挤，含候车。地点为手工设定的点，取整到 0.005 度，内置城市的车站也是如此：到站步行因此有差别，
不含步行的时间更适合比较线路。只列一个方向（起点到终点）；地点在城市以外或不可达时为 `-`。"""


def finding_text(what: str, zh: bool) -> str:
    """A finding of ``city check`` in a language: its numbers are put into the Chinese sentence in order."""
    if not zh:
        return what
    sentence = _findings().get(_NUMBER.sub("{}", what), "")
    numbers = iter(_NUMBER.findall(what))
    return re.sub(r"\{\}", lambda _: next(numbers), sentence) or what


@cache
def _findings() -> dict[str, str]:
    """Chinese sentence of each finding; numbers are written {}."""
    text = (files("transport_abm.cli") / "data" / "findings.csv").read_text(encoding="utf-8")
    return {row["en"]: row["zh"] for row in csv.DictReader(text.splitlines())}


def info_rows(facts: Mapping[str, Any], zh: bool) -> list[tuple[str, str]]:
    """Rows of ``city info``."""
    rows: list[tuple[str, str]] = []
    for key, (en, chinese) in _FACTS.items():
        value = facts[key]
        if isinstance(value, dict):
            shown = ", ".join(f"{name} {number:,.0f}" for name, number in value.items() if number)
        elif isinstance(value, str):
            shown = value
        else:
            shown = f"{value:,.0f}"
        rows.append((chinese if zh else en, shown))
    meta = facts["meta"]
    for key, value in meta.items() if isinstance(meta, dict) else ():
        if key == "files":
            continue
        lines = value if isinstance(value, list) else [value]
        rows += [(key if not k else "", str(line)) for k, line in enumerate(lines)]
    return rows


def comparison(a: str, b: str, places: Path | None, year: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Times between places in two cities: names, digests, and a row for each pair."""
    from transport_abm.networks.cities.open_city import open_city
    from transport_abm.networks.cities.place_times import MEASURES, place_times, read_places
    from transport_abm.policy.inputs import year_inputs

    points = read_places(places)
    inputs = year_inputs(year)
    head, found = [], []
    for name in (a, b):
        tell(f"Opening {name}")
        city, digest = open_city(name)
        tell(f"Times in {city.name}")
        found.append(place_times(city, points, inputs))
        head.append({"name": city.name, "digest": digest})
    pairs = []
    for i in range(len(points)):
        for j in range(i + 1, len(points)):
            row: dict[str, Any] = {
                "from": points.name_en[i], "to": points.name_en[j],
                "from_zh": points.name_zh[i], "to_zh": points.name_zh[j],
            }  # fmt: skip
            for measure in MEASURES:
                one, other = (float(times[measure][i, j]) for times in found)
                row[measure] = {"a": one, "b": other, "difference": other - one, "ratio": other / one}
            pairs.append(row)
    summary = {}
    for measure in MEASURES:
        ratio = np.array([row[measure]["ratio"] for row in pairs])
        ratio = ratio[np.isfinite(ratio)]
        spread = np.quantile(ratio, (0.1, 0.5, 0.9)).tolist() if len(ratio) else [float("nan")] * 3
        summary[measure] = {"pairs": len(ratio), "q10": spread[0], "median": spread[1], "q90": spread[2]}
    return {"a": head[0], "b": head[1], "year": year, "period": "midday", "summary": summary, "rows": pairs}


def comparison_rows(result: Mapping[str, Any], zh: bool) -> list[tuple[str, list[str], list[list[str]]]]:
    """A title, names of columns and rows for each measure."""
    suffix = "_zh" if zh else ""
    names = ["起点" if zh else "From", "终点" if zh else "To", "A", "B", "B - A", "B / A"]
    tables = []
    for measure, titles in COMPARED.items():
        rows = [[row[f"from{suffix}"], row[f"to{suffix}"], *_cells(row[measure])] for row in result["rows"]]
        spread = result["summary"][measure]
        label = "比值中位数（10%-90%）" if zh else "Median ratio (10-90 %)"
        band = f"({spread['q10']:.2f} - {spread['q90']:.2f})" if spread["pairs"] else ""
        rows.append([label, band, "", "", "", _number(spread["median"], ".2f")])
        tables.append((titles[zh], names, rows))
    return tables


def comparison_text(result: Mapping[str, Any], zh: bool) -> str:
    """The comparison as a page in Markdown."""
    a, b = result["a"], result["b"]
    today = datetime.date.today().isoformat()
    command = f"transport-abm city compare {a['name']} {b['name']} --markdown"
    if zh:
        title = f"{a['name']} 与 {b['name']} 的出行时间"
        origin = (
            f"由 `{command} --language zh` 生成，{today}，transport_abm {__version__}，{result['year']} 年。"
        )
    else:
        title = f"Travel times in {a['name']} and {b['name']}"
        origin = f"Printed by `{command}` on {today}, transport_abm {__version__}, year {result['year']}."
    lines = [f"# {title}", "", origin, "", _ABOUT_ZH if zh else _ABOUT]
    lines += ["", f"- A: {a['name']}, `{a['digest'][:16]}`", f"- B: {b['name']}, `{b['digest'][:16]}`"]
    heads = (
        ("比值 B / A", "对数", "10%", "中位数", "90%") if zh else ("B / A", "Pairs", "10 %", "Median", "90 %")
    )
    lines += ["", f"| {' | '.join(heads)} |", "|---|---:|---:|---:|---:|"]
    for measure, titles in COMPARED.items():
        spread = result["summary"][measure]
        shown = [_number(spread[name], ".2f") for name in ("q10", "median", "q90")]
        lines.append(f"| {titles[zh]} | {spread['pairs']} | {' | '.join(shown)} |")
    for title, names, rows in comparison_rows(result, zh):
        lines += [
            "",
            f"## {title.split('.')[0]}",
            "",
            f"| {' | '.join(names)} |",
            "|---|---|---:|---:|---:|---:|",
        ]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cells(cell: Mapping[str, float]) -> list[str]:
    """Cells of one pair."""
    return [
        _number(cell["a"], ".1f"), _number(cell["b"], ".1f"),
        _number(cell["difference"], "+.1f"), _number(cell["ratio"], ".2f"),
    ]  # fmt: skip


def _number(value: float, form: str) -> str:
    """A number, or a dash where there is none."""
    return format(value, form) if np.isfinite(value) else "-"

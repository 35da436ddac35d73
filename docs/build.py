"""Brings the generated parts of the documents up to date with the model's own registries.

A document holds its hand-written text, and blocks between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
This program rewrites the blocks and nothing else:

    python docs/build.py            rewrite
    python docs/build.py --check    only say which documents are out of date (exit code 1)
"""

from __future__ import annotations

import ast
import csv
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from transport_abm.agents.fleets.buses import Buses  # noqa: E402
from transport_abm.agents.fleets.operators import Operators  # noqa: E402
from transport_abm.agents.fleets.permits import Vans  # noqa: E402
from transport_abm.agents.fleets.ride_hail import RideHailCars  # noqa: E402
from transport_abm.agents.fleets.taxis import Taxis  # noqa: E402
from transport_abm.agents.tables import Households, Persons  # noqa: E402
from transport_abm.agents.vehicles import Applicants, Cars  # noqa: E402
from transport_abm.core.draws import Stream  # noqa: E402
from transport_abm.core.parameters import TAGS, Parameter  # noqa: E402
from transport_abm.core.steps import process_table  # noqa: E402
from transport_abm.core.vocabulary import LABELS  # noqa: E402
from transport_abm.outcomes import OUTCOMES  # noqa: E402
from transport_abm.policy.inputs import shipped_catalogue  # noqa: E402
from transport_abm.policy.levers import read_levers  # noqa: E402
from transport_abm.policy.measures import read_measures  # noqa: E402
from transport_abm.policy.targets import read_targets  # noqa: E402
from transport_abm.schedule import YEAR, choose_modes, make_tours  # noqa: E402

DOCUMENTS = (
    "README.md", "README.zh.md", "DATA.md", "docs/odd.md", "docs/parameters.md", "docs/method.md",
    "docs/guide.en.md", "docs/guide.zh.md",
)  # fmt: skip
BLOCK = re.compile(r"(<!-- begin (?P<name>[a-z-]+) -->\n).*?(<!-- end (?P=name) -->)", re.DOTALL)

SUBMODELS = (
    ("Synthetic population", "agents/synthesis.py"),
    ("Fitting to margins", "agents/fitting.py"),
    ("Population from year to year", "agents/population.py"),
    ("Work places and schools", "agents/workplaces.py"),
    ("Doubly constrained gravity", "agents/gravity.py"),
    ("Tours", "agents/tours.py"),
    ("Destinations of other tours", "agents/destinations.py"),
    ("Mode choice: availability and constants", "agents/mode_choice.py"),
    ("Mode choice: utilities and draw", "agents/kernels_choice.py"),
    ("Base year", "base_year.py"),
    ("Road equilibrium", "networks/roads/assignment.py"),
    ("Road links", "networks/roads/road_problem.py"),
    ("From zones to roads", "networks/roads/connectors.py"),
    ("Times and distances", "networks/roads/road_skims.py"),
    ("Transit strategies and crowding", "networks/transit/transit_assignment.py"),
    ("Transit service and walks to stops", "networks/transit/transit_service.py"),
    ("Bus times and fares", "networks/transit/transit_times.py"),
    ("Feedback", "networks/travel.py"),
    ("Vehicles from year to year", "agents/vehicle_market.py"),
    ("Stock of private cars", "agents/cars/stock.py"),
    ("Turnover of private cars", "agents/cars/turnover.py"),
    ("The wish for cars", "agents/cars/desire.py"),
    ("Applications for plates", "agents/cars/applications.py"),
    ("Rules of plates", "agents/cars/plate_rules.py"),
    ("Plates given out", "agents/cars/plates.py"),
    ("Cars on sale", "agents/cars/offers.py"),
    ("Posts and sites", "agents/cars/access.py"),
    ("Powertrain choice", "agents/cars/powertrain.py"),
    ("Renewal of fleets by cost", "agents/fleets/renewal.py"),
    ("Buses", "agents/fleets/buses.py"),
    ("Taxis", "agents/fleets/taxis.py"),
    ("Ride-hail cars", "agents/fleets/ride_hail.py"),
    ("Fleets counted by age", "agents/fleets/cohorts.py"),
    ("Other public fleets", "agents/fleets/public_fleets.py"),
    ("Deliveries", "agents/fleets/deliveries.py"),
    ("Permits of vans", "agents/fleets/permits.py"),
    ("Vans", "agents/fleets/vans.py"),
    ("Freight, trucks and coaches", "agents/fleets/trucks.py"),
    ("Energy of a kilometre", "agents/energy_use.py"),
    ("Factors of fuels and grids", "policy/fuels.py"),
    ("Activity of a year", "carbon/activity.py"),
    ("The carbon account", "carbon/account.py"),
    ("Converted turnover", "carbon/converted_turnover.py"),
    ("Why CO2 changes", "carbon/decomposition.py"),
    ("What is not known", "policy/uncertainty.py"),
    ("Levers", "policy/levers.py"),
)
"""What a submodel is called, and the file whose first docstring states it."""

CATALOGUE = {
    "parameters": "values, ranges, units and sources of parameters",
    "series": "values by year of dated parameters",
}
"""What the tables of these folders hold; all other tables are described in ``docs/tables.csv``."""
NUMBER = re.compile(r"\d[\d.,]*")
FEW = 3
"""More sources than these that differ in numbers only are listed once."""


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; bars and line ends inside a cell are made harmless."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (str(cell).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def states() -> str:
    """State variables of people, vehicles and operators."""
    parts = []
    for table in (Households, Persons, Cars, Applicants, Operators, Buses, Taxis, RideHailCars, Vans):
        rows = [(row.column, row.dtype, row.unit, row.meaning) for row in table.describe()]
        parts.append(
            f"**{table.__name__}**\n\n" + markdown_table(("Column", "Type", "Unit", "Meaning"), rows)
        )
    return "\n\n".join(parts)


def codes() -> str:
    """Integer codes of the states."""
    rows = [
        (kind.__name__, "; ".join(f"{int(code)} {en}" for code, (en, _) in zip(kind, names, strict=True)))
        for kind, names in LABELS.items()
    ]
    return markdown_table(("Code", "Values"), rows)


def processes() -> str:
    """Steps of a year in their order."""
    rows = [
        (row.number, f"`{row.step}`", row.process, row.reads or "world, city, inputs", row.writes or "world")
        for row in process_table([*YEAR, make_tours, choose_modes])
    ]
    return markdown_table(("No.", "Step", "What happens", "Reads", "Writes"), rows)


def outcomes() -> str:
    """Reported quantities."""
    rows = [(f"`{o.name}`", o.label_en, o.label_zh, o.unit, o.definition) for o in OUTCOMES.values()]
    return markdown_table(("Outcome", "Name", "名称", "Unit", "Definition"), rows)


def outcomes_zh() -> str:
    """Reported quantities for the Chinese guide."""
    chinese = {row["en"]: row["zh"] for row in _rows(ROOT / "transport_abm/report/data/phrases.csv")}
    rows = [
        (f"`{o.name}`", o.label_zh, o.unit, chinese.get(o.definition, o.definition))
        for o in OUTCOMES.values()
    ]
    return markdown_table(("指标", "名称", "单位", "定义"), rows)


def streams() -> str:
    """Streams of draws."""
    return ", ".join(f"{s.name.lower()} ({int(s)})" for s in Stream) + "."


def levers() -> str:
    """Levers whose mechanism is built."""
    rows = [
        (
            f"`{item.id}`", item.name_en, item.unit, f"{_plain(item.low)} to {_plain(item.high)}",
            _plain(item.default), item.ramp, item.clause,
        )
        for item in read_levers().values()
        if item.built
    ]  # fmt: skip
    table = markdown_table(("Lever", "Name", "Unit", "Bounds", "No change", "Ramp", "Clause"), rows)
    later = sum(not item.built for item in read_levers().values())
    note = "more levers are in the catalogue without a mechanism yet; a scenario that sets one is refused."
    return f"{table}\n\n{later} {note}"


def levers_zh() -> str:
    """Levers for the Chinese guide."""
    chinese = {row["key"]: row["zh"] for row in _rows(ROOT / "transport_abm/report/data/texts.csv")}
    rows = [
        (
            f"`{item.id}`", item.name_zh, chinese.get(f"lever.unit.{item.unit}", item.unit),
            f"{_plain(item.low)} ~ {_plain(item.high)}", _plain(item.default), item.agency, item.clause,
        )
        for item in read_levers().values()
        if item.built
    ]  # fmt: skip
    table = markdown_table(("杠杆", "名称", "单位", "范围", "不变值", "主管部门", "条款"), rows)
    later = sum(not item.built for item in read_levers().values())
    return f"{table}\n\n目录中另有 {later} 个杠杆的机制尚未建模，情景文件中写入它们会被拒绝并说明原因。"


def tag_count() -> str:
    """How many parameters carry which tag, in one sentence."""
    rows = shipped_catalogue().parameters.values()
    count = Counter(row.tag for row in rows)
    parts = ", ".join(f"{count[tag]} {tag}" for tag in TAGS)
    return f"{len(rows)} parameters: {parts}."


def tag_count_zh() -> str:
    """The same in Chinese."""
    rows = shipped_catalogue().parameters.values()
    count = Counter(row.tag for row in rows)
    names = dict(zip(TAGS, ("原文查得", "本项目推算", "文献（多凭记忆引用）", "先验假设"), strict=True))
    return f"共 {len(rows)} 个参数：" + "，".join(f"{names[tag]} {count[tag]} 个" for tag in TAGS) + "。"


def target_count() -> str:
    """What the model can say about the plan's targets and measures, in one sentence."""
    status = Counter(target.status for target in read_targets().values())
    lever = Counter(item.built for item in read_levers().values())
    return (
        f"The tables hold {sum(status.values())} targets and {len(read_measures())} measures of the plan. The"
        f" model computes {status['modelled']} of the targets now, {status['later']} wait for a mechanism,"
        f" {status['outside']} lie outside the model. {lever[True]} of {sum(lever.values())} levers act."
    )


def areas() -> str:
    """Parameters by area with their tags."""
    rows = []
    for area, group in groupby(shipped_catalogue().parameters.values(), key=_area):
        count = Counter(row.tag for row in group)
        rows.append((f"`{area}`", sum(count.values()), *(count[tag] for tag in TAGS)))
    total = Counter(row.tag for row in shipped_catalogue().parameters.values())
    rows.append(("all", sum(total.values()), *(total[tag] for tag in TAGS)))
    return markdown_table(("Area", "Parameters", *TAGS), rows)


def parameters() -> str:
    """Every parameter, by area."""
    parts = []
    for area, group in groupby(shipped_catalogue().parameters.values(), key=_area):
        rows = [
            (
                f"`{p.path.partition('.')[2]}`", p.name_en, _value(p), p.unit, f"{p.low:g} to {p.high:g}",
                p.tag, p.source,
            )
            for p in group
        ]  # fmt: skip
        head = ("Path", "Name", "Value", "Unit", "Range", "Tag", "Source")
        parts.append(f"## {area}\n\n" + markdown_table(head, rows))
    return "\n\n".join(parts)


def series() -> str:
    """Every point of the dated parameters."""
    rows = [
        (f"`{s.path}`", year, f"{value:g}", s.unit, tag, source)
        for s in shipped_catalogue().series.values()
        for year, value, tag, source in zip(s.years, s.values, s.tags, s.sources, strict=True)
    ]
    return markdown_table(("Path", "Year", "Value", "Unit", "Tag", "Source"), rows)


def submodels() -> str:
    """Statements of the submodels: the first docstrings of their files."""
    parts = []
    for title, file in SUBMODELS:
        text = ast.get_docstring(ast.parse((ROOT / "transport_abm" / file).read_text(encoding="utf-8"))) or ""
        parts.append(f"### {title}\n\n`transport_abm/{file}`\n\n```text\n{text}\n```")
    return "\n\n".join(parts)


def tables() -> str:
    """Every table that the package ships, with its rows by tag.

    Raises
    ------
    KeyError
        If a table is not described in ``docs/tables.csv``.
    """
    package = ROOT / "transport_abm"
    known = {row["file"]: row["what"] for row in _rows(ROOT / "docs" / "tables.csv")}
    rows = []
    for path in sorted(package.rglob("*.csv")):
        name = path.relative_to(package).as_posix()
        what = known.get(name) or CATALOGUE.get(path.parent.name)
        if what is None:
            raise KeyError(f"{name}: expected a row in docs/tables.csv that says what it holds")
        entries = _rows(path)
        tagged = Counter(value for row in entries for key, value in row.items() if _is_tag(key) and value)
        shown = ", ".join(f"{tag} {tagged[tag]}" for tag in TAGS if tagged[tag]) or "text, no tags"
        rows.append((f"`{name}`", what, len(entries), shown))
    return markdown_table(("File", "What", "Rows", "Tags"), rows)


def recipe() -> str:
    """A commented recipe of a city."""
    template = ROOT / "transport_abm" / "networks" / "cities" / "data" / "recipe.toml"
    return f"```toml\n{template.read_text(encoding='utf-8').rstrip()}\n```"


def sources() -> str:
    """Distinct sources of the figures that were read in a source or measured, by table."""
    parts = []
    package = ROOT / "transport_abm"
    for path in sorted(package.rglob("*.csv")):
        entries = [row for row in _rows(path) if _was_read(row)]
        found = [row["source"] for row in entries if row.get("source")]
        if found:
            name = path.relative_to(package).as_posix()
            parts.append(f"**{name}**\n\n" + "\n".join(f"- {line}" for line in _grouped(found)))
    return "\n\n".join(parts)


def _grouped(texts: Sequence[str]) -> list[str]:
    """Distinct texts with their counts; many that differ in numbers only become one."""
    alike = Counter(NUMBER.sub("…", text) for text in set(texts))
    count = Counter(shape if alike[shape := NUMBER.sub("…", text)] > FEW else text for text in texts)
    return [text + (f" ({n} rows)" if n > 1 else "") for text, n in sorted(count.items())]


def _was_read(row: Mapping[str, str]) -> bool:
    """True for a row with a figure that was read in a source or measured."""
    return any(_is_tag(key) and value in ("source-read", "measured") for key, value in row.items())


def _is_tag(column: str | None) -> bool:
    """True for the columns of a table that hold tags."""
    return column is not None and (column == "tag" or column.endswith("_tag"))


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table; lines that start with # are notes."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def _plain(number: float) -> str:
    """A number without powers of ten."""
    return f"{number:,.10g}"


def _area(parameter: Parameter) -> str:
    """First part of a parameter's path."""
    return parameter.path.partition(".")[0]


def _value(parameter: Parameter) -> str:
    """Value of a parameter, or the span of its series."""
    if parameter.value is not None:
        return f"{parameter.value:.10g}"
    found = shipped_catalogue().series[parameter.path]
    return f"{found.values[0]:g} ({found.years[0]}) to {found.values[-1]:g} ({found.years[-1]})"


BLOCKS: dict[str, Callable[[], str]] = {
    "areas": areas,
    "codes": codes,
    "levers": levers,
    "levers-zh": levers_zh,
    "outcomes": outcomes,
    "outcomes-zh": outcomes_zh,
    "parameters": parameters,
    "processes": processes,
    "recipe": recipe,
    "series": series,
    "sources": sources,
    "states": states,
    "streams": streams,
    "submodels": submodels,
    "tables": tables,
    "tag-count": tag_count,
    "tag-count-zh": tag_count_zh,
    "target-count": target_count,
}


def render(text: str) -> str:
    """A document with all its blocks up to date.

    Raises
    ------
    KeyError
        If a block has a name that nothing generates.
    """
    return BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found['name']]()}\n{found[3]}", text)


def stale() -> list[str]:
    """Documents whose generated parts are out of date."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
    return [name for name, text in texts.items() if render(text) != text]


def main() -> int:
    """Rewrite the blocks, or only check them."""
    old = stale()
    for name in old:
        if "--check" not in sys.argv:
            path = ROOT / name
            path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
        print(("out of date: " if "--check" in sys.argv else "rewritten: ") + name)
    return 1 if old and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())

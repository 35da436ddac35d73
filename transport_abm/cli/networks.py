"""Commands on road networks in other tools' files: check them, assign traffic to them, write a city as one."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transport_abm.cli.city_table import finding_text
from transport_abm.cli.main import app
from transport_abm.cli.show import (
    JsonOption,
    Language,
    LanguageOption,
    notes,
    print_json,
    print_table,
)
from transport_abm.core.errors import Fault, NetworkError, StoreError

if TYPE_CHECKING:
    from transport_abm.core.vocabulary import Period
    from transport_abm.networks.city import F64, City
    from transport_abm.networks.formats.open_roads import OpenedRoads
    from transport_abm.networks.formats.reading import Reading
    from transport_abm.policy.inputs import YearInputs


class ExportFormat(StrEnum):
    """Formats that a city's roads are written in."""

    GMNS = "gmns"
    MATSIM = "matsim"
    PARQUET = "parquet"


class PeriodName(StrEnum):
    """Periods by name."""

    AM = "am"
    MIDDAY = "midday"
    PM = "pm"
    NIGHT = "night"


TimeUnit = Annotated[
    str | None, typer.Option("--time-unit", help="Unit of times in TNTP files: s, min or h.")
]
LengthUnit = Annotated[
    str | None,
    typer.Option("--length-unit", help="Unit of lengths, where the file names none: m, km, mi, ft."),
]
SpeedUnit = Annotated[
    str | None,
    typer.Option("--speed-unit", help="Unit of speeds in GMNS files without config.csv: km/h, mph, m/s."),
]
TollFactor = Annotated[
    float,
    typer.Option(min=0, help="Cost of a unit of toll: seconds (GMNS), or the file's unit of time (TNTP)."),
]
DistanceFactor = Annotated[
    float,
    typer.Option(min=0, help="Cost of a unit of length: seconds a metre (GMNS), or the file's units (TNTP)."),
]

WORDS = {
    "what": ("What", "项目"), "value": ("Value", "值"), "kind": ("Format", "格式"), "nodes": ("Nodes", "节点"),
    "links": ("Links", "路段"), "open": ("Links open to cars", "汽车可通行路段"), "zones": ("Zones", "交通小区"),
    "demand": ("Trips", "出行量"), "pairs": ("Pairs with trips", "有出行的小区对"),
    "vehicles": ("Vehicles", "车辆"), "legs": ("Legs", "出行段"), "note": ("Note", "提示"),
    "problem": ("Problem", "问题"), "gap": ("Relative gap", "相对间隙"), "sweeps": ("Sweeps", "扫描次数"),
    "beckmann": ("Beckmann sum", "Beckmann值"), "total_time": ("Total time", "总时间"),
    "arrived": ("Legs that arrived", "到达的出行段"), "mean_time_s": ("Mean time of a leg (s)", "出行段平均时间（秒）"),
    "released": ("Moves forced by the stuck rule", "卡滞强制放行"), "on_road": ("Still on the road at the end", "结束时在途"),
    "seconds": ("Seconds", "用时（秒）"), "unit": ("Unit of time", "时间单位"), "own": ("the file's own", "文件自身单位"),
    "not_converged": ("warning: not converged: relative gap {gap:.3g} after {sweeps} sweeps",
                      "警告：未收敛：{sweeps} 次扫描后相对间隙为 {gap:.3g}"),
    "hours": ("h", "小时"), "no_problem": ("none found", "未发现"),
}  # fmt: skip

networks = typer.Typer(
    help="Check road networks of other tools, assign traffic to them, write a city as one.",
    no_args_is_help=True,
)
app.add_typer(networks, name="network")


def word(name: str, language: Language) -> str:
    """A word of the tables in a language."""
    return WORDS[name][1 if language is Language.ZH else 0]


@networks.command("check")
def check_command(
    files: Annotated[
        list[Path],
        typer.Argument(help="One network with its trips, nodes or plans: TNTP, GMNS (folder, zip), MATSim."),
    ],
    time_unit: TimeUnit = None,
    length_unit: LengthUnit = None,
    speed_unit: SpeedUnit = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """What a network file holds, and what would spoil a run on it."""
    from transport_abm.networks.formats.open_roads import open_roads
    from transport_abm.networks.formats.road_file import road_problems

    opened = open_roads(files, _reading(time_unit, length_unit, speed_unit))
    facts, problems = _facts(opened), road_problems(opened.roads)
    remarks = [*opened.roads.notes, *(opened.plans.notes if opened.plans else ())]
    if as_json:
        print_json(facts | {"notes": remarks, "problems": problems})
        return
    rows = [(word(name, language), _shown(value)) for name, value in facts.items()]
    zh = language is Language.ZH
    rows += [(word("note", language), finding_text(text, zh)) for text in remarks]
    shown = [finding_text(text, zh) for text in problems] or [word("no_problem", language)]
    rows += [(word("problem", language), text) for text in shown]
    _print(rows, language)


@networks.command("assign")
def assign_command(
    net: Annotated[Path, typer.Argument(help="Network: TNTP file, GMNS folder or zip.")],
    trips: Annotated[
        Path | None, typer.Argument(help="Trips: TNTP file, or demand.csv of GMNS if not in the folder.")
    ] = None,
    gap: Annotated[float, typer.Option(help="Relative gap at which to stop, above 0 and below 1.")] = 1e-6,
    iterations: Annotated[int, typer.Option(min=1, help="Most sweeps of all cheapest ways.")] = 200,
    out: Annotated[Path | None, typer.Option(help="File for flows, times, costs: .parquet or .csv.")] = None,
    time_unit: TimeUnit = None,
    length_unit: LengthUnit = None,
    speed_unit: SpeedUnit = None,
    toll_factor: TollFactor = 0.0,
    distance_factor: DistanceFactor = 0.0,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Static user equilibrium of a network with its trips; exit code 1 if the gap was not reached."""
    from transport_abm.core.whole_files import check_place
    from transport_abm.networks.formats.gmns import TABLES
    from transport_abm.networks.formats.link_results import table_path, write_flows
    from transport_abm.networks.formats.open_roads import open_roads
    from transport_abm.networks.formats.road_file import lost_trips, stop_at
    from transport_abm.networks.roads.assignment import assign_roads
    from transport_abm.networks.roads.road_problem import beckmann_sum

    if not 0 < gap < 1:
        # A gap of 1 or more is met by any flows at all.
        raise NetworkError(Fault("assign", "--gap", "a number above 0 and below 1", str(gap)))
    if out is not None:
        check_place(table_path(out), [net, trips or net, *(net / name for name in TABLES)])
    reading = _reading(time_unit, length_unit, speed_unit, toll_factor, distance_factor)
    opened = open_roads([net] if trips is None else [net, trips], reading)
    roads = opened.roads
    if roads.demand is None:
        expected = "trips between zones: a TNTP trips file, or demand.csv of GMNS"
        raise NetworkError(Fault(net.name, "demand", expected, "none"))
    for text in roads.notes:
        notes.print(finding_text(text, language is Language.ZH), markup=False, soft_wrap=True)
    began = time.perf_counter()
    try:
        flows = assign_roads(roads.problem, roads.zone_node, roads.demand, gap=gap, max_iterations=iterations)
    except NetworkError:
        # The assignment counts rows; the user's files have names.
        stop_at(lost_trips(roads))
        raise
    seconds = time.perf_counter() - began
    used = flows.flow_pcuh > 0
    per_hour = 3600.0 if roads.in_seconds else 1.0
    facts = _facts(opened) | {
        "gap": flows.relative_gap,
        "sweeps": flows.iterations,
        "beckmann": beckmann_sum(roads.problem, flows.flow_pcuh) / per_hour,
        "total_time": float(flows.flow_pcuh[used] @ flows.time_s[used]) / per_hour,
        "unit": word("hours" if roads.in_seconds else "own", language),
        "seconds": seconds,
    }
    if out is not None:
        write_flows(roads, flows.flow_pcuh, flows.time_s, flows.cost_s, out)
    if as_json:
        print_json(facts | {"converged": flows.converged})
    else:
        _print([(word(name, language), _shown(value)) for name, value in facts.items()], language)
    if not flows.converged:
        text = word("not_converged", language).format(gap=flows.relative_gap, sweeps=flows.iterations)
        notes.print(text, markup=False, soft_wrap=True)
        raise typer.Exit(1)


@networks.command("simulate")
def simulate_command(
    net: Annotated[Path, typer.Argument(help="Network: MATSim network.xml, plain or gzip.")],
    plans: Annotated[Path, typer.Argument(help="Its population: plans.xml, plain or gzip.")],
    end_h: Annotated[float, typer.Option(min=1, max=240, help="Hour at which the day ends.")] = 30.0,
    out: Annotated[
        Path | None, typer.Option(help="File for flows and times by quarter hour: .parquet or .csv.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="File for MATSim events of all vehicles: .xml or .xml.gz.")
    ] = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Let the vehicles of a MATSim population drive a day on the spatial queue, each on the way of its plan."""
    import numpy as np

    from transport_abm.core.whole_files import check_place
    from transport_abm.networks.formats.link_results import table_path, write_named_results
    from transport_abm.networks.formats.matsim_events import events_path, write_matsim_events
    from transport_abm.networks.formats.open_roads import file_kind, open_roads
    from transport_abm.networks.formats.queue_form import queue_link_results, queue_moves, queue_network
    from transport_abm.networks.queues.day import run_day
    from transport_abm.networks.queues.network import queue_rules
    from transport_abm.policy.inputs import BASE_YEAR, year_inputs

    if out is not None:
        check_place(table_path(out), [net, plans])
    if events is not None:
        check_place(events_path(events), [net, plans])
    opened = open_roads([net, plans], _reading(None, None, None))
    if opened.plans is None:
        # Two files of one network of another format: neither can be driven on.
        raise NetworkError(
            [
                Fault(net.name, "network", "a MATSim network", str(file_kind(net))),
                Fault(plans.name, "plans", "a MATSim population", str(file_kind(plans))),
            ]
        )
    queue = queue_network(opened.roads, queue_rules(year_inputs(BASE_YEAR)))
    began = time.perf_counter()
    day = run_day(queue, opened.plans.plans, opened.plans.routes, end_h=end_h, trace=events is not None)
    arrived = day.arrival_cs >= 0
    facts = _facts(opened) | {
        "arrived": int(arrived.sum()),
        "mean_time_s": float(np.mean((day.arrival_cs - day.departure_cs)[arrived])) / 100.0
        if arrived.any()
        else 0.0,
        "released": int(day.released.sum()),
        "on_road": day.on_road,
        "seconds": time.perf_counter() - began,
    }
    if out is not None:
        found = queue_link_results(day, queue, opened.roads.length_m, year=BASE_YEAR)
        write_named_results(found, opened.roads, out)
    if events is not None:
        moves = queue_moves(day, opened.plans.plans, opened.plans.start_link)
        names = (opened.roads.link_name, opened.plans.vehicle_name)
        write_matsim_events(moves, *names, events, end_s=round(end_h * 3600))
    if as_json:
        print_json(facts)
        return
    for text in (*opened.roads.notes, *opened.plans.notes):
        notes.print(finding_text(text, language is Language.ZH), markup=False, soft_wrap=True)
    _print([(word(name, language), _shown(value)) for name, value in facts.items()], language)


@networks.command("export")
def export_command(
    city: Annotated[str, typer.Argument(help="Name of a city, or a city folder.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write: a new name, or an empty folder.")],
    to: Annotated[ExportFormat, typer.Option("--format", help="gmns, matsim or parquet.")],
    year: Annotated[int | None, typer.Option(min=2020, max=2030, help="Year whose roads are open.")] = None,
    period: Annotated[PeriodName, typer.Option(help="Period whose buses take room.")] = PeriodName.AM,
    run: Annotated[
        Path | None, typer.Option(help="Run directory whose flows are written too (gmns, parquet).")
    ] = None,
) -> None:
    """Write a city's roads, and flows of a run on them, for other tools."""
    from transport_abm.core.vocabulary import Period
    from transport_abm.core.whole_files import whole_folder
    from transport_abm.networks.cities.open_city import open_city
    from transport_abm.networks.formats.city_roads import city_link_results, city_roads
    from transport_abm.networks.formats.gmns_write import write_gmns
    from transport_abm.networks.formats.matsim_network import write_matsim_network
    from transport_abm.networks.formats.road_tables import write_road_tables
    from transport_abm.policy.inputs import year_inputs

    if run is not None and to is ExportFormat.MATSIM:
        raise NetworkError(Fault("--run", "format", "gmns or parquet, which hold flows", "matsim"))
    place, digest = open_city(city)
    flow: dict[Period, F64] = {}
    if run is None:
        inputs = year_inputs(year or 2020)
    else:
        inputs, flow = _run_flows(run, place, digest, year)
    cars_alone = to is ExportFormat.MATSIM
    roads, row = city_roads(place, inputs, period=Period[period.upper()], cars_alone=cars_alone)
    results = city_link_results(place, inputs, flow, row) if flow else None
    if to is ExportFormat.GMNS:
        write_gmns(roads, folder, results)
    elif to is ExportFormat.PARQUET:
        write_road_tables(roads, folder, results)
    else:
        with whole_folder(folder) as fresh:
            write_matsim_network(roads, fresh / "network.xml.gz")
    typer.echo(str(folder))


def _run_flows(
    folder: Path, city: City, digest: str, year: int | None
) -> tuple[YearInputs, dict[Period, F64]]:
    """Inputs of a year of a run, and its flows in the peaks by link of the city."""
    import numpy as np

    from transport_abm.core.vocabulary import Period
    from transport_abm.policy.inputs import year_inputs
    from transport_abm.policy.scenario import Scenario
    from transport_abm.results import Results

    run = Results.load(folder)
    if run.manifest["city"]["digest"] != digest:
        raise StoreError(f"{folder}: expected a run on {city.name} as it is now, got one on another city")
    years = sorted(int(value) for value in run.roads["year"].unique())
    chosen = year if year is not None else years[0]
    if chosen not in years:
        raise StoreError(f"{folder}: expected one of the years {', '.join(map(str, years))}, got {chosen}")
    part = run.roads[run.roads["year"] == chosen]
    flow = {Period.AM: np.zeros(city.roads.n_links), Period.PM: np.zeros(city.roads.n_links)}
    flow[Period.AM][part["link"]], flow[Period.PM][part["link"]] = part["am_pcuh"], part["pm_pcuh"]
    case = Scenario.model_validate_json(json.dumps(run.manifest["scenario"]))
    return year_inputs(chosen, case.parameters, case.levers, case.draws()), flow


def _reading(
    time_unit: str | None, length_unit: str | None, speed_unit: str | None,
    toll_factor: float = 0.0, distance_factor: float = 0.0,
) -> Reading:  # fmt: skip
    """What the options say about the files."""
    from transport_abm.networks.formats.reading import Reading

    return Reading(time_unit, length_unit, speed_unit, toll_factor, distance_factor)


def _facts(opened: OpenedRoads) -> dict[str, Any]:
    """What a network holds."""
    roads, plans = opened.roads, opened.plans
    facts: dict[str, Any] = {
        "kind": str(opened.kind),
        "nodes": roads.problem.n_nodes,
        "links": roads.problem.n_links,
        "open": int(roads.open.sum()),
        "zones": roads.n_zones,
    }
    if roads.demand is not None:
        facts |= {"demand": float(roads.demand.sum()), "pairs": int((roads.demand > 0).sum())}
    if plans is not None:
        facts |= {"vehicles": len(plans.vehicle_name), "legs": plans.plans.n_legs}
    return facts


def _shown(value: Any) -> str:
    """A value as it is printed."""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3e}" if 0 < abs(value) < 1e-3 else f"{value:,.4f}".rstrip("0").rstrip(".")
    return str(value)


def _print(rows: list[tuple[str, str]], language: Language) -> None:
    """A table of two columns, cells as they are: names in files may hold brackets."""
    print_table("", (word("what", language), word("value", language)), rows)

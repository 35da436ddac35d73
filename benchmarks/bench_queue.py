"""The spatial queue: link moves a second in cache and on a large day, against the machine and against peers.

Run from the checkout: ``python -m benchmarks.bench_queue [share of the large day]``. Processor seconds of one thread.
Peers are SUMO's mesoscopic model and UXsim in C++ with platoons of five on the same grid and routes, in the
environment that ``make bench-peers`` sets up; without it they are left out.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.figures import keep
from benchmarks.queue_cases import (
    BIN_MIN,
    CAPACITY_PCUH,
    LANES,
    LENGTH_M,
    SPEED_MS,
    GridCase,
    build_case,
)  # fmt: skip
from benchmarks.roofs import CHAINS, IN_CACHE, IN_MEMORY, line_ns
from transport_abm.networks.queues.day import QueueDay, run_day
from transport_abm.policy.inputs import year_inputs

ROOT = Path(__file__).resolve().parents[1]

LARGE_SIDE, LARGE_VEHICLES, LARGE_REACH = 224, 8_930_000, 45
"""199,808 links; with buses and vans 10 M trips of 45 links."""
SMALL_SIDE, SMALL_VEHICLES, SMALL_HOURS, SMALL_REACH = 32, 100_000, 3.0, 32
PEERS = {"sumo": "SUMO meso", "uxsim": "UXsim C++, deltan 5"}
LINES = 5
"""Lines of the cache that a move cannot do without: record and ring of both links, and a place in the routes."""


def drive(case: GridCase, end_h: float, runs: int) -> tuple[float, QueueDay]:
    """Processor seconds of a day without the look through its plans, and the day."""
    times, day = [], None
    run_day(
        case.network, case.plans, case.routes, bin_min=BIN_MIN, end_h=end_h, charge=case.charge, until_s=0
    )
    for _ in range(runs):
        day = None
        state = run_day(
            case.network,
            case.plans,
            case.routes,
            bin_min=BIN_MIN,
            end_h=end_h,
            charge=case.charge,
            until_s=0,
            check=False,
        ).state
        start = time.process_time()
        day = run_day(
            case.network,
            case.plans,
            case.routes,
            bin_min=BIN_MIN,
            end_h=end_h,
            charge=case.charge,
            state=state,
        )
        times.append(time.process_time() - start)
    assert day is not None
    return min(times), day


def tell(name: str, seconds: float, day: QueueDay, line_ns: float, bar_moves_s: float | None = None) -> None:
    """One line of figures; they are kept with the time of the lines of the cache that each move needs."""
    move_ns = seconds / day.state.moves * 1e9
    done = day.arrival_cs >= 0
    mean_s = (day.arrival_cs - day.departure_cs)[done].mean() / 100
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    roof_ns = LINES * line_ns
    print(
        f"{name}: {day.state.moves:,} moves in {seconds:.2f} s, {move_ns:.1f} ns each, {1e3 / move_ns:.1f} M/s; "
        f"{move_ns / roof_ns:.1f} times {LINES} random lines; "
        f"mean trip {mean_s:.1f} s, {day.released.sum()} released, {done.sum():,} trips done; {memory:.2f} GB at most",
        flush=True,
    )
    keep(
        f"queue, {name}: a move", move_ns, "ns", roof=(f"{LINES} random lines", roof_ns),
        bar=None if bar_moves_s is None else 1e9 / bar_moves_s,
    )  # fmt: skip


def tell_peers(case: GridCase, seconds: float, day: QueueDay) -> None:
    """Ratios to the peers, where they are installed."""
    program = ROOT / ".venv-peers" / "bin" / "python"
    if not program.is_file():
        print("peers: left out (make bench-peers installs them)")
        return
    ours_s = (day.arrival_cs - day.departure_cs).mean() / 100
    link = np.where(case.routes.link < 0, ~case.routes.link, case.routes.link)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "case.npz"
        np.savez(
            file, side=case.side, length_m=LENGTH_M, speed_ms=SPEED_MS, lanes=LANES, capacity_pcuh=CAPACITY_PCUH,
            jam_spacing_m=year_inputs(2025)["queue.jam_spacing_m"], tail=case.network.tail, head=case.network.head,
            indptr=case.routes.indptr, link=link, depart_s=case.plans.earliest_cs / 100,
        )  # fmt: skip
        for name, least_times in (("sumo", 50.0), ("uxsim", 20.0)):
            done = subprocess.run(
                [str(program), str(Path(__file__).with_name("queue_peers.py")), str(file), name],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                print(f"  {name}: failed\n{done.stderr[-800:]}")
                continue
            theirs, mean_s = map(float, done.stdout.split()[-2:])
            print(
                f"  {name}: {theirs:.2f} s, {theirs / seconds:.0f} times ours; mean trip {mean_s:.1f} s, "
                f"ours {ours_s:.1f} s ({ours_s / mean_s - 1:+.2%})",
                flush=True,
            )
            keep(
                f"queue against {name}: {len(day.arrival_cs):,} trips", seconds, "s", peer=(PEERS[name], theirs),
                bar_faster=least_times,
            )  # fmt: skip


def main() -> None:
    """All figures."""
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    near_ns, far_ns = line_ns(IN_CACHE), line_ns(IN_MEMORY)
    print(f"a random line, {CHAINS} in flight: {near_ns:.1f} ns in the cache, {far_ns:.1f} ns in memory")
    case = build_case(SMALL_SIDE, SMALL_VEHICLES, hours=SMALL_HOURS, reach=SMALL_REACH)
    tell(f"grid of {SMALL_SIDE}, all switched on", *drive(case, 30, 5), near_ns, 15e6)
    case = build_case(SMALL_SIDE, SMALL_VEHICLES, hours=SMALL_HOURS, reach=SMALL_REACH, mixed=False)
    seconds, day = drive(case, 30, 5)
    tell(f"grid of {SMALL_SIDE}, cars alone", seconds, day, near_ns)
    tell_peers(case, seconds, day)
    case = build_case(LARGE_SIDE, int(LARGE_VEHICLES * share), hours=24 * share, reach=LARGE_REACH)
    name = f"grid of {LARGE_SIDE}, {case.plans.n_legs:,} trips, all switched on"
    # A part of the day has as many bins to close as the whole one: the bar is not for it.
    tell(name, *drive(case, 30, 1), far_ns, 8e6 if share == 1 else None)
    memory_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    keep(f"queue, {name}: peak memory", memory_gb, "GB", bar=4.0 if share == 1 else None)


if __name__ == "__main__":
    main()

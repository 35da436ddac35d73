"""SUMO meso and UXsim on a grid of the queue's benchmark; run in the environment of the peers.

``python queue_peers.py case.npz sumo|uxsim`` prints one line: processor seconds of the simulation without its
set-up, and the mean trip time.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CAR = '<vType id="car" length="5" minGap="2.5" maxSpeed="40" speedFactor="1" speedDev="0" sigma="0"/>'


def run_sumo(case: dict[str, np.ndarray], folder: Path) -> tuple[float, float]:
    """Seconds and mean trip time of SUMO's mesoscopic model without control at junctions and without inner links."""
    side, length, speed, lanes = (case[name].item() for name in ("side", "length_m", "speed_ms", "lanes"))
    nodes = [
        f'<node id="{n}" x="{n % side * length}" y="{n // side * length}" type="priority"/>'
        for n in range(side * side)
    ]
    edges = [
        f'<edge id="{k}" from="{a}" to="{b}" numLanes="{lanes:.0f}" speed="{speed}" length="{length}"/>'
        for k, (a, b) in enumerate(zip(case["tail"], case["head"], strict=True))
    ]
    (folder / "n.nod.xml").write_text("<nodes>" + "".join(nodes) + "</nodes>")
    (folder / "n.edg.xml").write_text("<edges>" + "".join(edges) + "</edges>")
    subprocess.run(
        [program("netconvert"), "-n", "n.nod.xml", "-e", "n.edg.xml", "-o", "n.net.xml", "--no-internal-links"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    indptr, link, depart = case["indptr"], case["link"], case["depart_s"]
    with (folder / "n.rou.xml").open("w") as stream:
        stream.write(f"<routes>{CAR}")
        for v, at in enumerate(depart):
            way = " ".join(map(str, link[indptr[v] : indptr[v + 1]]))
            stream.write(
                f'<vehicle id="{v}" type="car" depart="{at:.2f}" departSpeed="max"><route edges="{way}"/></vehicle>'
            )
        stream.write("</routes>")
    command = [
        program("sumo"), "-n", "n.net.xml", "-r", "n.rou.xml", "--mesosim", "--no-step-log", "--no-warnings",
        "--duration-log.statistics",
    ]  # fmt: skip
    before, _ = spent([*command, "--end", "1"], folder)
    seconds, text = spent(command, folder)
    mean_s = re.search(r"Statistics.*?Duration: ([\d.]+)", text, re.DOTALL)
    assert mean_s is not None, text
    return seconds - before, float(mean_s[1])


def spent(command: list[str], folder: Path) -> tuple[float, str]:
    """Processor seconds of a program, and what it printed."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime, done.stdout


def program(name: str) -> str:
    """A program of this environment."""
    return str(Path(sys.executable).with_name(name))


def run_uxsim(case: dict[str, np.ndarray]) -> tuple[float, float]:
    """Seconds and mean trip time of UXsim in C++ with platoons of five; each fifth trip stands for five."""
    import uxsim

    side, length, speed, lanes = (case[name].item() for name in ("side", "length_m", "speed_ms", "lanes"))
    indptr, link, depart = case["indptr"], case["link"], case["depart_s"]
    jam = 1 / case["jam_spacing_m"].item()
    reaction_s = 3600 * lanes / case["capacity_pcuh"].item() - 1 / (jam * speed)
    world = uxsim.World(
        cpp=True, name="", deltan=5, reaction_time=reaction_s, tmax=float(depart.max()) + 7200, print_mode=0,
        save_mode=0, show_mode=0, random_seed=0, vehicle_logging_timestep_interval=-1,
    )  # fmt: skip
    for n in range(side * side):
        world.addNode(str(n), n % side, n // side)
    for k, (a, b) in enumerate(zip(case["tail"], case["head"], strict=True)):
        world.addLink(
            f"l{k}",
            str(a),
            str(b),
            length=length,
            free_flow_speed=speed,
            jam_density=jam * lanes,
            number_of_lanes=lanes,
        )
    vehicles = []
    for v in range(0, len(depart), 5):
        way = link[indptr[v] : indptr[v + 1]]
        vehicle = world.addVehicle(str(case["tail"][way[0]]), str(case["head"][way[-1]]), float(depart[v]))
        vehicle.enforce_route([f"l{k}" for k in way])
        vehicles.append(vehicle)
    start = time.process_time()
    world.exec_simulation()
    seconds = time.process_time() - start
    times = np.array([vehicle.travel_time for vehicle in vehicles])
    return seconds, float(times[times >= 0].mean())


def main() -> None:
    """One peer on one case."""
    with np.load(sys.argv[1]) as file:
        case = {name: file[name] for name in file.files}
    if sys.argv[2] == "sumo":
        with tempfile.TemporaryDirectory() as folder:
            seconds, mean_s = run_sumo(case, Path(folder))
    else:
        seconds, mean_s = run_uxsim(case)
    print(f"{seconds} {mean_s}")


if __name__ == "__main__":
    main()

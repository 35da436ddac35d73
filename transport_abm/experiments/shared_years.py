"""Runs of scenarios that differ by levers: years in which they do not differ run once, and each run is kept as it ends.

    years shared = those before the first in which an input of any of the scenarios is another one

Agents know the past and the present year alone, so equal inputs up to a year are equal years, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from transport_abm.core.errors import StoreError
from transport_abm.model import TransportModel
from transport_abm.networks.cities.city_files import city_digest
from transport_abm.networks.city import City
from transport_abm.policy.scenario import Scenario, first_difference
from transport_abm.provenance import run_id
from transport_abm.results import Results

Run = Callable[[Scenario], Results]
NAME_LENGTH = 16
"""Digits of a run's id that name its directory."""


def shared_runs(cases: Sequence[Scenario], city: City) -> Run:
    """A way to run these scenarios on one city, with the years that all of a replication share run once.

    Parameters
    ----------
    cases
        All scenarios that will be run; those of one replication differ by levers alone.
    city
        The city.

    Returns
    -------
    Run
        Runs one of them; its results are those of a run of its own, to the last bit.
    """
    trunks: dict[int, TransportModel] = {}

    def run(case: Scenario) -> Results:
        """Go on from where the scenarios part."""
        number = case.replication
        if number not in trunks:
            own = [each for each in cases if each.replication == number] or [case]
            parting = [year for each in own if (year := first_difference(own[0], each)) is not None]
            trunk = TransportModel(own[0], city=city)
            while (trunk.year or trunk.years.start - 1) + 1 < min(parting, default=trunk.years.start):
                trunk.step()
            trunks[number] = trunk
        return trunks[number].branch(case).run()

    return run


def kept_runs(run: Run, folder: Path | str, city: City) -> Run:
    """The same runs, each saved when it ends and read again where it was saved before.

    Parameters
    ----------
    run
        How a scenario is run.
    folder
        Folder of run directories, named by the ids of the runs: other code, cities and scenarios have other ids.
    city
        The city.

    Returns
    -------
    Run
        Reads a run of the same id, or runs and saves it.

    Raises
    ------
    StoreError
        If a directory of the folder is broken, or cannot be written.
    """
    place, digest = Path(folder), city_digest(city)

    def kept(case: Scenario) -> Results:
        """A run of the folder, or a new one."""
        name = run_id(case, digest)
        target = place / name[:NAME_LENGTH]
        if target.is_dir():
            found = Results.load(target)
            if found.manifest["run"] == name:
                return found
            raise StoreError(f"{target}: expected the run {name}, got {found.manifest['run']!r:.60}")
        results = run(case)
        results.save(target)
        return results

    return kept

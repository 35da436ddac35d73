"""V-36: the same scenario gives the same bits, whatever the threads, the process, and what ran before."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from tests.tiny_runs import SHORT_WAYS, finished, ringed_city, tiny_case, value, wide_city
from transport_abm.agents.kernels_choice import CHUNK
from transport_abm.base_year import fit_key, read_base_year
from transport_abm.fit_base_year import fit_base_year
from transport_abm.model import TransportModel
from transport_abm.networks.cities.city_files import city_digest

ROOT = Path(__file__).resolve().parents[2]


def digest(model: TransportModel) -> str:
    """Digest of the outcomes, of everybody's tours and modes, and of all times and flows."""
    assert model.world.tours is not None
    text = hashlib.blake2b(digest_size=16)
    table = model.table
    for column in ("outcome", "year", "district", "class", "unit"):
        text.update("\n".join(map(str, table[column])).encode())
    arrays = [
        table["value"].to_numpy(np.float64), model.world.tours.table, model.world.tours.mode,
        model.world.travel.los, model.world.travel.link_flow_pcuh, model.world.travel.link_time_s,
    ]  # fmt: skip
    arrays += [column for store in model.tables.values() for column in store.snapshot().values()]
    for array in arrays:
        text.update(np.ascontiguousarray(array).tobytes())
    return text.hexdigest()


@pytest.fixture(scope="module")
def two_years() -> str:
    """Digest of the tiny city's baseline over two years."""
    return digest(finished(tiny_case(years=(2020, 2021))))


def test_twice_in_one_process_gives_the_same_bits(two_years: str) -> None:
    assert digest(finished(tiny_case(years=(2020, 2021)))) == two_years


def test_what_ran_before_does_not_matter(two_years: str) -> None:
    """A run after other scenarios, cities and replications is the run alone."""
    finished(tiny_case({"metro_fare_factor": 3.0, "tail_number_days": 2.0}, years=(2020, 2021)))
    finished(tiny_case(replication=5))
    finished(tiny_case({"congestion_charge_cny": 50.0}), ringed_city())
    assert digest(finished(tiny_case(years=(2020, 2021)))) == two_years


def test_years_do_not_depend_on_how_far_the_run_goes() -> None:
    long, short = finished(tiny_case(years=(2020, 2022))).table, finished(tiny_case(years=(2020, 2021))).table
    first = long[long["year"] <= 2021].reset_index(drop=True)
    assert first.equals(short)


def test_other_replications_and_seeds_give_other_draws() -> None:
    base = digest(finished(tiny_case()))
    assert digest(finished(tiny_case(replication=1))) != base
    assert digest(finished(tiny_case().replace(seed=2))) != base


def test_same_bits_on_one_and_two_threads() -> None:
    """A city large enough for several chunks of tours, fit of the base year included."""
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("needs two threads")
    case, city = tiny_case(parameters={}), wide_city()
    runs = [finished(case, city, threads=threads) for threads in (1, 2)]
    assert runs[0].world.tours is not None
    assert len(runs[0].world.tours) > 2 * CHUNK
    assert digest(runs[0]) == digest(runs[1])


def test_a_run_by_the_timetable_has_the_same_bits_on_one_and_two_threads() -> None:
    """And others than a run by strategies; its lines carry riders, whose gap is known."""
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("needs two threads")
    case = tiny_case(parameters={**SHORT_WAYS, "transit.timetable": 1.0})
    runs = [finished(case, threads=threads) for threads in (1, 2)]
    assert digest(runs[0]) == digest(runs[1])
    assert digest(runs[0]) != digest(finished(tiny_case()))
    for mode in ("bus", "metro"):
        assert value(runs[0], "boardings", mode) > 0
    assert -1e-6 < value(runs[0], "gap", "crowd") < 0.1


def test_the_fit_of_the_base_year_is_the_same_on_one_and_two_threads_and_from_the_cache() -> None:
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("needs two threads")
    city, before = ringed_city(), numba.get_num_threads()
    finished(tiny_case(), city)
    known = read_base_year(fit_key(city_digest(city), SHORT_WAYS))
    assert known is not None and known.start is not None
    for threads in (1, 2):
        numba.set_num_threads(threads)
        fitted = fit_base_year(city, SHORT_WAYS)
        assert fitted.start is not None
        assert (fitted.constant, fitted.rate_scale, fitted.destination_scale) == (
            known.constant,
            known.rate_scale,
            known.destination_scale,
        )
        np.testing.assert_array_equal(fitted.start.link_flow_pcuh, known.start.link_flow_pcuh)
        np.testing.assert_array_equal(fitted.start.call_flow, known.start.call_flow)
    numba.set_num_threads(before)


PROGRAM = """
from tests.property.test_determinism import digest
from tests.tiny_runs import finished, tiny_case
print(digest(finished(tiny_case(years=(2020, 2021)))))
"""


def test_other_processes_and_hash_seeds_give_the_same_bits(two_years: str, tmp_path: Path) -> None:
    """Each with an empty cache, so that the base year is fitted anew."""
    for seed in ("0", "12345"):
        env = os.environ | {
            "PYTHONHASHSEED": seed,
            "TRANSPORT_ABM_CACHE": str(tmp_path / seed),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=env, cwd=ROOT, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == two_years

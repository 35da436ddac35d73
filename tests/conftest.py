"""Fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real Beijing files, a sibling of the checkout; skips where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real Beijing files in ../shared/data")
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the session's own, also for programs that tests start: the user's is left alone."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSPORT_ABM_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_base() -> object:
    """The baseline of the tiny city after 2020; do not change it."""
    from tests.tiny_runs import finished, tiny_case

    return finished(tiny_case())


@pytest.fixture(scope="session")
def tiny_2023() -> object:
    """The baseline of the tiny city after 2023, a year without pandemic; do not change it."""
    from tests.tiny_runs import finished, tiny_case

    return finished(tiny_case(years=(2023, 2023)))


@pytest.fixture(scope="session")
def ringed_base() -> object:
    """The baseline of the tiny city with rings after 2020; do not change it."""
    from tests.tiny_runs import finished, ringed_city, tiny_case

    return finished(tiny_case(), ringed_city())

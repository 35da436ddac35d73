"""Where a run comes from: versions, digests, and how many of its numbers are priors."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from transport_abm.policy.inputs import shipped_catalogue
from transport_abm.policy.scenario import Scenario

PACKAGES = ("mesa", "numpy", "numba", "scipy", "pandas", "pyarrow", "networkx", "osmnx")


@cache
def code_digest() -> str:
    """Digest of the package's own files."""
    text = hashlib.blake2b(digest_size=16)
    root = Path(__file__).parent
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".csv", ".toml") and path.is_file():
            text.update(str(path.relative_to(root)).encode())
            text.update(path.read_bytes())
    return text.hexdigest()


def run_id(case: Scenario, city_digest: str) -> str:
    """Name of a run: the same for the same code, city, scenario and seed."""
    content = [code_digest(), city_digest, json.loads(case.model_dump_json())]
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def parameter_tags(case: Scenario) -> dict[str, int]:
    """Number of parameters by tag; overrides count as ``scenario``."""
    catalogue = shipped_catalogue()
    return dict(
        Counter(
            "scenario" if path in case.parameters else row.tag for path, row in catalogue.parameters.items()
        )
    )


def manifest(
    case: Scenario, *, city: Mapping[str, Any], base: Mapping[str, Any], fit: Mapping[str, float]
) -> dict[str, Any]:
    """What the manifest of a run says; holds no time, no machine and no path, so that equal runs are equal files.

    Parameters
    ----------
    case
        The scenario.
    city
        Name, digest and facts of the city.
    base
        Constants of the base year.
    fit
        Fit of the synthetic population.
    """
    return {
        "format": 1,
        "run": run_id(case, str(city["digest"])),
        "scenario": json.loads(case.model_dump_json()),
        "city": dict(city),
        "base_year": dict(base),
        "population_fit": dict(fit),
        "parameter_tags": parameter_tags(case),
        "code": code_digest(),
        "versions": {name: _version(name) for name in PACKAGES} | {"python": platform.python_version()},
    }


def _version(name: str) -> str:
    """Installed version of a package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"

"""Opens a city by name or folder; the reference city is built once and kept in the cache."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from transport_abm.core.cache import cache_folder
from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.cities.city_files import city_digest, read_city, write_city
from transport_abm.networks.city import City

REFERENCE = "beijing-reference"
VERSION_KEY = "built_from"
"""Key of a city's facts: digest of the code and tables that built it, the same on every machine."""


def open_city(name: str) -> tuple[City, str]:
    """A city and the digest of its files.

    Parameters
    ----------
    name
        ``beijing-reference``, the name of a city in the cache (as ``city build`` leaves it), or a city folder.

    Returns
    -------
    tuple
        The city, and the digest of its content.

    Raises
    ------
    NetworkError
        If there is no such city, or its files are broken.
    """
    folder = city_folder(name)
    if name == REFERENCE and not folder.is_dir():
        from transport_abm.networks.reference.build import build_reference_city

        folder.parent.mkdir(parents=True, exist_ok=True)
        city = build_reference_city()
        write_city(replace(city, meta={**city.meta, VERSION_KEY: _reference_version()}), folder)
    if not folder.is_dir():
        known = ", ".join(
            [REFERENCE, *sorted(p.name for p in (cache_folder() / "cities").glob("*") if p.name != REFERENCE)]
        )
        raise NetworkError(Fault("city", name, f"a city folder, or one of: {known}", "nothing there"))
    return read_city(folder), city_digest(folder)


def city_folder(name: str) -> Path:
    """Folder where a city of this name is, or would be."""
    if "/" in name or (Path(name) / "city.toml").is_file():
        return Path(name)
    if name == REFERENCE:
        return cache_folder() / "cities" / f"{REFERENCE}-{_reference_version()}"
    return cache_folder() / "cities" / name


def _reference_version() -> str:
    """Digest of the code and tables that build the reference city: when they change, it is built anew."""
    text = hashlib.blake2b(digest_size=8)
    networks = Path(str(files("transport_abm") / "networks"))
    cities = networks / "cities"
    parts = [
        *networks.glob("reference/**/*"),
        networks / "city.py",
        *cities.glob("city*.py"),
        cities / "geo.py",
    ]
    parts += [
        networks.parent / "policy" / "data" / "parameters" / f"{name}_supply.csv"
        for name in ("road", "transit")
    ]
    for path in sorted(p for p in parts if p.suffix in (".py", ".csv") and p.is_file()):
        text.update(path.name.encode())
        text.update(path.read_bytes())
    return text.hexdigest()

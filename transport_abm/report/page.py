"""Writes a report: one HTML file that asks nothing of any other machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pandas as pd

from transport_abm.core.errors import Fault, InputError, NetworkError, StoreError
from transport_abm.networks.cities.open_city import open_city
from transport_abm.networks.city import City
from transport_abm.report import honesty, sections
from transport_abm.report.carbon_sections import carbon_section
from transport_abm.report.ledger import build_ledger
from transport_abm.report.ledger_section import ledger_section, matrix_section
from transport_abm.report.markup import Markup, el, escape, join, user_text
from transport_abm.report.reading import Reading, part, read_runs
from transport_abm.report.texts import Texts, texts
from transport_abm.report.vehicle_sections import fleet_section, plate_section, vehicle_section
from transport_abm.results import Ensemble, Results

SAFETY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""The browser itself refuses every request and every script."""


def write_report(
    results: Results | Ensemble,
    path: Path | str,
    *,
    language: str = "en",
    city: str | None = None,
    matrix: pd.DataFrame | None = None,
) -> Path:
    """Write the report of a run, or of replications of one scenario, as one self-contained HTML file.

    Parameters
    ----------
    results
        One run, or replications of one scenario.
    path
        HTML file to write; an earlier one is replaced.
    language
        ``en`` or ``zh``.
    city
        Name or folder of the city of the runs; by default the one that the manifest names. Without it, a city
        that cannot be opened, or has changed since the run, leaves the maps out, and the report says so.
    matrix
        Effects of levers on targets (``experiments.paired.read_matrix``), for the ledger and a table of its own.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the language is unknown, the runs do not belong together, or ``city`` is not the city of the runs.
    StoreError
        If the file cannot be written.
    """
    words = texts(language)
    reading = read_runs(results)
    place, same, note = _city_of(reading, city, words)
    page = build_page(reading, words, place, same=same, note=note, matrix=matrix)
    return write_page(Path(path), page)


def build_page(
    reading: Reading,
    words: Texts,
    city: City | None,
    *,
    same: bool = True,
    note: str | None = None,
    matrix: pd.DataFrame | None = None,
) -> str:
    """The page as text.

    Parameters
    ----------
    reading
        The runs.
    words
        Language.
    city
        City of the maps; None leaves them out.
    same
        True if the city is the very one of the runs, so that flows may be drawn on its links.
    note
        What the reader should know about the city of the maps.
    matrix
        Effects of levers on targets.

    Returns
    -------
    str
        HTML.
    """
    credit = _credit(reading, city, words)
    ledger = build_ledger(reading, matrix)
    notes = [note] if note else []
    body = [
        _head(reading, words),
        sections.alarm(reading, words),
        sections.headline(reading, words, ledger),
        ledger_section(ledger, words, _districts(city, words)),
        matrix_section(matrix, ledger.scenario, words) if matrix is not None else None,
        sections.share_section(reading, words),
        sections.mode_section(reading, words),
        sections.district_section(reading, city, words, credit),
        el("p", note, class_="note") if note else None,
        sections.road_section(reading, city, words, credit) if city is not None and same else None,
        sections.metro_section(reading, city, words, credit) if city is not None and same else None,
        vehicle_section(reading, words),
        plate_section(reading, words),
        fleet_section(reading, words),
        carbon_section(reading, words, _districts(city, words)),
        sections.table_section(reading, words),
        honesty.trust_section(reading, words),
        honesty.unbuilt_section(words),
        honesty.scenario_section(reading, words),
        honesty.source_section(reading, words, notes, credit),
        honesty.definition_section(reading, words),
        el("footer", words("page.footer")),
    ]
    return document(words("page.title_of", name=reading.scenario["name"]), body, words)


def document(title: str, body: Sequence[Markup | None], words: Texts) -> str:
    """A whole HTML file: head with the style and what it may load (nothing), and a body.

    Parameters
    ----------
    title
        Title of the window.
    body
        Parts of the page; None is left out.
    words
        Language.

    Returns
    -------
    str
        HTML.
    """
    style = (files("transport_abm") / "report" / "data" / "style.css").read_text(encoding="utf-8")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{escape(SAFETY)}">'),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        el("style", Markup(style)),
    )
    page = el("html", head, el("body", el("main", join(body))), lang="zh-CN" if words.zh else "en")
    return f"<!doctype html>\n{page}\n"


def _head(reading: Reading, words: Texts) -> Markup:
    """Title, scenario and what kind of runs these are."""
    case = reading.scenario
    sample = case.get("sample")
    facts = [
        words("page.scenario", name=case["name"]),
        words("page.years", first=reading.first_year, last=reading.last_year),
        words("page.one_run") if reading.runs == 1 else words("page.runs", n=reading.runs),
        words("page.sample", share=f"{100.0 * float(sample):g}%")
        if isinstance(sample, (int, float))
        else None,
        words("page.city", name=part(reading.manifest, "city").get("name", "-")),
    ]
    description = str(case.get("description") or "")
    return el(
        "header",
        el("p", words("page.over"), class_="over"),
        el("h1", words("page.title")),
        el("p", join([user_text(fact) for fact in facts if fact], " · "), class_="facts-line"),
        el("p", words.phrase(description), class_="lead") if description else None,
    )


def _city_of(reading: Reading, name: str | None, words: Texts) -> tuple[City | None, bool, str | None]:
    """City of the maps, whether it is the very one of the runs, and a note if it is not."""
    known = part(reading.manifest, "city")
    try:
        city, digest = open_city(name or str(known.get("name", "")))
    except (NetworkError, StoreError, OSError) as error:
        if name is not None:
            if isinstance(error, OSError):
                raise StoreError(f"{name}: cannot be read: {error.strerror}") from error
            raise
        return None, False, words("note.no_city", name=known.get("name", "-"))
    if digest == known.get("digest"):
        return city, True, None
    if name is not None:
        raise InputError(
            Fault("report", "city", f"the city of the runs, digest {known.get('digest')}", f"digest {digest}")
        )
    return city, False, words("note.other_city")


def _districts(city: City | None, words: Texts) -> dict[str, str]:
    """Names of the districts in this language by their English ones."""
    if city is None or not words.zh:
        return {}
    return dict(zip(city.districts.name_en, city.districts.name_zh, strict=True))


def _credit(reading: Reading, city: City | None, words: Texts) -> str | None:
    """Attribution that the licence of the city's data asks for."""
    facts = {str(k): str(v) for k, v in part(part(reading.manifest, "city"), "meta").items()}
    if city is not None:
        facts |= {str(k): str(v) for k, v in city.meta.items()}
    named = facts.get("attribution")
    if any("openstreetmap" in text.lower() or "odbl" in text.lower() for text in facts.values()):
        asked = words("map.osm")
        return asked if not named or "openstreetmap" in named.lower() else f"{asked}; {named}"
    return named


def write_page(path: Path, page: str) -> Path:
    """Write the file under another name and move it into place."""
    temporary = None
    try:
        if path.is_dir():
            raise StoreError(f"{path}: expected a file, got a folder; give a file name such as report.html")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "wb", dir=path.parent, prefix=f".{path.name[:60]}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(page.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path!s:.200}: cannot be written: {getattr(error, 'strerror', None) or error}"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return path

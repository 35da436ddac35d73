"""District polygons from GeoJSON, and the residents and jobs of each district from a table.

Polygons are WGS 84 inside. A file in GCJ-02 must say so, or be laid over reference points whose district is
known: the reading under which more of them fall into their own polygon wins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.cities.csv_files import read_columns, read_text
from transport_abm.networks.cities.geo import gcj02_to_wgs84
from transport_abm.networks.city import F64, I64, Districts, Outlines

Datum = Literal["wgs84", "gcj02", "detect"]

MAX_BYTES = 200_000_000
MAX_POINTS = 5_000_000
MAX_OVERLAP = 0.01
"""Largest share of a district that another may cover."""


@dataclass(frozen=True)
class Boundaries:
    """Districts with their polygons (WGS 84 degrees)."""

    code: tuple[str, ...]
    districts: Districts
    polygon: tuple[BaseGeometry, ...]
    datum: str
    """What the file was in: ``wgs84`` or ``gcj02``."""


@dataclass(frozen=True)
class DistrictTotals:
    """Residents and jobs by district, in the order of the districts."""

    residents: F64
    jobs: F64
    """NaN where the table says nothing."""


def read_boundaries(
    path: Path | str,
    datum: Datum,
    reference: tuple[F64, F64, Sequence[str]] | None = None,
) -> Boundaries:
    """Read district polygons.

    Parameters
    ----------
    path
        GeoJSON FeatureCollection of polygons. Properties: ``name_en`` and ``name_zh`` (or ``name_cn``,
        ``name``), ``central`` (or ``central_six``; 0 or 1), and optionally ``adcode`` or ``code``.
    datum
        ``"wgs84"``, ``"gcj02"``, or ``"detect"`` with the help of reference points.
    reference
        Longitude, latitude (WGS 84) and district code of points whose district is known.

    Returns
    -------
    Boundaries
        Districts in the order of the file.

    Raises
    ------
    NetworkError
        With every fault of the file.
    """
    place = Path(path)
    text = read_text(place, MAX_BYTES)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NetworkError(Fault(place.name, "file", "JSON", str(error)[:80])) from None
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list) or not features:
        raise NetworkError(Fault(place.name, "features", "a list of districts", str(type(features).__name__)))
    faults: list[Fault] = []
    rows = [_district(place.name, k, feature, faults) for k, feature in enumerate(features)]
    if faults:
        raise NetworkError(faults)
    sound = [row for row in rows if row is not None]
    codes = [row[0] for row in sound]
    polygons = [row[4] for row in sound]
    found = _datum(place.name, datum, codes, polygons, reference)
    if found == "gcj02":
        polygons = [shapely.transform(polygon, _to_wgs84) for polygon in polygons]
    faults += _shape_faults(place.name, [row[1] for row in sound], polygons)
    if faults:
        raise NetworkError(faults)
    districts = Districts(
        tuple(row[1] for row in sound),
        tuple(row[2] for row in sound),
        np.array([row[3] for row in sound], bool),
        build_outlines(polygons),
    )
    return Boundaries(tuple(codes), districts, tuple(polygons), found)


def read_polygon(path: Path | str) -> BaseGeometry:
    """Read one area: a GeoJSON geometry, feature or collection of features.

    Parameters
    ----------
    path
        GeoJSON file in WGS 84 degrees.

    Returns
    -------
    BaseGeometry
        Polygon or multipolygon; the union of all polygons of the file.

    Raises
    ------
    NetworkError
        With every fault of the file.
    """
    place = Path(path)
    faults: list[Fault] = []
    try:
        data = json.loads(read_text(place, MAX_BYTES))
    except (ValueError, RecursionError) as error:
        if isinstance(error, NetworkError):
            raise
        raise NetworkError(Fault(place.name, "file", "JSON", str(error)[:80])) from None
    features = data.get("features", [data]) if isinstance(data, dict) else None
    if not isinstance(features, list) or not features:
        raise NetworkError(Fault(place.name, "features", "an area", str(type(features).__name__)))
    shapes = []
    for k, feature in enumerate(features):
        geometry = feature.get("geometry", feature) if isinstance(feature, dict) else None
        if not isinstance(geometry, dict):
            faults.append(Fault(place.name, f"features[{k}]", "a geometry", str(type(geometry).__name__)))
        elif (shape := _polygon(place.name, f"features[{k}]", geometry, faults)) is not None:
            if not shape.is_valid or shape.area == 0:
                reason = shapely.is_valid_reason(shape)
                faults.append(Fault(place.name, f"features[{k}]", "a valid polygon", reason))
            shapes.append(shape)
    if faults:
        raise NetworkError(faults)
    return shapely.union_all(shapes)


def build_outlines(shapes: Sequence[BaseGeometry]) -> Outlines:
    """Lay polygons out as outlines; holes are dropped.

    Parameters
    ----------
    shapes
        Polygons or multipolygons in degrees; shape ``k`` belongs to row ``k``.

    Returns
    -------
    Outlines
        Outer rings.
    """
    owner, rings = [], []
    for row, shape in enumerate(shapes):
        for part in shapely.get_parts(shape):
            if isinstance(part, Polygon) and not part.is_empty:
                owner.append(row)
                rings.append(shapely.get_coordinates(part.exterior))
    indptr = np.concatenate([[0], np.cumsum([len(ring) for ring in rings])]).astype(np.int64)
    flat = np.concatenate(rings) if rings else np.empty((0, 2))
    return Outlines(np.array(owner, np.int32), indptr, flat[:, 0].copy(), flat[:, 1].copy())


def district_of(polygons: Sequence[BaseGeometry], lon: F64, lat: F64) -> I64:
    """Find the district of each point; -1 outside all.

    Parameters
    ----------
    polygons
        District polygons, in any one coordinate system.
    lon, lat
        Points in the same system.

    Returns
    -------
    int64 array
        Row of the first polygon that contains the point.
    """
    found = np.full(len(lon), -1, np.int64)
    for row, polygon in enumerate(polygons):
        shapely.prepare(polygon)
        inside = shapely.contains_xy(polygon, lon, lat)
        found[inside & (found < 0)] = row
    return found


def read_district_totals(
    path: Path | str, boundaries: Boundaries, columns: Mapping[str, str]
) -> DistrictTotals:
    """Read residents and jobs by district.

    Parameters
    ----------
    path
        CSV file.
    boundaries
        Districts to match.
    columns
        Names of the file's columns: ``code`` or ``name_zh`` or ``name_en`` (the match), ``residents``, and
        optionally ``jobs``.

    Returns
    -------
    DistrictTotals
        Totals in the order of the districts.

    Raises
    ------
    NetworkError
        If a district is missing or named twice, or a number is absurd.
    """
    place = Path(path)
    faults: list[Fault] = []
    match = next((key for key in ("code", "name_zh", "name_en") if key in columns), "")
    if not match or "residents" not in columns:
        raise NetworkError(
            Fault(place.name, "columns", "code or name_zh or name_en, and residents", str(columns))
        )
    table = read_columns(place, tuple(columns.values()), faults)
    if faults:
        raise NetworkError(faults)
    known = {
        "code": boundaries.code,
        "name_zh": boundaries.districts.name_zh,
        "name_en": boundaries.districts.name_en,
    }[match]
    names = table.text(columns[match])
    residents = table.number(columns["residents"], 0, 1e9)
    jobs = np.full(table.rows, np.nan)
    if "jobs" in columns:
        given = table.number(columns["jobs"], -1, 1e9, default=-1.0)
        jobs = np.where(given < 0, np.nan, given)
    row = {}
    for k, name in enumerate(names):
        if name in row:
            table.fault(f"{columns[match]}, row {k + 2}", "each district once", name)
        row[name] = k
    missing = [name for name in known if name not in row]
    faults += [Fault(place.name, columns[match], f"a row for district {name}", "none") for name in missing]
    if faults:
        raise NetworkError(faults)
    order = [row[name] for name in known]
    return DistrictTotals(residents[order], jobs[order])


def _to_wgs84(points: F64) -> F64:
    """Convert the points of a polygon."""
    return np.column_stack(gcj02_to_wgs84(points[:, 0], points[:, 1]))


def _text(properties: Mapping[str, object], *names: str) -> str:
    """Return the first property that is a text."""
    for name in names:
        value = properties.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()[:100]
    return ""


def _district(
    file: str, k: int, feature: object, faults: list[Fault]
) -> tuple[str, str, str, bool, BaseGeometry] | None:
    """Read one feature: code, names, central, polygon."""
    where = f"features[{k}]"
    properties = feature.get("properties") if isinstance(feature, dict) else None
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if not isinstance(properties, dict) or not isinstance(geometry, dict):
        faults.append(Fault(file, where, "properties and a geometry", str(type(feature).__name__)))
        return None
    zh = _text(properties, "name_zh", "name_cn", "name", "name_en")
    en = _text(properties, "name_en", "name", "name_zh", "name_cn")
    if not zh:
        faults.append(Fault(file, f"{where}.properties", "name_en or name_zh", str(sorted(properties))[:80]))
    central = properties.get("central", properties.get("central_six", 0))
    if central not in (0, 1):
        faults.append(Fault(file, f"{where}.central", "0 or 1", repr(central)[:60]))
    polygon = _polygon(file, where, geometry, faults)
    if polygon is None:
        return None
    return _text(properties, "adcode", "code"), en, zh, bool(central), polygon


def _polygon(
    file: str, where: str, geometry: Mapping[str, object], faults: list[Fault]
) -> BaseGeometry | None:
    """Read a Polygon or MultiPolygon."""
    kind: object = geometry.get("type")
    parts: Any = geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        faults.append(Fault(file, f"{where}.geometry.type", "Polygon or MultiPolygon", repr(kind)[:60]))
        return None
    try:
        polygons = [parts] if kind == "Polygon" else parts
        rings = [[np.array(ring, np.float64) for ring in polygon] for polygon in polygons]
        flat = np.concatenate([ring[:, :2] for polygon in rings for ring in polygon])
    except (TypeError, ValueError, IndexError):
        faults.append(Fault(file, f"{where}.geometry", "rings of longitude and latitude", "something else"))
        return None
    if len(flat) > MAX_POINTS or not ((np.abs(flat[:, 0]) <= 180) & (np.abs(flat[:, 1]) <= 90)).all():
        faults.append(Fault(file, f"{where}.geometry", "degrees on the Earth", "others"))
        return None
    if any(len(ring) < 4 for polygon in rings for ring in polygon):
        faults.append(Fault(file, f"{where}.geometry", "rings of at least 4 points", "fewer"))
        return None
    shapes = [Polygon(polygon[0][:, :2], [hole[:, :2] for hole in polygon[1:]]) for polygon in rings]
    return shapes[0] if len(shapes) == 1 else MultiPolygon(shapes)


def _datum(
    file: str,
    datum: Datum,
    codes: Sequence[str],
    polygons: Sequence[BaseGeometry],
    reference: tuple[F64, F64, Sequence[str]] | None,
) -> str:
    """Decide between WGS 84 and GCJ-02."""
    if datum != "detect":
        return datum
    if reference is None or not len(reference[0]):
        raise NetworkError(
            Fault(file, "datum", "reference points to detect it with", "none; say wgs84 or gcj02")
        )
    lon, lat, own = reference
    row = {code: k for k, code in enumerate(codes)}
    wanted = np.array([row.get(str(code), -2) for code in own])
    plain = int((district_of(polygons, lon, lat) == wanted).sum())
    shifted = [shapely.transform(polygon, _to_wgs84) for polygon in polygons]
    converted = int((district_of(shifted, lon, lat) == wanted).sum())
    return "gcj02" if converted > plain else "wgs84"


def _shape_faults(file: str, names: Sequence[str], polygons: Sequence[BaseGeometry]) -> Iterator[Fault]:
    """Yield faults of validity, repetition and overlap."""
    for k, (name, polygon) in enumerate(zip(names, polygons, strict=True)):
        if not polygon.is_valid or polygon.area == 0:
            reason = shapely.is_valid_reason(polygon)
            yield Fault(file, f"features[{k}] ({name})", "a valid polygon", reason)
        if name in names[:k]:
            yield Fault(file, f"features[{k}]", "each name once", name)
    if all(polygon.is_valid for polygon in polygons):
        tree = shapely.STRtree(list(polygons))
        for k, polygon in enumerate(polygons):
            for j in tree.query(polygon, predicate="intersects"):
                if j > k:
                    shared = polygon.intersection(polygons[j]).area
                    if shared > MAX_OVERLAP * min(polygon.area, polygons[j].area):
                        yield Fault(
                            file, f"{names[k]} and {names[j]}", "districts side by side", "an overlap"
                        )

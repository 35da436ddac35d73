"""A recipe names the files of a city to build, and the few choices that the files leave open.

Roads come from exactly one source: a file, or Overpass by the name of a place or a polygon. Trains and buses
each come from at most one: tables, totals (buses), or a GTFS feed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.cities.geo import is_projected
from transport_abm.networks.cities.open_city import REFERENCE
from transport_abm.networks.osm.osm_safety import is_xml

MAX_ZONES = 5_000
"""Most zones; tables between zones grow with their square."""
_PATHS = ("roads", "polygon", "overpass_cache", "districts", "population", "metro", "cars", "bus", "gtfs")
_FOLDERS = ("metro", "bus")
_DAY = r"^$|^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"

Count = Annotated[float, Field(ge=0, le=1e9)]


class CityRecipe(BaseModel):
    """What to build a city from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    name: Annotated[str, Field(pattern=r"^[^\W_][\w.-]{0,63}$")]
    """Name of the city: letters, digits, dots, dashes; it becomes the name of the city's folder."""
    date: str
    """Date of the data, such as 2020-11-01."""
    licence: str
    sources: tuple[str, ...]
    roads: Path | None = None
    """OpenStreetMap file (.osm.pbf, .osm, .osm.gz, .osm.bz2)."""
    reader: Literal["osmium", "osmnx"] = "osmium"
    """Library that reads the file: osmium (PBF and XML) or osmnx (XML; slower, the same roads)."""
    place: str = ""
    """Name of a place whose roads are asked of Overpass."""
    polygon: Path | None = None
    """GeoJSON of the area whose roads are asked of Overpass."""
    overpass_date: Annotated[str, Field(pattern=_DAY)] = ""
    """State of the map to ask for, such as 2026-01-01; that of today if empty."""
    overpass_url: Annotated[str, Field(pattern=r"^$|^https?://[^\s]+$")] = ""
    """Address of another Overpass server."""
    overpass_cache: Path | None = None
    """Folder that keeps the answers; one in the cache folder by default."""
    speed_limits: bool = True
    """Whether maxspeed tags are believed."""
    districts: Path
    """GeoJSON of the districts."""
    datum: Literal["wgs84", "gcj02"] = "wgs84"
    """Coordinates of the districts."""
    population: Path
    """CSV table of residents (and jobs) by district."""
    population_columns: Mapping[str, str]
    """Its columns: code or name_zh or name_en, residents, and optionally jobs."""
    metro: Path | None = None
    """Folder with the metro tables."""
    cars: Path | None = None
    """CSV table car_type, places, seats; needed with metro."""
    bus: Path | None = None
    """Folder with the bus tables."""
    gtfs: Path | None = None
    """GTFS feed (folder or zip): trains without metro tables, buses without bus tables or totals."""
    gtfs_date: Annotated[str, Field(pattern=r"^$|^\d{8}$")] = ""
    """Day of the feed to count (YYYYMMDD); the Wednesday with most trips if empty."""
    train_places: Count = 0
    """Seated and standing places of a train of the feed [persons]; needed where the feed gives the trains."""
    train_seats: Count = 0
    """Seats of a train of the feed."""
    crs: str = ""
    """Projected CRS; the UTM zone of the districts if empty."""
    zones: Annotated[int, Field(ge=1, le=MAX_ZONES)]
    """Number of zones."""
    zones_central: Annotated[int, Field(ge=0, le=MAX_ZONES)] = 0
    """How many of them lie in the central districts; 0 shares by residents alone."""
    jobs_total: Count
    """Jobs in the city; those the table does not give are shared by residents."""
    school_places_per_resident: Annotated[float, Field(ge=0, le=1)]
    """Pupils and students over residents."""
    bus_routes: Count = 0
    """Bus routes; 0 for no buses by totals."""
    bus_fleet: Count = 0
    """Buses."""
    bus_route_km: Count = 0
    """Length of the bus routes [km]; as drawn if 0."""
    bus_lines: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Representative lines to build."""

    @property
    def feed_trains(self) -> bool:
        """Whether the trains come from the feed."""
        return self.gtfs is not None and self.metro is None

    @property
    def feed_buses(self) -> bool:
        """Whether the buses come from the feed."""
        return self.gtfs is not None and self.bus is None and not self.bus_routes


def read_recipe(path: Path | str) -> CityRecipe:
    """Read a recipe from TOML; its paths are relative to the file.

    Parameters
    ----------
    path
        TOML file with the fields of :class:`CityRecipe`.

    Returns
    -------
    CityRecipe
        The recipe.

    Raises
    ------
    NetworkError
        With every fault of the file, files that it names and that are missing included.
    """
    place = Path(path)
    try:
        recipe = CityRecipe.model_validate(tomllib.loads(place.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise NetworkError([_fault(place.name, item) for item in error.errors()]) from None
    except (OSError, ValueError, RecursionError) as error:
        got = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise NetworkError(Fault(place.name, "file", "a recipe in TOML", got[:100])) from None
    named = {name: place.parent / value for name in _PATHS if (value := getattr(recipe, name)) is not None}
    recipe = recipe.model_copy(update=named)
    faults = list(recipe_faults(recipe, place.name))
    if faults:
        raise NetworkError(faults)
    return recipe


def recipe_template() -> str:
    """Return a commented recipe to start from."""
    return (files("transport_abm.networks.cities") / "data" / "recipe.toml").read_text(encoding="utf-8")


def recipe_faults(recipe: CityRecipe, file: str = "recipe") -> Iterator[Fault]:
    """Yield what does not fit together in a recipe, and what it names and is not there.

    Parameters
    ----------
    recipe
        The recipe, with paths as they can be opened.
    file
        Name of its file, for the faults.

    Yields
    ------
    Fault
        One for each thing wrong.
    """
    if recipe.name == REFERENCE:
        yield Fault(file, "name", "another name than the bundled city's", recipe.name)
    roads = [name for name in ("roads", "place", "polygon") if getattr(recipe, name)]
    if len(roads) != 1:
        yield Fault(file, "roads", "exactly one of roads, place and polygon", " and ".join(roads) or "none")
    asked = [name for name in ("overpass_date", "overpass_url", "overpass_cache") if getattr(recipe, name)]
    if recipe.roads and asked and len(roads) == 1:
        yield Fault(file, asked[0], "roads from a place or polygon", "roads from a file")
    if recipe.roads and recipe.reader == "osmnx" and not is_xml(recipe.roads):
        yield Fault(file, "reader", "osmium for files other than XML", "osmnx")
    if recipe.crs and not is_projected(recipe.crs):
        yield Fault(file, "crs", "a projected CRS in metres, such as EPSG:32650", recipe.crs[:60])
    columns = recipe.population_columns.keys()
    if not {"code", "name_zh", "name_en"} & columns or "residents" not in columns:
        got = ", ".join(sorted(columns)) or "none"
        yield Fault(file, "population_columns", "code or name_zh or name_en, and residents", got)
    if extra := columns - {"code", "name_zh", "name_en", "residents", "jobs"}:
        yield Fault(file, "population_columns", "columns for code, name_zh, name_en, residents, jobs",
                    ", ".join(sorted(extra)))  # fmt: skip
    if recipe.zones_central > recipe.zones:
        yield Fault(file, "zones_central", f"at most {recipe.zones}, all zones", str(recipe.zones_central))
    yield from _transit_faults(recipe, file)
    yield from _path_faults(recipe, file)


def _transit_faults(recipe: CityRecipe, file: str) -> Iterator[Fault]:
    """Yield faults in what the recipe says about trains and buses."""
    if recipe.metro and not recipe.cars:
        yield Fault(file, "cars", "a table of car types with a metro", "none")
    if recipe.bus and recipe.bus_routes:
        yield Fault(file, "bus_routes", "buses from tables or from totals", "both")
    if recipe.gtfs and not (recipe.feed_trains or recipe.feed_buses):
        yield Fault(
            file, "gtfs", "trains or buses that do not come from elsewhere", "both from tables or totals"
        )
    if recipe.feed_trains and not 0 < recipe.train_seats <= recipe.train_places:
        got = f"{recipe.train_seats:g} and {recipe.train_places:g}"
        yield Fault(file, "train_seats", "train_seats above 0 and at most train_places, with gtfs", got)
    if recipe.bus_routes and not recipe.bus_fleet:
        yield Fault(file, "bus_fleet", "a number of buses with bus_routes", "none")


def _path_faults(recipe: CityRecipe, file: str) -> Iterator[Fault]:
    """Yield files and folders that are not there."""
    for name in _PATHS:
        path = getattr(recipe, name)
        if path is None or name == "overpass_cache":
            continue
        if name in _FOLDERS and not path.is_dir():
            yield Fault(file, name, "a folder", f"{path}: {'a file' if path.exists() else 'nothing there'}")
        elif name not in _FOLDERS and not path.exists():
            yield Fault(file, name, "a file", f"{path}: nothing there")
        elif name not in (*_FOLDERS, "gtfs") and path.is_dir():
            yield Fault(file, name, "a file", f"{path}: a folder")


def _fault(file: str, item: Mapping[str, Any]) -> Fault:
    """Say what is wrong with one field in the words of the other faults."""
    field = ".".join(map(str, item["loc"])) or "file"
    if item["type"] == "missing":
        return Fault(file, field, "this key", "none")
    if item["type"] == "extra_forbidden":
        near = get_close_matches(field, CityRecipe.model_fields, 1)
        return Fault(file, field, f"a known key{f' ({near[0]}?)' if near else ''}", repr(item["input"])[:60])
    return Fault(file, field, item["msg"].removeprefix("Input should be "), repr(item.get("input"))[:60])

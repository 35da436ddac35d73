"""Read what a recipe names: roads from a file or Overpass, trains and buses from tables or a feed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from transport_abm.core.cache import cache_folder
from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import TransitMode
from transport_abm.networks.cities.boundaries import read_polygon
from transport_abm.networks.cities.city_recipe import CityRecipe
from transport_abm.networks.cities.csv_files import read_columns
from transport_abm.networks.city import RoadNetwork, TransitNetwork
from transport_abm.networks.osm.osm_pbf import read_osm_file
from transport_abm.networks.roads.road_supply import build_road_defaults
from transport_abm.networks.transit.bus_tables import build_bus_network, read_bus_tables
from transport_abm.networks.transit.gtfs import read_gtfs
from transport_abm.networks.transit.metro_tables import (
    MetroTable,
    Opening,
    find_table,
    read_metro_tables,
    read_openings,
)
from transport_abm.policy.inputs import YearInputs


def read_roads(recipe: CityRecipe, crs: str, notes: list[str]) -> RoadNetwork:
    """Read the roads of a recipe, from its file or from Overpass.

    Parameters
    ----------
    recipe
        Files and choices.
    crs
        Projected CRS of the city.
    notes
        List to which a note on the source is added.

    Returns
    -------
    RoadNetwork
        The roads.

    Raises
    ------
    NetworkError
        If the file has faults, or the server does not answer.
    """
    defaults = build_road_defaults(speed_limits=recipe.speed_limits)
    if recipe.roads and recipe.reader == "osmium":
        return read_osm_file(recipe.roads, defaults, crs)
    # OSMnx takes seconds to import; most cities are built without it.
    from transport_abm.networks.osm.osm_roads import read_osm_place, read_osm_xml

    if recipe.roads:
        return read_osm_xml(recipe.roads, defaults, crs)
    place = read_polygon(recipe.polygon) if recipe.polygon else recipe.place
    state = recipe.overpass_date or "the day of building, not pinned (overpass_date)"
    notes.append(f"roads: Overpass, {recipe.place or 'polygon'}, state of {state}")
    return read_osm_place(
        place, defaults, cache_folder=recipe.overpass_cache or cache_folder() / "overpass",
        date=recipe.overpass_date, overpass_url=recipe.overpass_url, crs=crs,
    )  # fmt: skip


def read_lines(
    recipe: CityRecipe, roads: RoadNetwork, inputs: YearInputs, crs: str, notes: list[str]
) -> tuple[list[TransitNetwork], TransitNetwork | None]:
    """Read the bus tables and the feed of a recipe.

    Parameters
    ----------
    recipe
        Files and choices.
    roads
        Roads on which the buses run.
    inputs
        Parameters of the base year.
    crs
        Projected CRS of the city.
    notes
        List to which notes on what was left out are added.

    Returns
    -------
    tuple
        Lines of the bus tables without transfers, if any; lines of the feed with theirs, or None.

    Raises
    ------
    NetworkError
        If the tables or the feed have faults.
    """
    lines, transit = [], None
    if recipe.bus:
        lines.append(build_bus_network(read_bus_tables(recipe.bus), roads, inputs, crs, notes))
    if recipe.gtfs:
        wanted = {TransitMode.METRO: recipe.feed_trains, TransitMode.BUS: recipe.feed_buses}
        feed = read_gtfs(
            recipe.gtfs, crs=crs, inputs=inputs, train=(recipe.train_places, recipe.train_seats), roads=roads,
            date=recipe.gtfs_date, modes=[mode for mode, is_wanted in wanted.items() if is_wanted],
        )  # fmt: skip
        transit = feed.transit
        notes += [f"GTFS of {feed.date}", *feed.notes]
    return lines, transit


def read_metro(recipe: CityRecipe) -> tuple[list[MetroTable], list[Opening]]:
    """Read the metro tables of a recipe.

    Parameters
    ----------
    recipe
        Files and choices.

    Returns
    -------
    tuple
        Lines, and stretches with their years of service; both empty without metro tables.

    Raises
    ------
    NetworkError
        If the tables have faults.
    """
    if recipe.metro is None:
        return [], []
    if recipe.cars is None:
        raise NetworkError(Fault("recipe", "cars", "a table of car types with a metro", "none"))
    faults: list[Fault] = []
    table = read_columns(recipe.cars, ("car_type", "places", "seats"), faults)
    places, seats = table.number("places", 1, 2_000), table.number("seats", 0, 2_000)
    if faults:
        raise NetworkError(faults)
    kinds = zip(table.text("car_type"), places, seats, strict=True)
    cars = {kind: (float(room), float(seat)) for kind, room, seat in kinds}
    openings = find_table(recipe.metro, "openings.csv")
    return read_metro_tables(recipe.metro, cars), read_openings(openings) if openings else []


def build_meta(recipe: CityRecipe, notes: Sequence[str]) -> dict[str, object]:
    """Write down date, sources, licence, notes and the digests of the files.

    Parameters
    ----------
    recipe
        Files and choices.
    notes
        What a reader of results should know.

    Returns
    -------
    dict
        What the city says about itself.
    """
    paths = [recipe.roads, recipe.polygon, recipe.districts, recipe.population, recipe.gtfs]
    files = [path for path in paths if path]
    files += [
        path
        for folder in (recipe.metro, recipe.bus)
        if folder is not None
        for path in sorted(folder.iterdir())
        if path.suffix == ".csv"
    ]
    return {
        "date": recipe.date,
        "licence": recipe.licence,
        "sources": list(recipe.sources),
        "notes": list(notes),
        "files": {path.name: _digest(path) for path in files},
    }


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of the tables of a folder one after another."""
    total = hashlib.sha256()
    for part in sorted(path.glob("*.txt")) if path.is_dir() else [path]:
        with part.open("rb") as file:
            while piece := file.read(1 << 20):
                total.update(piece)
    return total.hexdigest()

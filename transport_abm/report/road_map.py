"""Road map of the report: load of the roads in the fuller peak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.city import City
from transport_abm.report import svg
from transport_abm.report.frames import FINE, Frame, inner, lines_path, scale_bar, whole
from transport_abm.report.ground import (
    LOAD_FILL,
    MAIN,
    credit_line,
    district_names,
    land,
    link_shapes,
    load_legend,
    ring_names,
    rows_named,
    window,
)
from transport_abm.report.markup import Markup, el
from transport_abm.report.texts import Texts

LOAD_EDGE = (0.6, 0.8, 1.0, 1.25)
ROAD_WIDTH = (0.7, 1.0, 1.6, 2.0, 2.6)
WIDER = ((0, 1, 1.7), (2, 2, 1.0), (3, 6, 0.6))
"""First and last link class of a group, and how much wider than the width of its load it is drawn."""
MOST_BYTES = 700_000
"""Size that one road map may have; small roads are left out until it fits."""
SMALL = (LinkClass.TERTIARY, LinkClass.LOCAL, LinkClass.PATH)


@dataclass(frozen=True)
class RoadPair:
    """Roads drawn once for both directions: the link whose shape is drawn, and the larger load of the two."""

    link: NDArray[np.int64]
    load: NDArray[np.float64]


def road_pairs(city: City, flows: pd.DataFrame) -> RoadPair:
    """One row for each pair of opposite links between the same nodes, with the larger load.

    Parameters
    ----------
    city
        The city.
    flows
        Columns ``link`` and ``load``.

    Returns
    -------
    RoadPair
        Drive links, each road once.
    """
    roads = city.roads
    load = np.zeros(roads.n_links)
    link = rows_named(flows, "link", roads.n_links)
    load[link] = np.nan_to_num(flows["load"].to_numpy(np.float64))
    drive = np.flatnonzero(roads.drive)
    tail, head = roads.tail[drive].astype(np.int64), roads.head[drive].astype(np.int64)
    key = np.minimum(tail, head) * roads.n_nodes + np.maximum(tail, head)
    # Loads ascend inside a pair, so that the last of each key is the fuller direction.
    order = np.lexsort((drive, load[drive], key))
    last = np.flatnonzero(np.append(np.diff(key[order]) != 0, True)) if len(order) else order
    chosen = drive[order[last]]
    return RoadPair(chosen, load[chosen])


def road_map(
    city: City, flows: pd.DataFrame, words: Texts, *, title: str, credit: str | None, central: bool
) -> Markup:
    """Load of the roads in the fuller peak.

    Parameters
    ----------
    city
        The city.
    flows
        Columns ``link`` and ``load`` (flow over capacity).
    words
        Language.
    title
        What the map shows, in words.
    credit
        Attribution of the city's data.
    central
        The city inside the 6th ring road; else the whole city, main roads only.

    Returns
    -------
    Markup
        The map.
    """
    place = (0.0, 0.0, 920.0, 700.0)
    frame = inner(city, place) if central else whole(city, (0.0, 0.0, 920.0, 760.0))
    pairs = road_pairs(city, flows)
    parts = _road_paths(city, pairs, frame, central=central)
    clip = f"clip-roads-{int(central)}"
    names = ("map.load.0", "map.load.1", "map.load.2", "map.load.3", "map.load.4")
    return svg.drawing(
        920,
        frame.height,
        window(frame, clip),
        el("g", land(city, frame), parts, clip_path=f"url(#{clip})"),
        district_names(city, frame, words),
        ring_names(city, frame, words) if central else None,
        load_legend(frame, words("map.load.legend"), [words(name) for name in names]),
        scale_bar(frame, words),
        credit_line(frame, credit),
        label=title,
        least=680,
    )


def _road_paths(city: City, pairs: RoadPair, frame: Frame, *, central: bool) -> Markup:
    """One path for each class of load and of road; small roads give way until the map is small enough."""
    roads = city.roads
    class_, group = roads.link_class[pairs.link], np.searchsorted(LOAD_EDGE, pairs.load, side="right")
    keep = ~(np.isin(class_, SMALL) & (pairs.load < LOAD_EDGE[0]))
    if not central:
        keep &= (class_ <= LinkClass.PRIMARY) | ((class_ == LinkClass.SECONDARY) & (group > 0))
    for least in (1.0, 2.0, 4.0, 8.0):
        parts = []
        for g in range(len(LOAD_FILL)):
            for first, last, wider in reversed(WIDER):
                chosen = pairs.link[keep & (group == g) & (class_ >= first) & (class_ <= last)]
                shape = link_shapes(city, chosen)
                d = lines_path(*shape, frame, least=0.0 if first == 0 else least, tolerance=0.4)
                if d:
                    width = ROAD_WIDTH[g] * wider * (1.0 if central else 0.8)
                    parts.append(
                        el("path", d=Markup(d), stroke=LOAD_FILL[g], stroke_width=float(width * FINE))
                    )
        drawn = el(
            "g",
            *parts,
            fill="none",
            stroke_linecap="round",
            stroke_linejoin="round",
            transform=f"scale({1 / FINE})",
        )
        if len(drawn) <= MOST_BYTES:
            return drawn
        # Next try: fewer small roads.
        keep &= ~((class_ >= LinkClass.SECONDARY) & (pairs.load < LOAD_EDGE[0])) | np.isin(class_, MAIN)
    return drawn

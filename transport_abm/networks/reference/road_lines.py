"""Main roads of the bundled city, hand-set (``data/roads.csv``), and the side roads of its expressways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.reference._tables import line_m, settings, table

LIMITED = (LinkClass.MOTORWAY, LinkClass.EXPRESSWAY)
"""Classes that are reached only at interchanges."""


@dataclass(frozen=True)
class RoadLine:
    """A stretch of road in projected metres, both directions."""

    shape: shapely.LineString
    link_class: LinkClass
    lanes: float
    """Lanes in one direction."""
    name: str = ""
    open_year: int = 0
    main: bool = True
    """False for side roads and the street grid."""

    @property
    def limited(self) -> bool:
        """True if the road is reached only at interchanges."""
        return self.link_class in LIMITED


def main_lines() -> list[RoadLine]:
    """Hand-set roads; ring roads are closed."""
    lines = []
    for row in table("roads"):
        xy = line_m(row["points"])
        if row["ring"]:
            xy = np.vstack([xy, xy[:1]])
        kind = LinkClass[row["class"].upper()]
        shape = shapely.LineString(xy)
        lines.append(RoadLine(shape, kind, float(row["lanes"]), row["name_en"], int(row["open_year"])))
    return lines


def side_lines(lines: list[RoadLine], lanes: float) -> list[RoadLine]:
    """Side roads of the urban expressways, along one side of each, with these lanes in one direction."""
    offset = settings()["side_road_m"]
    found = []
    for line in lines:
        if line.link_class is not LinkClass.EXPRESSWAY:
            continue
        if line.shape.is_closed:
            shape = shapely.Polygon(line.shape).buffer(offset, join_style="mitre").exterior
        else:
            shape = line.shape.offset_curve(offset, join_style="mitre")
        found.append(
            RoadLine(
                shapely.LineString(shape), LinkClass.SECONDARY, lanes, f"{line.name}, side road", main=False
            )
        )
    return found

"""Turn restrictions of OpenStreetMap: relations of two ways over a node, as triples of nodes.

Read are ``restriction``, ``restriction:motor_vehicle`` and ``restriction:motorcar`` (the narrowest counts) with ``no_`` and
``only_`` values, unless ``except`` names cars. Left out: relations over ways in place of a node, those for some hours or for
other vehicles, and those whose ways pass through the node, so that it is not said which end is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import osmium

from transport_abm.core.errors import Fault, NetworkError

KEYS = ("restriction:motorcar", "restriction:motor_vehicle", "restriction")
CARS = frozenset({"motorcar", "motor_vehicle"})


@dataclass(frozen=True)
class Turn:
    """A rule at a node: from one neighbour, over the node, to another."""

    before: int
    node: int
    after: int
    only: bool
    """True if only this turn may be made, False if it must not."""


@dataclass(frozen=True)
class _Relation:
    """Ways and node of a restriction."""

    leave: tuple[int, ...]
    node: int
    enter: tuple[int, ...]
    only: bool


def read_turns(path: Path) -> list[Turn]:
    """Read the turn restrictions of a PBF or XML file.

    Parameters
    ----------
    path
        File ending in ``.osm.pbf``, ``.osm``, ``.osm.gz`` or ``.osm.bz2``.

    Returns
    -------
    list[Turn]
        Rules in the order of the relations; empty where the file has none.

    Raises
    ------
    NetworkError
        If the file cannot be read.
    """
    try:
        relations = _relations(path)
        wanted = sorted({way for relation in relations for way in (*relation.leave, *relation.enter)})
        if not wanted:
            return []
        ways = osmium.FileProcessor(str(path), osmium.osm.WAY).with_filter(osmium.filter.IdFilter(wanted))
        nodes = {way.id: [node.ref for node in way.nodes] for way in ways}
    except (RuntimeError, OSError, ValueError) as error:
        raise NetworkError(Fault(path.name, "relations", "readable relations", str(error)[:100])) from None
    turns = []
    for relation in relations:
        for leave in relation.leave:
            for enter in relation.enter:
                before = _neighbour(nodes.get(leave, ()), relation.node)
                after = _neighbour(nodes.get(enter, ()), relation.node)
                if before is not None and after is not None:
                    turns.append(Turn(before, relation.node, after, relation.only))
    return turns


def _relations(path: Path) -> list[_Relation]:
    """Restrictions on cars over one node."""
    found = []
    for relation in osmium.FileProcessor(str(path), osmium.osm.RELATION).with_filter(
        osmium.filter.KeyFilter(*KEYS)
    ):
        value = next(text for key in KEYS if (text := relation.tags.get(key)) is not None)
        spared = {name.strip() for name in relation.tags.get("except", "").split(";")}
        if not value.startswith(("no_", "only_")) or spared & CARS:
            continue
        role: dict[tuple[str, str], list[int]] = {}
        for member in relation.members:
            role.setdefault((member.role, member.type), []).append(member.ref)
        leave, enter, via = role.get(("from", "w"), []), role.get(("to", "w"), []), role.get(("via", "n"), [])
        if leave and enter and len(via) == 1 and ("via", "w") not in role:
            found.append(_Relation(tuple(leave), via[0], tuple(enter), value.startswith("only_")))
    return found


def _neighbour(nodes: Sequence[int], node: int) -> int | None:
    """The node next to one on a way; None where there is none or more than one."""
    pairs = list(pairwise(nodes))
    near = {b for a, b in pairs if a == node and b != node} | {a for a, b in pairs if b == node and a != node}
    return near.pop() if len(near) == 1 else None

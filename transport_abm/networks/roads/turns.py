"""Forbidden turns: the few nodes that have any are taken apart, so that ways between nodes obey them.

A link that must not turn everywhere ends at a node of its own; each link out of the node begins at a node of its own; a
free turn is a link between the two that costs nothing and has room for all. Links keep their rows, turns follow them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64, I32, I64, RoadNetwork
from transport_abm.networks.roads.road_problem import WHERE, RoadProblem

FREE_CAPACITY = 1e9


def forbid_turns(problem: RoadProblem, turn_from: I32, turn_to: I32) -> RoadProblem:
    """Put forbidden turns into a problem.

    Parameters
    ----------
    problem
        Links. A zone whose trips begin or end right at a node with forbidden turns is joined to it by links of its own
        first (``connectors``).
    turn_from, turn_to
        Links between which nobody may turn; the second begins where the first ends.

    Returns
    -------
    RoadProblem
        The same where nothing is forbidden; else with more nodes, and with turns as links behind the others.

    Raises
    ------
    NetworkError
        If a turn names links that do not exist or do not meet.
    """
    leave, enter = np.asarray(turn_from, np.int64), np.asarray(turn_to, np.int64)
    faults = turn_faults(problem, leave, enter)
    if faults:
        raise NetworkError(faults)
    # Nobody passes a node without through traffic, so nobody turns there.
    passed = problem.head[leave] >= problem.first_through_node
    leave, enter = leave[passed], enter[passed]
    if not len(leave):
        return problem
    ends, begins = _parted(problem, leave)
    tail, head = np.array(problem.tail, np.int32), np.array(problem.head, np.int32)
    at = problem.n_nodes + np.arange(len(ends) + len(begins), dtype=np.int32)
    head[ends], tail[begins] = at[: len(ends)], at[len(ends) :]
    turns = _turns(problem, leave, enter, (ends, begins), (head, tail))
    n = len(turns)

    def longer(column: F64, value: float) -> F64:
        return np.concatenate([column, np.full(n, value)])

    return replace(
        problem,
        tail=np.concatenate([tail, turns[:, 0]]).astype(np.int32),
        head=np.concatenate([head, turns[:, 1]]).astype(np.int32),
        n_nodes=problem.n_nodes + len(ends) + len(begins),
        free_time_s=longer(problem.free_time_s, 0.0),
        capacity_pcuh=longer(problem.capacity_pcuh, FREE_CAPACITY),
        bpr_scale=longer(problem.bpr_scale, 0.0),
        bpr_power=longer(problem.bpr_power, 1.0),
        fixed_cost_s=longer(problem.fixed_cost_s, 0.0),
        preload_pcuh=longer(problem.preload_pcuh, 0.0),
    )


def _parted(problem: RoadProblem, leave: I64) -> tuple[I64, I64]:
    """Links that end, and links that begin, at a node of their own."""
    node = np.zeros(problem.n_nodes, bool)
    node[problem.head[leave]] = True
    return np.unique(leave), np.flatnonzero(node[problem.tail])


def _turns(
    problem: RoadProblem, leave: I64, enter: I64, parted: tuple[I64, I64], places: tuple[I32, I32]
) -> I64:
    """Free turns as pairs of nodes: from each restricted link, and from the node itself for all others."""
    (ends, begins), (head, tail) = parted, places
    forbidden = set(zip(leave.tolist(), enter.tolist(), strict=True))
    out: dict[int, list[int]] = {}
    for link in begins.tolist():
        out.setdefault(int(problem.tail[link]), []).append(link)
    turns = [(node, int(tail[link])) for node, links in out.items() for link in links]
    for link in ends.tolist():
        turns += [
            (int(head[link]), int(tail[after]))
            for after in out.get(int(problem.head[link]), [])
            if (link, after) not in forbidden
        ]
    return np.array(turns, np.int64).reshape(-1, 2)


def turn_faults(problem: RoadProblem, turn_from: I64, turn_to: I64) -> list[Fault | str]:
    """Turns between links that do not exist or do not meet; the first five of each."""
    if turn_from.shape != turn_to.shape or turn_from.ndim != 1:
        got = f"{turn_from.shape} and {turn_to.shape}"
        return [Fault(WHERE, "turn_from and turn_to", "one column each, of one length", got)]
    n = problem.n_links
    lost = np.flatnonzero((turn_from < 0) | (turn_from >= n) | (turn_to < 0) | (turn_to >= n))
    if len(lost):
        expected = f"links from 0 to {n - 1}"
        return [Fault(WHERE, f"turn {k}", expected, f"{turn_from[k]} to {turn_to[k]}") for k in lost[:5]]
    apart = np.flatnonzero(problem.head[turn_from] != problem.tail[turn_to])
    return [
        Fault(
            WHERE, f"turn {k}", "a link that begins where the other ends", f"{turn_from[k]} to {turn_to[k]}"
        )
        for k in apart[:5]
    ]


def kept_turns(roads: RoadNetwork, new_row: I64) -> tuple[I32, I32]:
    """Forbidden turns after links were renumbered.

    Parameters
    ----------
    roads
        Network before.
    new_row
        By its links: new row, or -1 for those left out.

    Returns
    -------
    turn_from, turn_to
        New rows of the turns whose two links are left.
    """
    new = np.asarray(new_row, np.int64)
    leave, enter = new[roads.turn_from], new[roads.turn_to]
    left = (leave >= 0) & (enter >= 0)
    return leave[left].astype(np.int32), enter[left].astype(np.int32)


def passable_turns(roads: RoadNetwork) -> RoadNetwork:
    """Lift turn bans that would lock links in or out: maps have faulty ones, and traffic does get there.

    Parameters
    ----------
    roads
        Network of links for cars, strongly connected.

    Returns
    -------
    RoadNetwork
        With fewer forbidden turns, if need be, such that every link still reaches every other.
    """
    while len(roads.turn_from):
        problem = forbid_turns(_bare(roads), roads.turn_from, roads.turn_to)
        n = problem.n_nodes
        graph = coo_matrix((np.ones(problem.n_links, np.int8), (problem.tail, problem.head)), (n, n))
        part = connected_components(graph, directed=True, connection="strong")[1]
        main = part == np.bincount(part).argmax()
        # A link that cannot be left or got to has an end outside the main part.
        links = slice(0, roads.n_links)
        locked = ~(main[problem.tail[links]] & main[problem.head[links]])
        lifted = locked[roads.turn_from] | locked[roads.turn_to]
        if not lifted.any():
            return roads
        roads = replace(roads, turn_from=roads.turn_from[~lifted], turn_to=roads.turn_to[~lifted])
    return roads


def _bare(roads: RoadNetwork) -> RoadProblem:
    """Links alone."""
    n = roads.n_links
    ones, none = np.ones(n), np.zeros(n)
    return RoadProblem(roads.tail, roads.head, roads.n_nodes, ones, ones, none, none, none, none)

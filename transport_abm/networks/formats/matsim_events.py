"""MATSim events (version 1.0): what vehicles did, second by second, so that MATSim's tools can read a queue's day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.whole_files import whole_file
from transport_abm.networks.city import I32, I64
from transport_abm.networks.formats.matsim_network import CAR, open_xml


class VehicleMoves(NamedTuple):
    """Legs as they were driven; times in whole seconds from midnight."""

    vehicle: I32
    """By leg: row of the vehicle."""
    start_link: I32
    """By leg: link at whose head the vehicle stood before it; -1 where it came onto the tail of its first link."""
    depart_s: I32
    arrive_s: I32
    """By leg: when it left its last link; -1 if it was still under way."""
    route_indptr: I64
    link: I32
    """Links of leg k in order: ``link[route_indptr[k]:route_indptr[k + 1]]``."""
    enter_s: I32
    """By link driven: when the vehicle came onto it; -1 if it did not get there."""


# Order of a leg's events within one second.
_DEPART, _ENTER_VEHICLE, _ENTER_TRAFFIC, _LEFT, _ENTERED, _LEAVE_TRAFFIC, _LEAVE_VEHICLE, _ARRIVE, _STUCK = (
    range(9)
)


def write_matsim_events(
    moves: VehicleMoves,
    link_name: Sequence[str],
    vehicle_name: Sequence[str],
    path: Path,
    mode: str = CAR,
    *,
    end_s: int | None = None,
) -> None:
    """Write events.xml or events.xml.gz, completely or not at all.

    Parameters
    ----------
    moves
        What vehicles did.
    link_name, vehicle_name
        Ids in the file; a vehicle and its driver share one.
    path
        File; an earlier one is replaced.
    mode
        Mode that the legs are of.
    end_s
        End of the day [s]: who is still under way is stuck and aborts then, as at the end of MATSim's day. Without it
        nothing is said of how their legs end.

    Raises
    ------
    NetworkError
        If rows are outside, times run backwards or lie after the end of the day, or a leg goes on after a link that it
        did not reach.
    StoreError
        If the file cannot be written.

    Notes
    -----
    Events are sorted by time; in one second those of a leg keep their order, and legs follow their rows. Activities are
    not told (no actend, no actstart): moves know of none.
    """
    faults = _move_faults(moves, len(link_name), len(vehicle_name), end_s)
    if faults:
        raise NetworkError(faults)
    time, leg, kind, link = _events(moves, end_s)
    links, vehicles = [quoteattr(name) for name in link_name], [quoteattr(name) for name in vehicle_name]
    forms = _forms(mode)
    whose = moves.vehicle[leg]
    # A vehicle that stood at the head of a link comes into traffic there; otherwise at the tail.
    place = np.where(moves.start_link[leg] >= 0, "1.0", "0.0")
    with whole_file(path) as fresh, open_xml(fresh, packed=path.suffix == ".gz") as file:
        file.write('<events version="1.0">\n')
        for t, k, a, v, p in zip(
            time.tolist(), kind.tolist(), link.tolist(), whose.tolist(), place.tolist(), strict=True
        ):
            file.write(forms[k].format(t=f'"{t}.0"', a=links[a], v=vehicles[v], p=p))
        file.write("</events>\n")


def events_path(path: Path) -> Path:
    """The path, if its ending is one of MATSim's events.

    Raises
    ------
    NetworkError
        If the name does not end in .xml or .xml.gz.
    """
    if not path.name.endswith((".xml", ".xml.gz")):
        raise NetworkError(Fault(path.name, "name", "an ending .xml or .xml.gz", path.suffix or "none"))
    return path


def _forms(mode: str) -> list[str]:
    """A line for each kind of event."""
    leg_mode = quoteattr(mode).replace("{", "{{").replace("}", "}}")
    network = f"link={{a}} vehicle={{v}} networkMode={leg_mode}"
    bodies = [
        f'type="departure" person={{v}} link={{a}} legMode={leg_mode}',
        'type="PersonEntersVehicle" person={v} vehicle={v}',
        f'type="vehicle enters traffic" person={{v}} {network} relativePosition="{{p}}"',
        'type="left link" vehicle={v} link={a}',
        'type="entered link" vehicle={v} link={a}',
        f'type="vehicle leaves traffic" person={{v}} {network} relativePosition="1.0"',
        'type="PersonLeavesVehicle" person={v} vehicle={v}',
        f'type="arrival" person={{v}} link={{a}} legMode={leg_mode}',
        f'type="stuckAndAbort" person={{v}} link={{a}} legMode={leg_mode}',
    ]
    return [f"<event time={{t}} {body} />\n" for body in bodies]


def _events(moves: VehicleMoves, end_s: int | None) -> tuple[I32, I32, I32, I32]:
    """Time, leg, kind and link of all events in order."""
    n = len(moves.vehicle)
    count = np.diff(moves.route_indptr)
    owner = np.repeat(np.arange(n), count)
    place = np.arange(len(moves.link)) - moves.route_indptr[owner]
    stands = moves.start_link >= 0
    filled = count > 0
    begin, last = moves.start_link.copy(), moves.start_link.copy()
    begin[~stands] = moves.link[moves.route_indptr[:-1][~stands]]
    last[filled] = moves.link[moves.route_indptr[1:][filled] - 1]
    # A leg comes into traffic when it gets onto its first link; if it never does, it has only departed.
    first = np.where(moves.arrive_s >= 0, moves.depart_s, -1)
    first[filled] = moves.enter_s[moves.route_indptr[:-1][filled]]
    on, done = np.flatnonzero(first >= 0), np.flatnonzero(moves.arrive_s >= 0)
    # Coming onto a link is leaving the one before; the first link is entered only by a vehicle from another link.
    entered = np.flatnonzero((moves.enter_s >= 0) & ((place > 0) | stands[owner]))
    before = np.where(place[entered] > 0, moves.link[np.maximum(entered - 1, 0)], begin[owner[entered]])
    parts = [(moves.depart_s, np.arange(n), _DEPART, begin, np.zeros(n, int))]
    parts += [
        (first[on], on, kind, begin[on], np.zeros(len(on), int)) for kind in (_ENTER_VEHICLE, _ENTER_TRAFFIC)
    ]
    parts += [
        (moves.enter_s[entered], owner[entered], kind, link, place[entered] + 1)
        for kind, link in ((_LEFT, before), (_ENTERED, moves.link[entered]))
    ]
    parts += [
        (moves.arrive_s[done], done, kind, last[done], count[done] + 1)
        for kind in (_LEAVE_TRAFFIC, _LEAVE_VEHICLE, _ARRIVE)
    ]
    if end_s is not None:
        # On the last link that it came onto, or still where it stood.
        on_link = np.bincount(owner[moves.enter_s >= 0], minlength=n)
        at = begin.copy()
        at[on_link > 0] = moves.link[(moves.route_indptr[:-1] + on_link - 1)[on_link > 0]]
        stuck = np.flatnonzero(moves.arrive_s < 0)
        parts.append((np.full(len(stuck), end_s), stuck, _STUCK, at[stuck], count[stuck] + 1))
    time, leg, link, step = (
        np.concatenate([part[k] for part in parts]).astype(np.int32) for k in (0, 1, 3, 4)
    )
    kinds = np.concatenate([np.full(len(part[0]), part[2], np.int32) for part in parts])
    order = np.lexsort((kinds, step, leg, time))
    return time[order], leg[order], kinds[order], link[order]


def _move_faults(moves: VehicleMoves, n_links: int, n_vehicles: int, end_s: int | None) -> list[Fault]:
    """What is wrong with moves."""
    where, n, m = "vehicle moves", len(moves.vehicle), len(moves.link)
    faults = [
        Fault(where, name, f"shape ({size},)", str(np.shape(getattr(moves, name))))
        for name, size in (
            ("start_link", n), ("depart_s", n), ("arrive_s", n), ("route_indptr", n + 1), ("enter_s", m),
        )
        if np.shape(getattr(moves, name)) != (size,)
    ]  # fmt: skip
    if faults:
        return faults
    ptr = moves.route_indptr
    if ptr[0] != 0 or ptr[-1] != m or (np.diff(ptr) < 0).any():
        return [Fault(where, "route_indptr", f"offsets rising from 0 to {m}", "other offsets")]
    for name, low, high in (("vehicle", 0, n_vehicles), ("start_link", -1, n_links), ("link", 0, n_links)):
        value = getattr(moves, name)
        if len(value) and not (low <= value.min() and value.max() < high):
            faults.append(
                Fault(where, name, f"rows from {low} to {high - 1}", f"{value.min()} to {value.max()}")
            )
    if ((np.diff(ptr) == 0) & (moves.start_link < 0)).any():
        faults.append(Fault(where, "route_indptr", "a link in every leg without a start_link", "none"))
    owner = np.repeat(np.arange(n), np.diff(ptr))
    follows = np.flatnonzero(owner[1:] == owner[:-1]) + 1
    late = np.where(moves.enter_s < 0, np.iinfo(np.int32).max, moves.enter_s)
    first, last = ptr[:-1][np.diff(ptr) > 0], ptr[1:][np.diff(ptr) > 0] - 1
    filled = np.diff(ptr) > 0
    wrong = (
        int((late[follows] < late[follows - 1]).sum())
        + int((late[first] < moves.depart_s[filled]).sum())
        + int(((moves.arrive_s[filled] >= 0) & (moves.arrive_s[filled] < late[last])).sum())
        + int(((moves.arrive_s >= 0) & (moves.arrive_s < moves.depart_s)).sum())
    )
    if wrong:
        faults.append(Fault(where, "times", "times that do not run backwards", f"{wrong} that do"))
    last_s = max(int(times.max(initial=0)) for times in (moves.depart_s, moves.enter_s, moves.arrive_s))
    if end_s is not None and last_s > end_s:
        faults.append(Fault(where, "times", f"times up to {end_s} s, the end of the day", f"{last_s} s"))
    return faults

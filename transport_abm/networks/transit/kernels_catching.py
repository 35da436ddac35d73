"""Which departure is caught: the first event at a stop not before a time, in a table that repeats."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def first_event(stop_ptr, stop_event, time, stop, at):  # type: ignore[no-untyped-def]
    """First event at a stop not before a time in the cycle; the first of the next cycle if none is left; -1 if none."""
    low, end = stop_ptr[stop], stop_ptr[stop + 1]
    if low == end:
        return -1
    start, high = low, end
    while low < high:
        middle = (low + high) >> 1
        if time[stop_event[middle]] < at:
            low = middle + 1
        else:
            high = middle
    return stop_event[low] if low < end else stop_event[start]


@njit(cache=True, nogil=True, error_model="numpy")
def find_changes(stop_ptr, stop_event, time, off, walks, cycle, ptr, out):  # type: ignore[no-untyped-def]
    """Events caught by each way from one ride to the next.

    Parameters
    ----------
    stop_ptr, stop_event : int32      events of each stop in order of time
    time : int32[N]                   [0.1 s]
    off : (int32[N], int32[N])        stop and time [0.1 s, any cycle] where each event's segment arrives
    walks : (int32[S + 1], int32[W], int32[W])   rows of a stop's walks; stop where each ends; its length [0.1 s]
    cycle : int                       [0.1 s]
    ptr : int32[N + 1]                overwritten: rows of each event in ``out``
    out : (int32[R], int32[R], int32[R])   overwritten: event, walk (-1: stays at the stop) and wait [0.1 s]

    Returns
    -------
    int
        Rows in use, at most one and the walks of the stop for each event.
    """
    off_stop, off_time = off
    walk_ptr, walk_to, walk_ds = walks
    event, walk, wait = out
    n = 0
    for e in range(len(time)):
        ptr[e] = n
        s = off_stop[e]
        for w in range(walk_ptr[s] - 1, walk_ptr[s + 1]):
            here = s if w < walk_ptr[s] else walk_to[w]
            at = (off_time[e] + (0 if w < walk_ptr[s] else walk_ds[w])) % cycle
            f = first_event(stop_ptr, stop_event, time, here, at)
            if f >= 0:
                event[n] = f
                walk[n] = -1 if w < walk_ptr[s] else w
                wait[n] = (time[f] - at) % cycle
                n += 1
    ptr[len(time)] = n
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def find_doors(stop_ptr, stop_event, time, access, leave, cycle, event, wait):  # type: ignore[no-untyped-def]
    """Events caught by walks from zones.

    Parameters
    ----------
    stop_ptr, stop_event : int32      events of each stop in order of time
    time : int32[N]                   [0.1 s]
    access : (int32[Z + 1], int32[A], int32[A])   rows of a zone's walks; stop where each ends; its length [0.1 s]
    leave : int32[Z, D]               departures from home [0.1 s]
    cycle : int                       [0.1 s]
    event, wait : int32[A, D]         overwritten: first event caught (-1: none), wait for it [0.1 s]
    """
    indptr, stop, walk = access
    for z in range(len(indptr) - 1):
        for i in range(indptr[z], indptr[z + 1]):
            for j in range(leave.shape[1]):
                at = (leave[z, j] + walk[i]) % cycle
                f = first_event(stop_ptr, stop_event, time, stop[i], at)
                event[i, j] = f
                wait[i, j] = (time[f] - at) % cycle if f >= 0 else 0


@njit(cache=True, nogil=True, error_model="numpy")
def group(target, source, ptr, out):  # type: ignore[no-untyped-def]
    """Sources grouped by their target, in order: ``out[ptr[t]:ptr[t + 1]]``; ``ptr`` begins with zeros."""
    for t in target:
        ptr[t + 1] += 1
    for t in range(len(ptr) - 1):
        ptr[t + 1] += ptr[t]
    # Beginnings move on to the ends of their groups, which are the next beginnings.
    for i in range(len(target)):
        out[ptr[target[i]]] = source[i]
        ptr[target[i]] += 1
    for t in range(len(ptr) - 1, 0, -1):
        ptr[t] = ptr[t - 1]
    ptr[0] = 0

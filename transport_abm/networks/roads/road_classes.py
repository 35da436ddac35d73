"""Classes of vehicles on one network: what each pays and where it may not go; those that pay the same share ways.

A link's time depends on the flow of all classes in passenger-car units; a class adds its own fixed cost to it. With
``x`` the sum over classes the equilibrium is the minimum of ``sum of integrals of t(x) + sum over classes of x_k f_k``,
convex in the flows of the classes (Dafermos 1972, Transportation Science 6, 73-87, for equal times of all classes).
The flow of a link is unique; how classes share it need not be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transport_abm.core.errors import Fault
from transport_abm.networks.city import F64, I64
from transport_abm.networks.roads.road_problem import WHERE, RoadProblem


@dataclass(frozen=True)
class RoadClasses:
    """Classes of vehicles and what they pay by link."""

    name: tuple[str, ...]
    pcu: F64
    """Passenger cars that a vehicle of each class stands for [pcu]."""
    fixed_cost_s: F64
    """Shape (classes, links): cost beyond the problem's own, such as an area charge [s]; infinite where the link is
    closed to the class."""

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True)
class ClassGroups:
    """Classes put together where they pay the same on every link."""

    group: I64
    """By class."""
    fixed_s: F64
    """By group and row of link: all fixed costs [s]."""

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.fixed_s)


def one_class(problem: RoadProblem) -> RoadClasses:
    """Cars alone."""
    return RoadClasses(("cars",), np.ones(1), np.zeros((1, problem.n_links)))


def group_classes(problem: RoadProblem, classes: RoadClasses) -> ClassGroups:
    """Put together classes that pay the same; groups stand in the order of their first class.

    Parameters
    ----------
    problem
        Links.
    classes
        Classes that fit it.

    Returns
    -------
    ClassGroups
        Group of each class, and the costs of each group.
    """
    known: dict[bytes, int] = {}
    group = np.empty(len(classes), np.int64)
    rows: list[F64] = []
    for k, own in enumerate(np.asarray(classes.fixed_cost_s, np.float64)):
        row = problem.fixed_cost_s + own
        group[k] = known.setdefault(row.tobytes(), len(known))
        if group[k] == len(rows):
            rows.append(row)
    return ClassGroups(group, np.stack(rows))


def class_faults(problem: RoadProblem, classes: RoadClasses) -> list[Fault | str]:
    """Everything that is wrong with classes, each by its name.

    Parameters
    ----------
    problem
        Links.
    classes
        Classes to be assigned to it.

    Returns
    -------
    list
        Faults; empty where there are none.
    """
    n, faults = len(classes), list[Fault | str]()
    if n == 0:
        return [Fault(WHERE, "classes", "at least one class", "none")]
    double = sorted({name for name in classes.name if classes.name.count(name) > 1})
    if double:
        faults.append(Fault(WHERE, "name of classes", "each name once", ", ".join(double)))
    pcu, fixed = np.asarray(classes.pcu), np.asarray(classes.fixed_cost_s)
    if pcu.shape != (n,):
        faults.append(Fault(WHERE, "pcu of classes", f"shape ({n},)", str(pcu.shape)))
    else:
        faults += [
            Fault(WHERE, f"pcu of class {classes.name[k]}", "more than 0", repr(float(pcu[k])))
            for k in np.flatnonzero(~((pcu > 0) & np.isfinite(pcu)))
        ]
    if fixed.shape != (n, problem.n_links):
        shape = f"shape ({n}, {problem.n_links})"
        faults.append(Fault(WHERE, "fixed_cost_s of classes", shape, str(fixed.shape)))
        return faults
    for name, row in zip(classes.name, fixed, strict=True):
        bad = np.flatnonzero(~(row >= 0))
        if len(bad):
            where = f"fixed_cost_s of class {name}, {len(bad)} links from row {bad[0]}"
            faults.append(Fault(WHERE, where, "0 or more, or infinite (closed)", repr(float(row[bad[0]]))))
    return faults

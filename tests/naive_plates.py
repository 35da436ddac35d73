"""Slow, obvious twins of the plate institutions: sorted lists, drawn balls, exact sums over all orders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np

from transport_abm.core.draws import Stream, hash_uniform, stream_key
from transport_abm.core.vocabulary import ApplicantKind, PlateKind


def inclusion(weight: Sequence[float], n: int) -> list[float]:
    """Chance of each to be among n drawn one after the other without replacement, by all orders."""
    chance = [0.0] * len(weight)
    for order in permutations(range(len(weight)), n):
        p, left = 1.0, math.fsum(weight)
        for i in order:
            p *= weight[i] / left
            left -= weight[i]
        for i in order:
            chance[i] += p
    return chance


def lottery(
    seed: int, year: int, address: Sequence[int], kind: Sequence[int], weight: Sequence[float], n: int
) -> set[int]:
    """Places of the n smallest keys."""
    key = stream_key(seed, Stream.LOTTERY, year)
    keys = []
    for i, (who, k, w) in enumerate(zip(address, kind, weight, strict=True)):
        u = float(hash_uniform(key, np.uint64(who), np.uint64(k)))
        keys.append((-math.log(1.0 - u) / w if w > 0 else math.inf, i))
    return {i for _, i in sorted(keys)[:n]}


def members(
    persons: Sequence[tuple[int, int, bool, bool]], homes: int, adult: int, gap: float
) -> list[dict[str, Any]]:
    """What `find_members` finds, from (household, age, licence, alive) of each person."""
    out: list[dict[str, Any]] = []
    for h in range(homes):
        mine = [(i, p) for i, p in enumerate(persons) if p[0] == h and p[3]]
        ages = [p[1] for _, p in mine]
        band = {i: min(int((p[1] - min(ages)) / gap), 2) for i, p in mine}
        drivers = [i for i, p in mine if p[2] and p[1] >= adult]
        head = [i for i, p in mine if drivers and p[1] >= adult and band[i] == band[drivers[0]]]
        out.append({
            "drivers": [*drivers, -1, -1][:2], "size": len(mine), "adults": len(drivers),
            "generations": len(set(band.values())), "peers": len(head),
        })  # fmt: skip
    return out


def best_families(rows: Sequence[tuple[float, float]], n: int) -> set[int]:
    """Places of the n families of highest score, of equals the earlier, from (score, time)."""
    return {i for _, _, i in sorted((-score, time, i) for i, (score, time) in enumerate(rows))[:n]}


class Urn:
    """Plates of one kind and pool carried by hand from year to year."""

    def __init__(self) -> None:
        self.held: dict[tuple[ApplicantKind, PlateKind], int] = {}

    def close(self, where: tuple[ApplicantKind, PlateKind], issued: int, used: int, expired: int) -> int:
        """Plates held at the end of a year."""
        self.held[where] = self.held.get(where, 0) + issued - used - expired
        return self.held[where]

"""Where new-energy cars can charge, swap or fuel: posts at home, public posts and sites.

    chance of a home post = p + (1 - p) min(1, programme posts / households without one),  p by own bay
    worth of fast posts   = density n / (n + lean / c)

n are the fast posts of the district, lean its new-energy cars without a home post, c the cars that halve a post's
worth. Home posts grow with the cars (a buyer who can have one gets one) and with programmes; public posts and sites
by what is built in a year. First posts stand where people live and work, later ones where the new-energy cars are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.tables import Households
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.errors import Fault, InputError, RunError
from transport_abm.networks.city import Districts, Zones
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

M2_KM2 = 1e-6
SITE_AREA = 100.0
"""Sites are counted on areas of 100 km2."""
K_POST, K_BAY = 0, 1
RINGS = (("within_3rd_ring", 3), ("within_5th_ring", 5), ("beyond_5th_ring", 99))


@dataclass
class Access:
    """Posts and sites at the end of a year."""

    year: int
    bay: Bool
    """By household: has a bay of its own, or would have one with a car."""
    home_post: Bool
    """By household: has a post at home, or could have one with a new-energy car."""
    home_built: Bool
    """By household: a post stands."""
    programme_posts: float
    """Home posts built by programmes so far [posts]."""
    programme_share: float
    """Of those who could not have a post at home, the share whom programmes have reached [1]."""
    slow_posts: F64
    """Public slow posts by district."""
    fast_posts: F64
    """Public fast posts by district."""
    swap_sites: F64
    """Battery-swap sites by district."""
    hydrogen_sites: F64
    """Hydrogen sites by district."""
    fast_density: F64 = field(default_factory=lambda: np.zeros(0))
    """By zone: fast posts, less what crowding takes [1/km2]."""
    swap_density: F64 = field(default_factory=lambda: np.zeros(0))
    """By zone: swap sites of the district open to private cars [1/(100 km2)]."""
    hydrogen_density: F64 = field(default_factory=lambda: np.zeros(0))
    """By zone: hydrogen sites of the district [1/(100 km2)]."""


def build_access(
    households: Households,
    zones: Zones,
    districts: Districts,
    inputs: YearInputs,
    *,
    seed: int,
    sample: float,
) -> Access:
    """Posts and sites at the end of the base year.

    Parameters
    ----------
    households
        Households with their cars.
    zones, districts
        The city.
    inputs
        Parameters of the base year.
    seed
        Seed of the run.
    sample
        Share of the households simulated [1].

    Returns
    -------
    Access
        Posts at home by household, public ones by district, densities by zone.
    """
    n = len(districts.name_en)
    pull = np.asarray(np.bincount(zones.district, _pull(zones, inputs), minlength=n), np.float64)
    share = _of_city(zones, inputs) * pull / pull.sum()
    public, fast = inputs["access.public_post_count"], inputs["access.fast_share"]
    access = Access(
        year=inputs.year, bay=_bay(households, zones, inputs, 0, seed),
        home_post=np.zeros(0, np.bool_), home_built=np.zeros(0, np.bool_),
        programme_posts=0.0, programme_share=0.0,
        slow_posts=public * (1.0 - fast) * share, fast_posts=public * fast * share,
        swap_sites=inputs["access.swap_site_count"] * share,
        hydrogen_sites=inputs["access.hydrogen_site_count"] * share,
    )  # fmt: skip
    _update_homes(access, households, zones, inputs, seed)
    _update_density(access, households, zones, inputs, n, sample)
    return access


def update_access(
    access: Access,
    households: Households,
    zones: Zones,
    districts: Districts,
    inputs: YearInputs,
    *,
    year: int,
    seed: int,
    sample: float,
) -> None:
    """Carry posts and sites through a year: what is built, who has a post at home, how crowded the posts are.

    Parameters
    ----------
    access
        State at the end of the year before; changed in place.
    households
        Households with the cars they hold.
    zones, districts
        The city.
    inputs
        Parameters of the year.
    year
        Simulated year.
    seed
        Seed of the run.
    sample
        Share of the households simulated [1].

    Raises
    ------
    RunError
        If the year is not the one after the state's.
    """
    if year != access.year + 1:
        raise RunError(f"access {year}: expected the year after {access.year}")
    access.year = year
    n = len(districts.name_en)
    pull = _nev_by_district(households, zones, households.alive, n)
    if not pull.any():
        pull = np.asarray(np.bincount(zones.district, _pull(zones, inputs), minlength=n), np.float64)
    share = _of_city(zones, inputs) * pull / pull.sum()
    access.fast_posts += inputs["access.fast_posts_year"] * share
    access.slow_posts += inputs["access.slow_posts_year"] * share
    access.swap_sites += inputs["access.swap_sites_year"] * share
    access.hydrogen_sites += inputs["access.hydrogen_sites_year"] * share
    posts = inputs["access.home_programme_posts_year"] * _of_city(zones, inputs)
    _run_programme(access, households, inputs, posts, sample)
    _update_homes(access, households, zones, inputs, seed)
    _update_density(access, households, zones, inputs, n, sample)


def update_home_posts(access: Access, households: Households) -> None:
    """Posts of those who bought a new-energy car since `update_access`: the state at the end of the year.

    Parameters
    ----------
    access
        Changed in place.
    households
        Households with the cars they hold now.

    Raises
    ------
    InputError
        If the households are not those of `update_access`.
    """
    check_length(access, households)
    access.home_built |= households.alive & access.home_post & (households.nev > 0)


def check_length(access: Access, households: Households) -> None:
    """Raise InputError unless the access of every household is known."""
    if len(access.home_post) != len(households):
        expected = f"{len(households)} households: call update_access once a year after people change"
        raise InputError(Fault("access", "home_post", expected, f"{len(access.home_post)}"))


def count_posts(access: Access, sample: float) -> dict[str, float]:
    """Posts and sites of the city.

    Parameters
    ----------
    access
        State at the end of a year.
    sample
        Share of the households simulated [1].

    Returns
    -------
    dict[str, float]
        Posts at `home`, `public` (slow) and `fast`; `swap` and `hydrogen` sites.
    """
    return {
        "home": float(access.home_built.sum()) / sample,
        "public": float(access.slow_posts.sum()),
        "fast": float(access.fast_posts.sum()),
        "swap": float(access.swap_sites.sum()),
        "hydrogen": float(access.hydrogen_sites.sum()),
    }


def _of_city(zones: Zones, inputs: YearInputs) -> float:
    """Part of the whole city that the zones hold: the counts of the catalogue are the whole city's."""
    return float(zones.residents.sum()) / inputs["population.base_resident_count"]


def _pull(zones: Zones, inputs: YearInputs) -> F64:
    """Weight of each zone in where posts stand."""
    return np.asarray(zones.residents + inputs["access.job_weight"] * zones.jobs)


def _nev_by_district(households: Households, zones: Zones, who: Bool, n: int) -> F64:
    """New-energy cars of some households by district, in rows of the sample."""
    row = np.flatnonzero(who & (households.nev > 0))
    district = zones.district[households.zone[row]]
    return np.asarray(np.bincount(district, households.nev[row], minlength=n), np.float64)


def _bay(households: Households, zones: Zones, inputs: YearInputs, first: int, seed: int) -> Bool:
    """Own bays of households from a row on; those without a car get one at the rate of car households."""
    limit = np.array([ring for _, ring in RINGS])
    share = inputs.array("population.parking_share_{}", [name for name, _ in RINGS])
    chance = share[np.searchsorted(limit, zones.ring)]
    lot = uniform(seed, Stream.HOME_POST, households.id[first:], 0, K_BAY)
    latent = (households.car[first:] == 0) & (lot < chance[households.zone[first:]])
    return np.asarray(households.parking[first:] | latent)


def _own_chance(inputs: YearInputs) -> tuple[float, float]:
    """Chances of a home post with and without an own bay, before programmes."""
    return inputs["access.home_own_bay_share"], inputs["access.home_old_compound_share"]


def _run_programme(
    access: Access, households: Households, inputs: YearInputs, posts: float, sample: float
) -> None:
    """Posts of the year's programme reach a share of the car households that could not have one."""
    if posts > 0.0:
        holds = households.alive[: len(access.bay)] & (households.car[: len(access.bay)] > 0)
        bays, (own, old) = int((holds & access.bay).sum()), _own_chance(inputs)
        needing = ((1.0 - own) * bays + (1.0 - old) * (int(holds.sum()) - bays)) / sample
        access.programme_posts += posts
        if needing > 0.0:
            access.programme_share = min(1.0, access.programme_share + posts / needing)


def _update_homes(
    access: Access, households: Households, zones: Zones, inputs: YearInputs, seed: int
) -> None:
    """Who can have a post at home, and where one stands; the same lot every year and in every scenario."""
    known = len(access.bay)
    if known < len(households):
        access.bay = np.concatenate([access.bay, _bay(households, zones, inputs, known, seed)])
    built = np.zeros(len(households), np.bool_)
    built[: len(access.home_built)] = access.home_built
    own, old = _own_chance(inputs)
    lot = uniform(seed, Stream.HOME_POST, households.id, 0, K_POST)
    before = lot < np.where(access.bay, own, old)
    access.home_post = before
    if access.programme_share > 0.0:
        reach = access.programme_share
        access.home_post = lot < np.where(access.bay, own + (1.0 - own) * reach, old + (1.0 - old) * reach)
        built |= access.home_post & ~before & (households.car > 0)
    access.home_built = households.alive & (built | (access.home_post & (households.nev > 0)))


def _update_density(
    access: Access, households: Households, zones: Zones, inputs: YearInputs, n: int, sample: float
) -> None:
    """Densities by zone: a district's fast posts spread like residents and jobs, its sites evenly."""
    pull = _pull(zones, inputs)
    area_km2 = zones.area_m2 * M2_KM2
    district = zones.district
    part = pull / np.asarray(np.bincount(district, pull, minlength=n), np.float64)[district]
    lean = _nev_by_district(households, zones, households.alive & ~access.home_post, n) / sample
    crowd = lean / inputs["access.cars_fast_post"]
    worth = access.fast_posts / np.maximum(access.fast_posts + crowd, 1e-9)
    access.fast_density = access.fast_posts[district] * part / area_km2 * worth[district]
    of_district = SITE_AREA / np.bincount(district, area_km2, minlength=n)[district]
    open_sites = access.swap_sites * inputs["access.swap_private_share"]
    access.swap_density = open_sites[district] * of_district
    access.hydrogen_density = access.hydrogen_sites[district] * of_district

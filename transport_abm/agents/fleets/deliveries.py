"""Deliveries of a working day: stops by zone, tours of vans, and the vans and kilometres they take.

    L(n) = 2 r + k c n sqrt(m / s),   k = 0.7124,   n = min(load, (T - 2 r / v) / (k c sqrt(m / s) / v + h))

A van of one of m carriers leaves a depot at road distance r, calls at n of the s stops per square kilometre and
comes home; c turns straight lines into roads, h is the time of a stop, T the hours it may work. The local part is
the tour through n random points of an area A = n m / s, k sqrt(n A) (Beardwood, Halton and Hammersley 1959;
continuous approximation of Daganzo 1984). Consolidation centres serve their stops with one carrier instead of m, from
nearby, and merge a share of the stops; goods reach them on trucks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transport_abm.agents.fleets.operators import city_scale
from transport_abm.agents.fleets.permits import PERMIT_LIMIT_RING, delivery_window_h
from transport_abm.agents.workplaces import job_total
from transport_abm.networks.city import City
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

BHH = 0.7124
"""Length of the shortest tour through n random points of an area A, over sqrt(n A), for large n [1]."""
DISC_MEAN = 2.0 / 3.0 / np.sqrt(np.pi)
"""Mean distance of a disc's points from its centre, over the root of its area [1]."""


class Market(IntEnum):
    """Markets of deliveries: goods for shops and firms, and parcels."""

    GENERAL = 0
    PARCEL = 1


MARKET_NAMES = tuple(market.name.lower() for market in Market)


@dataclass(frozen=True)
class Tours:
    """Tours of one market by zone."""

    stop_count: F64
    """Stops on one tour."""
    length_km: F64
    """Length of one tour [km]."""
    duration_h: F64
    """Duration of one tour, stops included [h]."""
    tour_count: F64
    """Tours on a working day."""


@dataclass(frozen=True)
class DeliveryWork:
    """What vans have to do on a working day of a year; arrays by market and zone."""

    stop: F64
    """Stops served [1/day], after centres merged some."""
    tour: F64
    """Tours [1/day]."""
    van_km: F64
    """Kilometres of vans [km/day]."""
    van_h: F64
    """Hours of vans on tour [h/day]."""
    van: F64
    """Vans needed, spare ones included."""
    goods_tkm: F64
    """Tonne-kilometres on vans [tkm/day]: a van is half full on average, going out full and coming back empty."""
    linehaul_km: float
    """Kilometres of the trucks that bring goods to consolidation centres [km/day]."""
    unserved_stop: float
    """Stops inside the ring that the permits leave to cargo tricycles [1/day]."""

    @property
    def km_a_van(self) -> F64:
        """Kilometres of one van on a working day [km/day], zero where none is needed."""
        return np.divide(self.van_km, self.van, out=np.zeros_like(self.van), where=self.van > 0)


def tour_length_km(radius_km: ArrayLike, stop_count: ArrayLike, stop_km2: ArrayLike, detour: float) -> F64:
    """Length of a delivery tour by continuous approximation.

    Parameters
    ----------
    radius_km
        Road distance between the depot and the stops [km].
    stop_count
        Stops on the tour.
    stop_km2
        Stops of the tour's carrier [1/km2].
    detour
        Road distance over straight distance [1].

    Returns
    -------
    NDArray[np.float64]
        Length [km].

    Notes
    -----
    2 r + 0.7124 c sqrt(n A) with A = n / density; Beardwood, Halton and Hammersley 1959, Daganzo 1984.
    """
    n = np.asarray(stop_count, np.float64)
    area_km2 = n / np.asarray(stop_km2, np.float64)
    return np.asarray(2.0 * np.asarray(radius_km) + BHH * detour * np.sqrt(n * area_km2))


def plan_tours(
    stop: F64,
    stop_km2: F64,
    radius_km: F64,
    speed_kmh: F64,
    window_h: F64,
    *,
    load_stop_count: float,
    stop_h: float,
    detour: float,
) -> Tours:
    """Tours that serve all stops: as long as the load and the hours allow.

    Parameters
    ----------
    stop
        Stops by zone [1/day].
    stop_km2
        Stops of one carrier by zone [1/km2].
    radius_km
        Road distance to the depot [km].
    speed_kmh
        Speed of vans [km/h].
    window_h
        Hours a van may work [h].
    load_stop_count
        Stops that one load serves.
    stop_h
        Time of a stop [h].
    detour
        Road distance over straight distance [1].

    Returns
    -------
    Tours
        By zone; none where there are no stops. A tour has at least one stop, however far.
    """
    some = stop > 0
    density = np.where(some, stop_km2, 1.0)
    per_stop_km = BHH * detour / np.sqrt(density)
    by_hours = (window_h - 2.0 * radius_km / speed_kmh) / (per_stop_km / speed_kmh + stop_h)
    n = np.clip(by_hours, 1.0, load_stop_count)
    length_km = tour_length_km(radius_km, n, density, detour)
    return Tours(n, length_km, length_km / speed_kmh + n * stop_h, np.where(some, stop / n, 0.0))


def depot_distance_km(city: City, detour: float) -> F64:
    """Road distance from each zone to the nearest depot [km].

    Every district outside the central city has one depot, at the zone nearest to the middle of its jobs (every
    district, where all are central). Within its own zone a depot is as far as a disc's points from its centre.
    """
    zones = city.zones
    outside = ~city.districts.central
    chosen = outside if outside.any() else np.ones(len(outside), np.bool_)
    depots = []
    for district in np.flatnonzero(chosen):
        row = np.flatnonzero(zones.district == district)
        if not row.size:
            continue
        weight = zones.jobs[row] + 1.0
        x, y = np.average(zones.x_m[row], weights=weight), np.average(zones.y_m[row], weights=weight)
        depots.append(row[np.argmin((zones.x_m[row] - x) ** 2 + (zones.y_m[row] - y) ** 2)])
    if not depots:  # no zone outside the centre
        depots = [int(np.argmax(zones.jobs))]
    gap = np.hypot(zones.x_m[:, None] - zones.x_m[depots], zones.y_m[:, None] - zones.y_m[depots]).min(axis=1)
    own = DISC_MEAN * np.sqrt(zones.area_m2)
    return np.asarray(np.maximum(gap, own) / 1000.0 * detour)


def daily_stops(city: City, inputs: YearInputs) -> F64:
    """Stops of a working day by market and zone [1/day].

    Parameters
    ----------
    city
        Zones with residents and jobs.
    inputs
        Parameter values of the year.

    Returns
    -------
    NDArray[np.float64]
        Shape (markets, zones): shops and firms by jobs, parcels by residents; both grow from 2021 on by priors.
    """
    later = max(0, inputs.year - 2021)
    people = inputs["population.resident_count"] / inputs["population.base_resident_count"]
    parcel = city.zones.residents * people * inputs["freight.parcel_day_resident"]
    parcel *= (1.0 + inputs["freight.parcel_growth"]) ** later / inputs["freight.parcel_stop_parcels"]
    general = job_total(city.zones, city.districts, inputs) * inputs["freight.stop_day_job"]
    general = general * (1.0 + inputs["freight.stop_growth"]) ** later
    return np.stack([general, parcel])


def van_speed_kmh(city: City, inputs: Mapping[str, float]) -> F64:
    """Speed of vans by zone where no modelled speed is given [km/h]: inside the 5th ring and outside."""
    inside = city.zones.ring <= PERMIT_LIMIT_RING
    return np.where(inside, inputs["freight.van_speed_inside_kmh"], inputs["freight.van_speed_outside_kmh"])


def delivery_work(city: City, inputs: YearInputs, *, speed_kmh: F64 | None = None) -> DeliveryWork:
    """Tours, vans and kilometres of a working day.

    Parameters
    ----------
    city
        Zones.
    inputs
        Parameter values of the year.
    speed_kmh
        Speed of vans by zone [km/h]; the catalogue's where not given.

    Returns
    -------
    DeliveryWork
        By market and zone, after consolidation centres and the permit quota.
    """
    zones = city.zones
    inside = zones.ring <= PERMIT_LIMIT_RING
    speed = van_speed_kmh(city, inputs) if speed_kmh is None else np.asarray(speed_kmh, np.float64)
    full = daily_stops(city, inputs)
    covered_share, centre_km = _centres(city, inputs, full, inside)
    radius = depot_distance_km(city, inputs["freight.detour"])
    window = np.where(inside, delivery_window_h(inputs), inputs["freight.duty_h"])
    shape = full.shape
    stop, tour, km, hours, van, tkm = (np.zeros(shape) for _ in range(6))
    linehaul_km = np.zeros(shape[1])
    for market, name in enumerate(MARKET_NAMES):
        carriers = inputs[f"freight.{name}_carrier_count"]
        bundled = full[market] * covered_share
        merged = bundled * (1.0 - inputs["freight.centre_merge_share"])
        tonne_stop = inputs[f"freight.{name}_stop_t"]
        # What a stop takes in grows where two are merged; the load in stops shrinks with it.
        grown = 1.0 / (1.0 - inputs["freight.centre_merge_share"])
        parts = (
            (full[market] - bundled, radius, carriers, 1.0),
            (merged, np.minimum(centre_km, radius), 1.0, grown),
        )
        for part, far_km, split, heavier in parts:
            plan = plan_tours(
                part, part / split / (zones.area_m2 / 1e6), far_km, speed, window,
                load_stop_count=inputs[f"freight.{name}_load_stop_count"] / heavier,
                stop_h=inputs[f"freight.{name}_stop_min"] / 60.0, detour=inputs["freight.detour"],
            )  # fmt: skip
            per_van = np.clip(window / plan.duration_h, 1.0, inputs["freight.van_tour_max"])
            stop[market] += part
            tour[market] += plan.tour_count
            km[market] += plan.tour_count * plan.length_km
            hours[market] += plan.tour_count * plan.duration_h
            van[market] += plan.tour_count / per_van / inputs["freight.van_ready_share"]
            tkm[market] += plan.tour_count * plan.length_km * plan.stop_count * tonne_stop * heavier / 2.0
        truck = bundled * tonne_stop / inputs["freight.centre_truck_load_t"]
        linehaul_km += truck * 2.0 * radius
    served = _permit_reach(van, inside, city_scale(city, inputs), inputs)
    unserved = float((stop * (1.0 - served)).sum())
    return DeliveryWork(
        stop=stop * served, tour=tour * served, van_km=km * served, van_h=hours * served, van=van * served,
        goods_tkm=tkm * served, linehaul_km=float((linehaul_km * served).sum()), unserved_stop=unserved,
    )  # fmt: skip


def _centres(city: City, inputs: Mapping[str, float], stop: F64, inside: Bool) -> tuple[F64, float]:
    """Share of each zone's stops that consolidation centres serve, and their road distance to the stops [km]."""
    count = inputs["freight.centre_count"]
    within = float(stop[:, inside].sum())
    if count == 0 or within == 0:
        return np.zeros(len(inside)), 0.0
    capacity = count * inputs["freight.centre_stop_capacity"]
    area_m2 = float(city.zones.area_m2[inside].sum())
    far_km = DISC_MEAN * np.sqrt(area_m2 / count) / 1000.0 * inputs["freight.detour"]
    return np.where(inside, min(1.0, capacity / within), 0.0), float(far_km)


def _permit_reach(van: F64, inside: Bool, share: float, inputs: Mapping[str, float]) -> F64:
    """Share of the work that vans with a permit can do: the quota over the vans needed inside, at most one."""
    need = float(van[:, inside].sum())
    quota = inputs["freight.van_permit_quota"] * share
    return np.where(inside, 1.0 if need <= quota else quota / need, 1.0)

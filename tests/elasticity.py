"""Own elasticities of modes at a fixed level of service: expected shares before and after a rise of 1 %."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents import kernels_choice as kernel
from transport_abm.agents.mode_choice import (
    choice_terms,
    expected_central_share,
    traveller_terms,
    zone_terms,
)
from transport_abm.core.steps import run_step
from transport_abm.core.vocabulary import Mode, Period, TransitOption
from transport_abm.networks.level_of_service import TRANSIT_CNY, TRANSIT_MIN
from transport_abm.networks.transit.transit_assignment import transit_fare_cny
from transport_abm.policy.inputs import YearInputs, year_inputs
from transport_abm.schedule import make_tours, open_lines, place_work
from transport_abm.world import World

RISE = 1.01
TRANSIT = (Mode.BUS, Mode.METRO, Mode.BUS_METRO)
WITH_METRO, WITH_BUS = (Mode.METRO, Mode.BUS_METRO), (Mode.BUS, Mode.BUS_METRO)


def open_world(world: World, inputs: YearInputs) -> None:
    """Work places, level of service at the base year's flows, and tours; no traffic."""
    available = {
        "world": world,
        "city": world.city,
        "persons": world.persons,
        "households": world.households,
        "inputs": inputs,
    }
    for step in (place_work, open_lines, make_tours):
        run_step(step, available)
    world.travellers = traveller_terms(world.persons, world.households, inputs, seed=world.seed)


def share_with(
    world: World, inputs: YearInputs, los: NDArray[np.float32], *, car_cost: float = 1.0, taxi: float = 1.0
) -> NDArray[np.float64]:
    """Expected mode shares of the central city's trips at a level of service."""
    assert world.tours is not None and world.travellers is not None
    terms = choice_terms(world.base.constants(), world.city.fares, inputs)
    terms = terms._replace(ice_cny_km=terms.ice_cny_km * car_cost, bev_cny_km=terms.bev_cny_km * car_cost)
    names = ("taxi_flag_cny", "taxi_cny_km", "ride_hail_flag_cny", "ride_hail_cny_km", "ride_hail_cny_min")
    terms = terms._replace(**{name: getattr(terms, name) * taxi for name in names})
    zone = zone_terms(world.city.zones, world.travel.radius_km, inputs).astype(np.float64)
    zone[:, [kernel.PARKING_FIRST, kernel.PARKING_AFTER]] *= car_cost
    return expected_central_share(
        world.tours, world.travellers, los, zone.astype(np.float32), terms, world.central, seed=world.seed
    )


def with_fares(world: World, inputs: YearInputs, factors: Mapping[str, float]) -> NDArray[np.float32]:
    """Level of service with factors on the present fares, at the same strategies."""
    changed = {path: inputs[path] * factor for path, factor in factors.items()}
    other = YearInputs(inputs.year, dict(inputs) | changed)
    los, travel = world.travel.los.copy(), world.travel
    zone = np.arange(len(travel.nearest))
    for option in TransitOption:
        for period in Period:
            skims = travel.transit_result[int(option), int(period)].skims
            fare = transit_fare_cny(
                world.city.fares, skims["bus_km"], skims["metro_km"], skims["bus_boardings"], other
            )
            fare[zone, zone] = fare[zone, travel.nearest]
            los[int(period), ..., TRANSIT_CNY + int(option)] = fare
    return los


def with_times(world: World, options: tuple[TransitOption, ...], factor: float) -> NDArray[np.float32]:
    """Level of service with all generalised minutes of some transit options changed."""
    los = world.travel.los.copy()
    for option in options:
        los[..., TRANSIT_MIN + int(option)] *= np.float32(factor)
    return los


def own_elasticities(world: World, inputs: YearInputs) -> dict[str, float]:
    """Own elasticities by name; ``world`` has been opened by ``open_world``."""
    los = world.travel.los
    base = share_with(world, inputs, los)

    def of(after: NDArray[np.float64], modes: tuple[Mode, ...]) -> float:
        one, two = base[list(modes)].sum(), after[list(modes)].sum()
        return float(np.log(two / one) / np.log(RISE))

    times = {
        mode: with_times(world, (option,), RISE) for mode, option in zip(TRANSIT, TransitOption, strict=True)
    }
    metro_fare = with_fares(world, inputs, {"fares.metro_factor": RISE})
    bus_fare = with_fares(world, inputs, {"fares.bus_factor": RISE})
    slower = with_times(world, tuple(TransitOption), RISE)
    return {
        "car cost": of(share_with(world, inputs, los, car_cost=RISE), (Mode.CAR_DRIVER,)),
        "metro fare": of(share_with(world, inputs, metro_fare), WITH_METRO),
        "bus fare": of(share_with(world, inputs, bus_fare), WITH_BUS),
        "taxi fare": of(share_with(world, inputs, los, taxi=RISE), (Mode.TAXI, Mode.RIDE_HAIL)),
        "metro time": of(share_with(world, inputs, times[Mode.METRO]), (Mode.METRO,)),
        "bus time": of(share_with(world, inputs, times[Mode.BUS]), (Mode.BUS,)),
        "transit time": of(share_with(world, inputs, slower), TRANSIT),
    }


def base_inputs(parameters: Mapping[str, float]) -> YearInputs:
    """Parameters of the base year."""
    return year_inputs(2020, dict(parameters))

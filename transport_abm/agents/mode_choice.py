"""How people travel: who may use what, what it costs them, and the constants that meet the observed shares.

The constants are fitted in closed form on the model's own trips (contraction of Berry, Levinsohn & Pakes 1995):

    ASC_m <- ASC_m + th_n ln(S_observed / S_modelled)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents import kernels_choice as kernel
from transport_abm.agents.cars.out_of_town import day_share
from transport_abm.agents.energy_use import usual_use
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.tours import Tours
from transport_abm.core.draws import Stream, stream_key, uniform
from transport_abm.core.vocabulary import (
    NEST_OF_MODE,
    Fuel,
    Mode,
    Nest,
    Period,
    PersonStatus,
    Powertrain,
    Purpose,
    ValueOfTimeClass,
    VehicleClass,
)
from transport_abm.networks.city import Fares, Zones
from transport_abm.networks.road_users import CarKind
from transport_abm.policy.fuels import household_prices_cny
from transport_abm.policy.inputs import YearInputs

WEEKDAYS = 5
RING_OF_TAIL_NUMBER = 5
"""The tail-number rule holds inside the 5th ring, 7-20 h."""

CYCLE_PARK = (Mode.BICYCLE, Mode.SHARED_BICYCLE, Mode.E_BIKE)


@dataclass
class Travellers:
    """What the choice needs to know of each person, one row a person."""

    flag: NDArray[np.uint8]
    cost_weight: NDArray[np.float32]
    """Utility of one yuan, with income and value of time [utility/CNY]."""


def nest_theta(inputs: YearInputs) -> NDArray[np.float64]:
    """Nest parameters in the order of ``Nest``."""
    return inputs.array("mode_choice.theta_{}", Nest)


def year_shift(inputs: YearInputs) -> NDArray[np.float64]:
    """Shift of each mode's constant by the pandemic of the year [utility]."""
    shift = np.zeros(len(Mode))
    intensity = inputs["pandemic.intensity"]
    for mode in Mode:
        if mode is Mode.BUS:
            shift[mode] = inputs["pandemic.bus_shift"] * intensity
        elif mode in (Mode.METRO, Mode.BUS_METRO):
            shift[mode] = inputs["pandemic.metro_shift"] * intensity
        elif mode in CYCLE_PARK:
            # What stays of the turn to cycling is in the fitted constants; only the rest fades with the pandemic.
            fading = inputs["pandemic.bicycle_shift"] * (1.0 - inputs["pandemic.bicycle_persistent_share"])
            shift[mode] = fading * intensity
        elif mode is not Mode.WALK:
            shift[mode] = inputs["pandemic.car_shift"] * intensity
    return shift


def driving_cny_km(inputs: YearInputs) -> tuple[float, float, float]:
    """What energy costs those who drive: a petrol car, a battery car and an e-bike [CNY/km].

    Of the stock of the base year, for which the energy curves hold; factors of later stocks come from
    `agents.cars.driving`. Prices have the levies in them.
    """
    petrol, home, public = household_prices_cny(inputs, inputs.year)
    at_home = inputs["mode_choice.home_charging_share"]
    car = VehicleClass.PRIVATE_CAR
    litre, _ = usual_use(
        car, Powertrain.ICE, Fuel.PETROL, inputs, registered_year=inputs["energy.reference_ice_year"]
    )
    kwh, _ = usual_use(
        car,
        Powertrain.BEV,
        Fuel.ELECTRICITY,
        inputs,
        registered_year=inputs["energy.reference_electric_year"],
    )
    charging = at_home * home + (1.0 - at_home) * public
    return litre * petrol, kwh * charging, inputs["energy.e_bike_kwh_km"] * home


def driving_cny_scale(central: YearInputs, drawn: YearInputs) -> tuple[float, float]:
    """Driving costs at central values over those at drawn ones, of a petrol and of a battery car [1]."""
    at_centre, at_draw = driving_cny_km(central), driving_cny_km(drawn)
    return at_centre[0] / at_draw[0], at_centre[1] / at_draw[1]


def choice_terms(
    constant: NDArray[np.float64],
    fares: Fares,
    inputs: YearInputs,
    driving: tuple[float, float] = (1.0, 1.0),
) -> kernel.ChoiceTerms:
    """Coefficients of the utilities in a year.

    Parameters
    ----------
    constant
        Fitted constants by mode, without the year's shift [utility].
    fares
        Fare rules of the city.
    inputs
        Parameters of the year.
    driving
        Factors on the cost of a kilometre in an oil and in an electric car, from the stock of the year
        (`World.driving`) [1].
    """
    mc = {
        path.removeprefix("mode_choice."): inputs[path] for path in inputs if path.startswith("mode_choice.")
    }
    ice_cny_km, bev_cny_km, e_bike_cny_km = driving_cny_km(inputs)
    taxi = inputs["fares.taxi_factor"]
    # Separate lanes make riding more attractive; the factor is one at the share that holds in the base year.
    riding = cycle_factor(inputs)
    return kernel.ChoiceTerms(
        constant=constant + year_shift(inputs),
        theta=nest_theta(inputs),
        time_weight=mc["time_weight"],
        walk_weight=mc["walk_weight"] * walk_factor(inputs),
        walk_kmh=mc["walk_kmh"],
        walk_max_km=mc["walk_max_km"],
        cycle_weight=mc["cycle_weight"] * riding,
        cycle_kmh=mc["cycle_kmh"],
        cycle_max_km=mc["cycle_max_km"],
        e_bike_weight=mc["e_bike_weight"] * riding,
        e_bike_kmh=mc["e_bike_kmh"],
        e_bike_max_km=mc["e_bike_max_km"],
        cycle_start_min=mc["cycle_start_min"],
        shared_walk_min=mc["shared_walk_min"],
        shared_cny_min=mc["shared_cny_min"],
        shared_first_cny=mc["shared_first_cny"],
        shared_first_min=mc["shared_first_min"],
        e_bike_cny_km=e_bike_cny_km,
        taxi_flag_cny=fares.taxi_flagfall_cny * taxi,
        taxi_flag_km=fares.taxi_flagfall_km,
        taxi_cny_km=fares.taxi_cny_km * taxi,
        ride_hail_flag_cny=mc["ride_hail_flag_cny"] * taxi,
        ride_hail_cny_km=mc["ride_hail_cny_km"] * taxi,
        ride_hail_cny_min=mc["ride_hail_cny_min"] * taxi,
        hired_wait_weight=mc["hired_wait_weight"],
        ride_hail_wait_factor=mc["ride_hail_wait_factor"],
        ice_cny_km=ice_cny_km * driving[0],
        bev_cny_km=bev_cny_km * driving[1],
        passenger_cost_share=mc["passenger_cost_share"],
        credit_cny_km=mc["credit_car_kg_km"] * inputs["carbon_credit.cny_kg"],
        restricted_ring=float(RING_OF_TAIL_NUMBER),
        permit_ring=inputs["out_of_town.permit_ring"],
        parking_paid_share=inputs["parking.paid_share"],
        parking_hour=inputs.array(
            "mode_choice.parking_hours_{}", [*(p.name.lower() for p in Purpose), "stop"]
        ),
    )


def cycle_factor(inputs: YearInputs) -> float:
    """Factor on perceived riding time by the share of separate lanes and of shaded lanes (Broach et al. 2012 form)."""
    return 1.0 - inputs["active.cycle_lane_effect"] * inputs["active.cycle_lane_share"]


def walk_factor(inputs: YearInputs) -> float:
    """Factor on perceived walking time by the quality of sidewalks."""
    return 1.0 - inputs["active.sidewalk_effect"] * inputs["active.sidewalk_quality"]


def zone_terms(zones: Zones, radius_km: NDArray[np.float32], inputs: YearInputs) -> NDArray[np.float32]:
    """What the choice needs to know of each zone; float32 of shape (zones, ``kernel.N_ZONE``).

    Parameters
    ----------
    zones
        Zones of the city.
    radius_km
        Mean distance of trips inside each zone [km].
    inputs
        Parameters of the year.
    """
    mc = "mode_choice."
    inner_4, inner_5 = zones.ring <= 4, zones.ring <= 5
    table = np.empty((len(zones), kernel.N_ZONE), np.float32)
    table[:, kernel.RING] = zones.ring
    table[:, kernel.RADIUS_KM] = radius_km
    table[:, kernel.PARK_WALK_MIN] = np.where(
        inner_4, inputs[mc + "park_walk_inner_min"], inputs[mc + "park_walk_outer_min"]
    )
    table[:, kernel.PARK_SEARCH_MIN] = np.where(
        inner_4, inputs[mc + "park_search_inner_min"], inputs[mc + "park_search_outer_min"]
    )
    table[:, kernel.TAXI_WAIT_MIN] = np.where(
        inner_5, inputs[mc + "taxi_wait_inner_min"], inputs[mc + "taxi_wait_outer_min"]
    )
    for column, suffix in ((kernel.PARKING_FIRST, "_cny_h"), (kernel.PARKING_AFTER, "_after_cny_h")):
        price = inputs.array("parking.{}" + suffix, ("within_3rd_ring", "within_5th_ring", "beyond_5th_ring"))
        table[:, column] = price[np.digitize(zones.ring, (4, 6))] * inputs["parking.price_factor"]
    # Operators place bicycles where people live and work; a departure finds one with the chance below.
    people = zones.residents + zones.jobs
    density = inputs["active.shared_bike_count"] * people / people.sum() / (zones.area_m2 * 1e-6)
    table[:, kernel.SHARED_CHANCE] = 1.0 - np.exp(-density / inputs[mc + "shared_reach_bikes_km2"])
    return table


def traveller_terms(persons: Persons, households: Households, inputs: YearInputs, *, seed: int) -> Travellers:
    """Flags and cost weight of every person in a year.

    The household's cars go to its licence holders, workers first, then the one with plates from elsewhere; others find
    a car free with a chance, and some who have none drive a company's car. A petrol car is barred on its tail-number
    day; a battery car only as far as its exemption is taken away. A car with plates from elsewhere needs an entry
    permit, which it has on few days; on its tail-number day it counts as without.
    """
    n = len(persons)
    home = persons.household
    car, nev = households.car[home], households.nev[home]
    licensed = persons.licence & persons.alive
    # Main drivers: the household's first licence holders, workers before others, then by row.
    order = np.lexsort((np.arange(n), persons.status != PersonStatus.WORKER, ~licensed, home))
    first = np.empty(n, bool)
    first[0] = True
    first[1:] = home[order][1:] != home[order][:-1]
    start = np.maximum.accumulate(np.where(first, np.arange(n), 0))
    rank = np.empty(n, np.int32)
    rank[order] = np.arange(n) - start
    del order, first, start
    address = persons.id.astype(np.uint64)
    main = licensed & (rank < car)
    lucky = uniform(seed, Stream.CAR, address, 0) < inputs["mode_choice.second_driver_share"]
    company = uniform(seed, Stream.CAR, address, 0, 2) < inputs["mode_choice.other_car_share"]
    outside = households.outside_car[home]
    # Who has the first claim on the car from elsewhere; in a household without another car all use that one.
    main_outside = licensed & (rank >= car) & (rank < car + outside)
    from_elsewhere = main_outside | ((car == 0) & (outside > 0))
    has_car = main | main_outside | (licensed & np.where(car + outside > 0, lucky, company))
    nev_car = has_car & (rank < nev)
    day = uniform(seed, Stream.PLATE_DIGIT, address, 0)
    exempt = nev_car & (
        uniform(seed, Stream.PLATE_DIGIT, address, 0, 1) < inputs["tail_number.bev_exempt_share"]
    )
    restricted = (day < inputs["tail_number.day_count"] / WEEKDAYS) & ~exempt
    restricted |= from_elsewhere & (uniform(seed, Stream.PLATE_DIGIT, address, 0, 2) >= day_share(inputs))
    lift = uniform(seed, Stream.CAR, address, 0, 1) < inputs["mode_choice.passenger_other_share"]
    size = households.size[home]
    can_ride = ((car + outside > 0) & (size > 1)) | lift
    has_bicycle = rank < households.bicycle[home]
    has_e_bike = (rank < households.e_bike[home]) & (persons.age >= 16)
    can_share = (persons.age >= 12) & (persons.age < 70)
    flag = np.zeros(n, np.uint8)
    for bit, holds in (
        (kernel.HAS_CAR, has_car), (kernel.NEV_CAR, nev_car), (kernel.RESTRICTED, restricted),
        (kernel.HAS_BICYCLE, has_bicycle & (persons.age >= 12)), (kernel.HAS_E_BIKE, has_e_bike),
        (kernel.CAN_RIDE, can_ride), (kernel.CAN_SHARE_BICYCLE, can_share), (kernel.FROM_ELSEWHERE, from_elsewhere),
    ):  # fmt: skip
        flag |= holds.astype(np.uint8) * np.uint8(bit)
    return Travellers(flag, _cost_weight(persons, households, inputs))


def choose(
    tours: Tours,
    travellers: Travellers,
    los: NDArray[np.float32],
    zone: NDArray[np.float32],
    terms: kernel.ChoiceTerms,
    *,
    seed: int,
) -> None:
    """Choose the mode of every tour, written to ``tours.mode``; the taste draws stay the same over the years."""
    key = stream_key(seed, Stream.MODE, 0)
    kernel.choose_modes(
        tours.table,
        tours.spread,
        tours.address,
        travellers.flag,
        travellers.cost_weight,
        los,
        zone,
        terms,
        key,
        tours.mode,
    )


def car_count(tours: Tours, travellers: Travellers, n_zones: int) -> NDArray[np.int32]:
    """Sampled trips of car drivers by ``CarKind``, period, origin zone and destination zone."""
    count = np.zeros((len(CarKind), len(Period), n_zones, n_zones), np.int32)
    kernel.count_cars(tours.table, tours.mode, travellers.flag, count)
    return count


def expected_central_share(
    tours: Tours,
    travellers: Travellers,
    los: NDArray[np.float32],
    zone: NDArray[np.float32],
    terms: kernel.ChoiceTerms,
    central: NDArray[np.bool_],
    *,
    seed: int,
) -> NDArray[np.float64]:
    """Expected mode shares of the trips that have an end in the central city."""
    key = stream_key(seed, Stream.MODE, 0)
    total = np.empty(((len(tours) + kernel.CHUNK - 1) // kernel.CHUNK, kernel.N_MODE))
    kernel.expected_trips(
        tours.table,
        tours.spread,
        tours.address,
        travellers.flag,
        travellers.cost_weight,
        los,
        zone,
        terms,
        key,
        central,
        total,
    )
    trips = total.sum(axis=0)
    return np.asarray(trips / trips.sum())


def corrected_constant(
    constant: NDArray[np.float64],
    observed: NDArray[np.float64],
    modelled: NDArray[np.float64],
    theta: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Constants after one step of the log-share rule, with walking as the reference.

    Parameters
    ----------
    constant, observed, modelled
        By mode: constants [utility], observed and modelled shares [1].
    theta
        Nest parameters [1].
    """
    # A mode that nobody can use in this city (no metro, say) keeps its constant, and its share goes to the others.
    used = modelled > 0
    wanted = np.where(used, observed, 0.0) / observed[used].sum()
    step = np.zeros_like(constant)
    step[used] = theta[np.array(NEST_OF_MODE)][used] * np.log(wanted[used] / modelled[used])
    new = constant + step
    return np.asarray(new - new[Mode.WALK])


def observed_share(inputs: YearInputs) -> NDArray[np.float64]:
    """Observed mode shares of the central city in 2020, in the order of ``Mode``."""
    return inputs.array("mode_choice.share_{}", Mode)


def reference_logsum(
    travellers: Travellers, los: NDArray[np.float32], zone: NDArray[np.float32], terms: kernel.ChoiceTerms
) -> NDArray[np.float32]:
    """Logsum between all zones by day, a mean over travellers with and without a car.

    Returns
    -------
    NDArray[np.float32]
        Shape (zones, zones) [utility].
    """
    weight = float(np.median(travellers.cost_weight))
    with_car = float(np.mean(travellers.flag & kernel.HAS_CAR > 0))
    common = kernel.HAS_BICYCLE | kernel.CAN_RIDE | kernel.CAN_SHARE_BICYCLE
    out = np.empty((2, len(zone), len(zone)), np.float32)
    for row, flag in enumerate((common, common | kernel.HAS_CAR)):
        kernel.zone_logsum(flag, weight, 1, 1, int(Purpose.ERRAND), los, zone, terms, out[row])
    return np.asarray((1.0 - with_car) * out[0] + with_car * out[1], dtype=np.float32)


def _cost_weight(persons: Persons, households: Households, inputs: YearInputs) -> NDArray[np.float32]:
    """b_t * 60 / VOT * (income / median)**power of every person."""
    value_of_time = inputs.array("mode_choice.value_of_time_{}_cny_h", ValueOfTimeClass)
    base = (inputs["mode_choice.time_weight"] * 60.0 / value_of_time).astype(np.float32)
    income = np.maximum(households.income_cny, 1.0)
    factor = (income / np.median(income)) ** np.float32(inputs["mode_choice.income_power"])
    return np.asarray(base[persons.vot] * factor[persons.household], dtype=np.float32)

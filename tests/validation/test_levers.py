"""V-41: each lever moves what it is meant to move, the right way, through a whole run of the model.

Runs differ by one lever only and share all draws, so that an effect is no chance.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from tests.tiny_runs import busy_city, finished, opening_city, ringed_city, tiny_case, value, wide_city
from tests.validation.test_vehicle_levers import VEHICLE_LEVERS
from transport_abm.agents.kernels_choice import HAS_CAR, NEV_CAR
from transport_abm.core.vocabulary import Mode, Purpose
from transport_abm.model import TransportModel
from transport_abm.networks.city import City
from transport_abm.policy.levers import read_levers

BUILT = [
    lever.id
    for lever in read_levers().values()
    if lever.built and lever.id not in set(VEHICLE_LEVERS)  # those have a file of their own
]
CITIES = {"ringed": ringed_city, "busy": busy_city, "opening": opening_city}
FEW_BICYCLES = 2000.0
"""So many that some departures of the tiny city find one and others do not."""


@cache
def run_with(city: str = "ringed", last_year: int = 2020, **levers: float) -> TransportModel:
    """The model after its last year, with these levers in full force from 2020 on."""
    return finished(tiny_case(levers, years=(2020, last_year)), CITIES[city]())


def share(model: TransportModel, *modes: Mode) -> float:
    """Share of modes among the trips of the central city."""
    return sum(value(model, "mode_share", mode.name.lower()) for mode in modes)


def drivers(model: TransportModel, *, battery: bool) -> int:
    """Tours driven with a battery car, or with another."""
    tours, flag = model.world.tours, model.world.travellers.flag
    own = (flag[tours.table[:, 0]] & NEV_CAR > 0) == battery
    return int(np.sum((tours.mode == Mode.CAR_DRIVER) & own))


def work_tours(model: TransportModel) -> np.ndarray:
    """Destination zones of the tours to work."""
    table = model.world.tours.table
    return table[table[:, 1] == Purpose.WORK, 3]


CYCLING = (Mode.BICYCLE, Mode.SHARED_BICYCLE, Mode.E_BIKE)
METRO = (Mode.METRO, Mode.BUS_METRO)
HIRED = (Mode.TAXI, Mode.RIDE_HAIL)


def table_of(model: TransportModel) -> pd.DataFrame:
    """All outcomes of a run."""
    return model.table


@pytest.mark.parametrize("lever", BUILT)
def test_a_lever_at_its_default_changes_no_bit(lever: str) -> None:
    default = read_levers()[lever].default
    pd.testing.assert_frame_equal(
        table_of(run_with(**{lever: default})), table_of(run_with()), check_exact=True
    )


def test_all_levers_at_their_defaults_change_no_bit() -> None:
    defaults = {lever: read_levers()[lever].default for lever in BUILT}
    assert len(defaults) >= 23
    both = run_with("opening", 2022, **defaults), run_with("opening", 2022)
    pd.testing.assert_frame_equal(table_of(both[0]), table_of(both[1]), check_exact=True)


def test_a_lever_changes_nothing_before_its_start() -> None:
    """A fare that rises in 2021 leaves 2020 as it was, to the last bit."""
    from transport_abm.policy.levers import LeverSetting

    later = (LeverSetting(lever="metro_fare_factor", value=3.0, start_year=2021),)
    case = tiny_case(years=(2020, 2021))
    plain, changed = finished(case).table, finished(case.replace(levers=later)).table
    first = plain["year"] == 2020
    pd.testing.assert_frame_equal(changed[first], plain[first], check_exact=True)
    assert not changed[~first].equals(plain[~first])


def test_dearer_parking_takes_drivers_and_free_parking_brings_them() -> None:
    free, base, dear = (run_with(parking_price_factor=f) for f in (0.0, 1.0, 3.0))
    assert share(free, Mode.CAR_DRIVER) > share(base, Mode.CAR_DRIVER) > share(dear, Mode.CAR_DRIVER)
    assert (
        value(free, "car_km", "private") > value(base, "car_km", "private") > value(dear, "car_km", "private")
    )


def test_a_congestion_charge_takes_car_km_the_more_the_higher_it_is() -> None:
    km = [value(run_with(congestion_charge_cny=c), "car_km") for c in (0.0, 10.0, 40.0)]
    assert km[0] > km[1] > km[2]
    assert value(run_with(congestion_charge_cny=40.0), "green_share") > value(run_with(), "green_share")


def test_a_charge_round_an_area_that_nobody_enters_changes_no_bit() -> None:
    """Inside the 6th ring lies the whole city, so no drive crosses it inwards."""
    around_all = run_with(
        congestion_charge_cny=40.0, low_emission_charge_cny=40.0, congestion_charge_ring=6.0
    )
    pd.testing.assert_frame_equal(table_of(around_all), table_of(run_with()), check_exact=True)


def test_a_charge_at_a_busier_ring_takes_more_car_km() -> None:
    """More drives lead into the centre than in from the rim."""
    rim = run_with(congestion_charge_cny=40.0, congestion_charge_ring=4.0)
    centre = run_with(congestion_charge_cny=40.0, congestion_charge_ring=2.0)
    assert value(centre, "car_km") < value(rim, "car_km")


def test_a_charge_in_the_peaks_only_takes_fewer_car_km_than_one_by_day() -> None:
    by_day = run_with(congestion_charge_cny=40.0)
    peaks = run_with(congestion_charge_cny=40.0, congestion_charge_peak_only=1.0)
    assert value(by_day, "car_km") < value(peaks, "car_km") < value(run_with(), "car_km")


def test_a_low_emission_charge_is_felt_by_cars_that_are_not_new_energy_alone() -> None:
    charged, base = run_with(low_emission_charge_cny=40.0), run_with()
    assert drivers(charged, battery=False) < drivers(base, battery=False)
    assert drivers(charged, battery=True) >= drivers(base, battery=True) > 0
    assert value(charged, "car_km", "private") < value(base, "car_km", "private")
    assert share(charged, *HIRED) >= share(base, *HIRED)


def test_more_tail_number_days_keep_more_cars_at_home() -> None:
    shares = [share(run_with(tail_number_days=d), Mode.CAR_DRIVER) for d in (0.0, 1.0, 2.0)]
    assert shares[0] > shares[1] > shares[2]


def test_tail_numbers_hold_for_battery_cars_once_their_exemption_ends() -> None:
    base = run_with()
    half, none = (run_with(tail_number_bev_exempt=share_) for share_ in (0.5, 0.0))
    assert drivers(base, battery=True) > drivers(half, battery=True) > drivers(none, battery=True)
    assert drivers(none, battery=False) >= drivers(base, battery=False)


@pytest.mark.parametrize(
    ("lever", "modes"),
    [
        ("metro_fare_factor", (Mode.METRO,)),
        ("bus_fare_factor", (Mode.BUS,)),
        ("taxi_fare_factor", HIRED),
    ],
)
def test_a_higher_fare_takes_passengers_of_that_mode(lever: str, modes: tuple[Mode, ...]) -> None:
    cheap, base, dear = (share(run_with(**{lever: f}), *modes) for f in (0.5, 1.0, 2.0))
    assert cheap > base > dear


def test_a_metro_opening_that_comes_later_brings_length_and_passengers_later() -> None:
    on_time, late = run_with("opening", 2023), run_with("opening", 2023, metro_opening_delay_years=1.0)
    length = {m: [value(m, "metro_length", year=y) for y in (2021, 2022, 2023)] for m in (on_time, late)}
    assert length[on_time] == [6.0, 12.0, 12.0]
    assert length[late] == [6.0, 6.0, 12.0]
    name = ("mode_share", Mode.METRO.name.lower())
    assert value(late, *name, year=2022) < value(on_time, *name, year=2022)
    assert value(late, *name, year=2021) == value(on_time, *name, year=2021)


@pytest.mark.parametrize(
    ("lever", "modes"), [("metro_headway_factor", METRO), ("bus_headway_factor", (Mode.BUS,))]
)
def test_more_trains_and_more_buses_bring_passengers(lever: str, modes: tuple[Mode, ...]) -> None:
    often, base, seldom = (share(run_with(**{lever: f}), *modes) for f in (0.5, 1.0, 2.0))
    assert often > base > seldom


def test_bus_lanes_make_buses_faster_and_fuller() -> None:
    none, base, everywhere = (run_with("busy", bus_lane_share=s) for s in (0.0, 0.2, 1.0))
    for period in ("am", "pm"):
        speed = [value(m, "bus_speed", period) for m in (none, base, everywhere)]
        assert speed[0] < speed[1] < speed[2]
    assert share(none, Mode.BUS) < share(everywhere, Mode.BUS)


def test_separated_cycle_lanes_bring_cyclists() -> None:
    none, base, everywhere = (share(run_with(cycle_lane_share=s), *CYCLING) for s in (0.0, 0.5, 1.0))
    assert none < base < everywhere


def test_more_shared_bicycles_bring_more_rides_on_them() -> None:
    none, few, many = (
        share(run_with(shared_bikes=n), Mode.SHARED_BICYCLE) for n in (0.0, FEW_BICYCLES, 844_000.0)
    )
    assert 0.0 == none < few < many


def test_better_footpaths_bring_walkers() -> None:
    none, base, best = (share(run_with(sidewalk_quality=q), Mode.WALK) for q in (0.0, 0.5, 1.0))
    assert none < base < best


def test_dearer_petrol_takes_drivers_of_petrol_cars_alone() -> None:
    base, dear = run_with(), run_with(fuel_price_factor=3.0)
    assert drivers(dear, battery=False) < drivers(base, battery=False)
    assert drivers(dear, battery=True) >= drivers(base, battery=True)
    assert value(dear, "car_km", "private") < value(base, "car_km", "private")


def test_dearer_electricity_takes_drivers_of_battery_cars_alone() -> None:
    """A kilometre costs eight fen, so the effect is looked for where ways are long and people many."""
    city: City = wide_city()
    base, dear = (
        finished(tiny_case({"electricity_price_factor": f}, parameters={}), city) for f in (1.0, 3.0)
    )
    assert drivers(dear, battery=True) < drivers(base, battery=True)
    assert drivers(dear, battery=False) >= drivers(base, battery=False)


def test_a_carbon_credit_raises_the_green_share() -> None:
    shares = [value(run_with(carbon_credit_cny_kg=c), "green_share") for c in (0.0, 1.0, 5.0)]
    assert shares[0] < shares[1] < shares[2]


def test_working_from_home_empties_the_way_to_work() -> None:
    base, home = run_with(), run_with(wfh_share=0.3)
    kept = len(work_tours(home)) / len(work_tours(base))
    # Of n workers each stays with the chance 0.3: four standard errors.
    assert kept == pytest.approx(0.7, abs=4 * np.sqrt(0.7 * 0.3 / len(work_tours(base))))
    assert value(home, "trips_city") < value(base, "trips_city")
    assert value(home, "commute_share_am") < value(base, "commute_share_am")


def test_jobs_housing_balance_shortens_the_way_to_work() -> None:
    distance = [value(run_with(jobs_housing_balance=s), "commute_distance") for s in (0.0, 0.1, 0.3)]
    assert distance[0] > distance[1] > distance[2]


def test_decentralisation_moves_work_and_trips_out_of_the_centre() -> None:
    base, moved = run_with(), run_with(decentralisation_share=0.3)
    central = base.world.central
    before, after = (int(central[work_tours(m)].sum()) for m in (base, moved))
    # Workers move as jobs do, but for whole numbers and absence on the day.
    assert after / before == pytest.approx(0.7, abs=4 * np.sqrt(0.7 * 0.3 / before))
    assert value(moved, "trips") < value(base, "trips")
    assert len(work_tours(moved)) == len(work_tours(base))


def test_every_lever_that_works_has_a_test_of_its_direction() -> None:
    """The name of each lever stands in a test of this file that runs the model with it."""
    from pathlib import Path

    text = Path(__file__).read_text(encoding="utf-8")
    assert not [lever for lever in BUILT if f"{lever}=" not in text and f'"{lever}"' not in text]


def test_the_runs_hold_what_the_levers_act_on() -> None:
    """Both kinds of cars, all modes and drives across the rings are there, so no comparison is empty."""
    base = run_with()
    assert drivers(base, battery=True) > 50
    assert drivers(base, battery=False) > 500
    assert set(np.unique(base.world.tours.mode)) == {int(mode) for mode in Mode}
    assert np.mean(base.world.travellers.flag & HAS_CAR > 0) > 0.1

"""A small city for the carbon account: vehicles of every class, the works of a year, accounts with levers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transport_abm.carbon.account import Account, build_account
from transport_abm.carbon.activity import Activity, Consumer, Size, Stock, Work, build_activity, build_work
from transport_abm.carbon.works import FreightYear, WeekdayTravel, freight_works, travel_works
from transport_abm.core.vocabulary import Fuel, Powertrain, VehicleClass
from transport_abm.policy.inputs import YearInputs, year_inputs
from transport_abm.policy.levers import LeverSetting

V, P, F = VehicleClass, Powertrain, Fuel
DISTRICTS = 3
SHARE = np.array([0.5, 0.3, 0.2])
AGES = np.arange(8)
MIX: tuple[tuple[V, P, F, float, Size], ...] = (
    (V.OFFICIAL_CAR, P.ICE, F.PETROL, 300.0, Size.ANY),
    (V.TAXI, P.ICE, F.PETROL, 60.0, Size.ANY),
    (V.TAXI, P.BEV, F.ELECTRICITY, 10.0, Size.ANY),
    (V.RIDE_HAIL, P.PHEV, F.PETROL, 50.0, Size.ANY),
    (V.BUS, P.ICE, F.DIESEL, 5.0, Size.ANY),
    (V.BUS, P.HEV, F.DIESEL, 3.0, Size.ANY),
    (V.BUS, P.ICE, F.LNG, 4.0, Size.ANY),
    (V.BUS, P.ICE, F.CNG, 2.0, Size.ANY),
    (V.BUS, P.BEV, F.ELECTRICITY, 9.0, Size.ANY),
    (V.COACH, P.ICE, F.DIESEL, 10.0, Size.ANY),
    (V.VAN, P.ICE, F.DIESEL, 80.0, Size.ANY),
    (V.VAN, P.BEV, F.ELECTRICITY, 20.0, Size.ANY),
    (V.TRUCK, P.ICE, F.DIESEL, 40.0, Size.LIGHT),
    (V.TRUCK, P.ICE, F.DIESEL, 30.0, Size.HEAVY),
    (V.TRUCK, P.FCEV, F.HYDROGEN, 1.0, Size.HEAVY),
    (V.SANITATION, P.ICE, F.DIESEL, 8.0, Size.LIGHT),
)


def cars_stock() -> Stock:
    """Private cars of four powertrains in all districts."""
    kinds = (
        (P.ICE, F.PETROL, 4000.0),
        (P.HEV, F.PETROL, 100.0),
        (P.PHEV, F.PETROL, 90.0),
        (P.BEV, F.ELECTRICITY, 300.0),
    )
    return Stock.join(
        [
            Stock.build(V.PRIVATE_CAR, p, f, AGES, n * SHARE[d], district=d, range_km=55)
            for p, f, n in kinds
            for d in range(DISTRICTS)
        ]
    )


def full_stock(extra: Sequence[Stock] = ()) -> Stock:
    """Vehicles of every class."""
    fleets = [Stock.build(c, p, f, AGES, n, size=size) for c, p, f, n, size in MIX]
    return Stock.join([cars_stock(), *fleets, *extra])


def works(inputs: YearInputs, growth: float = 1.0) -> list[Work]:
    """A small city's year."""
    travel = WeekdayTravel(
        car_km=growth * 1e5 * SHARE, car_kmh=[24.0, 30.0, 40.0], taxi_hired_km=7e3, ride_hail_hired_km=9e3, bus_km=4e3,
        bus_passenger_km=6e4, bus_kmh=18.0, metro_passenger_km=9e4, metro_car_km=2e3, e_bike_km=2e4,
    )  # fmt: skip
    freight = FreightYear(
        van_km=3e6, van_tonne_km=1e6, truck_km={Size.HEAVY: growth * 2e6, Size.LIGHT: 1e6},
        truck_tonne_km={Size.HEAVY: growth * 2e7, Size.LIGHT: 2e6}, coach_km=6e5, coach_passenger_km=1e7, rail_tonne_km=1e7,
    )  # fmt: skip
    return [
        *travel_works(travel, inputs, district_count=DISTRICTS, share=SHARE),
        *freight_works(freight, inputs, district_count=DISTRICTS, share=SHARE),
        build_work(Consumer.OFFICIAL_CAR, DISTRICTS, vehicle_km=4e6, speed_kmh=25.0, share=SHARE),
        build_work(
            Consumer.SANITATION, DISTRICTS, vehicle_km=2e5, speed_kmh=20.0, share=SHARE, size=Size.LIGHT
        ),
    ]


def activity_of(year: int, inputs: YearInputs, growth: float = 1.0, extra: Sequence[Stock] = ()) -> Activity:
    """Activity of the small city."""
    return build_activity(works(inputs, growth), full_stock(extra), inputs, year)


def account_of(year: int = 2020, growth: float = 1.0, extra: Sequence[Stock] = (), **lever: float) -> Account:
    """Account of the small city, with levers in force from 2021 on."""
    settings_ = [LeverSetting(lever=name, value=value, start_year=2021) for name, value in lever.items()]
    inputs = year_inputs(year, levers=settings_)
    return build_account(activity_of(year, inputs, growth, extra), inputs)

"""Vehicles at full scale: seconds to age, choose and allocate all cars of a city in one year, and to renew its fleets.

    python -m benchmarks.bench_vehicles [sample]        1 by default: 21.9 million people, 5 million private cars

The bar is three seconds for one year of seven million vehicles. The first year is run at a small sample before, so that
nothing is compiled while the clock runs.
"""

from __future__ import annotations

import resource
import sys
import time

from transport_abm.agents.synthesis import synthesise
from transport_abm.agents.vehicle_market import build_vehicles, change_cars, renew_operators, vehicle_year
from transport_abm.networks.cities.open_city import open_city
from transport_abm.policy.inputs import year_inputs

YEARS = (2021, 2022, 2023)
SEED = 1


def measure(sample: float, *, tell: bool) -> None:
    """Build the vehicles and run some years of them."""
    city = open_city("beijing-reference")[0]
    base = year_inputs(2020)
    households, persons, _ = synthesise(city.zones, city.districts, base, sample=sample, seed=SEED)
    start = time.perf_counter()
    vehicles = build_vehicles(city, households, persons, base, seed=SEED, sample=sample)
    if tell:
        stock = vehicle_year(vehicles, households, city, sample=sample).closing.sum()
        print(f"build: {time.perf_counter() - start:.2f} s, {stock / 1e6:.2f} M vehicles")
    for year in YEARS:
        inputs = year_inputs(year)
        start = time.perf_counter()
        change_cars(vehicles, city, households, persons, inputs, seed=SEED, sample=sample)
        private = time.perf_counter()
        renew_operators(vehicles, city, inputs, seed=SEED)
        done = time.perf_counter()
        if tell:
            print(
                f"{year}: private cars and plates {private - start:.2f} s, fleets {done - private:.2f} s, "
                f"together {done - start:.2f} s (bar: 3 s), {len(vehicles.cars) / 1e6:.2f} M rows of cars"
            )


def main() -> None:
    """Run and print."""
    measure(0.002, tell=False)
    measure(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0, tell=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()

"""Builds the world of a run: city, people, base-year constants."""

from __future__ import annotations

from transport_abm.agents.synthesis import synthesise
from transport_abm.agents.vehicle_market import build_vehicles
from transport_abm.base_year import BaseYear
from transport_abm.networks.city import City
from transport_abm.networks.travel import build_travel
from transport_abm.policy.inputs import YearInputs
from transport_abm.world import World

REPLICATION_STRIDE = 1_000_003
"""Keeps the seeds of replications apart."""


def run_seed(seed: int, replication: int) -> int:
    """Seed of a run's draws: the same in every scenario, another in every replication."""
    return seed + REPLICATION_STRIDE * replication


def build_world(
    city: City, base: BaseYear, inputs: YearInputs, *, sample: float, seed: int, rung: str = "L1"
) -> World:
    """Build the people, their vehicles and the empty networks of a run.

    Parameters
    ----------
    city
        The city.
    base
        Constants of the base year.
    inputs
        Parameters of the base year.
    sample
        Share of the population [1].
    seed
        Seed of the run's draws.
    rung
        Model of road traffic: L0, L1 or L2.

    Returns
    -------
    World
        State at the start of the base year.
    """
    households, persons, report = synthesise(city.zones, city.districts, inputs, sample=sample, seed=seed)
    fit = {
        "tae": report.tae,
        "srmse": report.srmse,
        "chi_square": report.chi_square,
        "max_error": report.max_error,
    }
    return World(
        city=city, households=households, persons=persons, travel=build_travel(city, inputs, rung=rung, seed=seed), base=base,
        start=base.start, sample=sample, seed=seed, fit=fit,
        vehicles=build_vehicles(city, households, persons, inputs, seed=seed, sample=sample),
    )  # fmt: skip

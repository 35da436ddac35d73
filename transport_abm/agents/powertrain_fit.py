"""Constants of the powertrain choice from the purchases of 2021, and nothing later.

The shares of purchases follow from the published stock of new-energy vehicles, 400,000 at the end of 2020 and 507,000
at the end of 2021 (see ``powertrain.share_2021_*``). The buyers are those of the model's own year 2021: owners who
replace a car on the plate they keep, and those who were given a plate. In closed form, by contraction.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transport_abm.agents.cars.offers import Alternative
from transport_abm.agents.cars.powertrain import (
    describe_buyers,
    identify_constants,
    observed_shares,
    utility_terms,
)
from transport_abm.agents.population import update_population
from transport_abm.agents.synthesis import synthesise
from transport_abm.agents.vehicle_market import build_vehicles, gather_demand
from transport_abm.networks.city import City
from transport_abm.policy.inputs import BASE_YEAR, Draw, year_inputs

YEAR = 2021
SEED = 20211231
PERSONS = 220_000
"""Persons on whose purchases the constants are identified, as far as the city has them."""
ROUNDS = 3
"""Which plate one waits for depends on the constants, weakly: so many rounds settle it."""


def identify_powertrain(
    city: City,
    *,
    sample: float | None = None,
    overrides: Mapping[str, float] | None = None,
    drawn: Mapping[str, Draw] | None = None,
) -> dict[str, float]:
    """Constants with which the model's buyers of 2021 buy what was bought.

    Parameters
    ----------
    city
        The city.
    sample
        Share of the people simulated; by default that of `PERSONS` persons [1].
    overrides
        Parameters that differ from the catalogue.
    drawn
        Draws of uncertain parameters: other weights need other constants to buy what was bought in 2021.

    Returns
    -------
    dict[str, float]
        Values of ``powertrain.constant_*``.

    Raises
    ------
    ObservationError
        If the plates of the buyers rule the shares out.
    """
    told = dict(overrides or {})
    sample = sample or min(1.0, PERSONS / float(city.zones.residents.sum()))
    for _ in range(ROUNDS):
        base = year_inputs(BASE_YEAR, told, (), drawn)
        inputs = year_inputs(YEAR, told, (), drawn)
        households, persons, _report = synthesise(city.zones, city.districts, base, sample=sample, seed=SEED)
        vehicles = build_vehicles(city, households, persons, base, seed=SEED, sample=sample)
        update_population(households, persons, city.zones, inputs, year=YEAR, seed=SEED, sample=sample)
        demand = gather_demand(vehicles, city, households, persons, inputs, seed=SEED, sample=sample)
        terms = utility_terms(city.zones, vehicles.access, demand.peers, demand.sale, inputs)
        buyers = describe_buyers(
            demand.household, demand.plate, households, vehicles.access, demand.peers, inputs,
            given_up=demand.given_up,
        )  # fmt: skip
        found = identify_constants(observed_shares(inputs), buyers, terms, inputs)
        told.update(
            {
                f"powertrain.constant_{kind.name.lower()}": float(np.round(found[kind], 3))
                for kind in Alternative
            }
        )
    return {path: value for path, value in told.items() if path.startswith("powertrain.constant_")}

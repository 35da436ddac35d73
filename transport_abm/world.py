"""World: everything one run holds: the city, its people, their tours, and how it is to travel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.mode_choice import Travellers
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.tours import Tours
from transport_abm.agents.vehicle_market import Vehicles
from transport_abm.agents.workplaces import WorkplaceFit
from transport_abm.base_year import BaseYear
from transport_abm.carbon.account import Account
from transport_abm.networks.city import City
from transport_abm.networks.travel import Travel, TravelStart


@dataclass
class World:
    """State of a run between two steps."""

    city: City
    households: Households
    persons: Persons
    travel: Travel
    base: BaseYear
    sample: float
    """Share of the population simulated [1]."""
    seed: int
    """Seed of the run's draws, replication included."""
    fit: dict[str, float]
    """How well the synthetic population meets its margins."""
    vehicles: Vehicles
    """Cars, applicants, posts and operators."""
    start: TravelStart | None = None
    """Flows of the base year to begin with."""
    places: WorkplaceFit | None = None
    tours: Tours | None = None
    travellers: Travellers | None = None
    observed_driving: tuple[float, float] = (1.0, 1.0)
    """Driving costs of the base year at central values over those of this run's draws, of oil and electric cars [1].

    What people chose in 2020 they chose at the costs of 2020: draws of energy move later years, not the base year.
    """
    base_account: Account | None = None
    """Energy and CO2 of the base year."""

    @property
    def weight(self) -> float:
        """Persons that one sampled person stands for."""
        return 1.0 / self.sample

    @property
    def driving(self) -> tuple[float, float]:
        """Factors on the energy cost of a kilometre in an oil and in an electric car of the year's stock [1]."""
        oil, electric = self.vehicles.driving_ratio
        return oil * self.observed_driving[0], electric * self.observed_driving[1]

    @property
    def central(self) -> NDArray[np.bool_]:
        """By zone: in the central city."""
        return self.city.districts.central[self.city.zones.district]

    def residents(self) -> NDArray[np.float64]:
        """Living residents by home zone, weighted [persons]."""
        alive = self.persons.alive
        home = self.households.zone[self.persons.household[alive]]
        return np.asarray(np.bincount(home, minlength=len(self.city.zones)) * self.weight, np.float64)

"""A small population with cars, posts and peers, on which powertrain choice is tested."""

from __future__ import annotations

import numpy as np

from tests.tiny import tiny_city
from transport_abm.agents.cars import kernels_powertrain as kernel
from transport_abm.agents.cars.access import Access, build_access, update_access
from transport_abm.agents.cars.offers import Alternative, GivenUp, offers
from transport_abm.agents.cars.powertrain import (
    Purchase,
    choose_powertrain,
    describe_buyers,
    expected_shares,
    peer_share,
    utility_terms,
)
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import Cars
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.vocabulary import PlateKind, Powertrain
from transport_abm.policy.inputs import YearInputs, year_inputs

CITY = tiny_city()
N = 5000
SAMPLE = 0.5
BEV = [Alternative.BEV_SHORT, Alternative.BEV_LONG]
NEV = [Alternative.PHEV, *BEV, Alternative.FCEV]


class Case:
    """A small population with a car in most households, some of them battery cars."""

    def __init__(self, inputs: YearInputs | None = None) -> None:
        lot = [uniform(7, Stream.CAR, np.arange(N), 0, k) for k in range(5)]
        spread = np.sqrt(-2 * np.log(lot[0] + 1e-12)) * np.cos(2 * np.pi * lot[1])
        self.households = Households.build(
            N, zone=(np.arange(N) % 12).astype(np.int16), size=np.int8(3),
            income_cny=(150_000 * np.exp(0.6 * spread)).astype(np.float32),
            car=(lot[2] < 0.7).astype(np.int8), parking=lot[3] < 0.4,
        )  # fmt: skip
        holder = np.flatnonzero(self.households.car > 0).astype(np.int32)
        powertrain = np.where(lot[4][holder] < 0.08, int(Powertrain.BEV), int(Powertrain.ICE)).astype(np.int8)
        self.cars = Cars.build(len(holder), household=holder, powertrain=powertrain)
        self.households.nev[holder] = powertrain == int(Powertrain.BEV)
        self.inputs = inputs or year_inputs(2024)
        self.access = build_access(
            self.households, CITY.zones, CITY.districts, year_inputs(2020), seed=1, sample=SAMPLE
        )
        self.peers = peer_share(self.cars, self.households, CITY.zones)
        self.household = np.arange(N, dtype=np.int32)
        self.plate = (np.arange(N) % len(PlateKind)).astype(np.int8)
        self.given_up = (np.arange(N) // 3 % len(GivenUp)).astype(np.int8)
        self.key = np.arange(N, dtype=np.int64) * 97 + 13

    def buyers(self, inputs: YearInputs) -> kernel.Buyers:
        return describe_buyers(
            self.household,
            self.plate,
            self.households,
            self.access,
            self.peers,
            inputs,
            given_up=self.given_up,
        )

    def terms(self, inputs: YearInputs, access: Access | None = None) -> kernel.Terms:
        return utility_terms(CITY.zones, access or self.access, self.peers, offers(inputs), inputs)

    def shares(self, inputs: YearInputs, access: Access | None = None) -> np.ndarray:
        return expected_shares(self.buyers(inputs), self.terms(inputs, access))

    def bought(self, inputs: YearInputs) -> Purchase:
        return choose_powertrain(
            self.household, self.plate, self.key, self.households, CITY.zones, self.access, self.peers,
            offers(inputs), inputs, year=inputs.year, seed=3, given_up=self.given_up,
        )  # fmt: skip

    def carried(self, inputs_of: dict[int, YearInputs]) -> Access:
        """Access carried through some years."""
        access = build_access(
            self.households, CITY.zones, CITY.districts, year_inputs(2020), seed=1, sample=SAMPLE
        )
        for year, inputs in inputs_of.items():
            update_access(
                access, self.households, CITY.zones, CITY.districts, inputs, year=year, seed=1, sample=SAMPLE
            )
        return access

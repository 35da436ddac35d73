"""The carbon account of a year: energy and CO2 by consumer, powertrain, fuel and district, and the intensities.

    CO2 = energy x factor (way of counting, fuel)
    intensity = CO2 of the operating members of a scope / their converted turnover

Solar power on depots counts as electricity without CO2 for buses, coaches, sanitation, airport and metro, in every way
of counting. Four scopes times five ways of counting give twenty intensities; a verdict on their change is robust only
where all twenty agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.carbon.activity import Activity, Consumer
from transport_abm.carbon.converted_turnover import MEMBERS, turnover_of_scopes
from transport_abm.carbon.energy import SHAPE, energy_by_kind, terajoule
from transport_abm.carbon.factors import build_factors
from transport_abm.core.errors import MissingFactorError
from transport_abm.core.vocabulary import Accounting, Fuel, Scope

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

KG_PER_T = 1000.0
G_PER_T = 1e6
T_PER_MT = 1e6
KWH_PER_MWH = 1000.0
DEPOT_CONSUMERS = (Consumer.BUS, Consumer.COACH, Consumer.SANITATION, Consumer.AIRPORT, Consumer.METRO)
MOTOR_VEHICLES = tuple(consumer for consumer in Consumer if consumer < Consumer.METRO)


@dataclass(frozen=True, eq=False)
class Operating:
    """What belongs to operating transport, without districts."""

    energy_tj: F64
    """[TJ/year], shape (consumers, powertrains, fuels)."""
    co2_t: F64
    """[t/year], shape (accountings, consumers, powertrains, fuels)."""
    kind_km: F64
    """[km/year], shape (consumers, powertrains, fuels)."""
    passenger_km: F64
    """By consumer [pkm/year]."""
    tonne_km: F64
    """By consumer [tkm/year]."""


@dataclass(frozen=True, eq=False)
class Account:
    """Energy and CO2 of one year; axes (accounting,) consumer, powertrain, fuel, district."""

    year: int
    energy: F64
    """[L, m3, kg or kWh a year]"""
    energy_tj: F64
    """[TJ/year]"""
    co2_t: F64
    """[t/year], shape (accountings, consumers, powertrains, fuels, districts)"""
    operating: Operating
    """Of operating rows alone."""
    turnover_tkm: F64
    """Converted turnover of each scope [tkm/year]."""
    kind_km: F64
    """[km/year], shape (consumers, powertrains, fuels); fuel of the engine for hybrids."""
    vehicle_km: F64
    """By consumer [km/year]."""
    passenger_km: F64
    """By consumer [pkm/year]."""
    tonne_km: F64
    """By consumer [tkm/year]."""

    def total_t(self, accounting: Accounting = Accounting.PROVINCIAL) -> float:
        """CO2 of the city [t/year]: operating and other consumers, private cars and e-bikes too."""
        return float(self.co2_t[accounting].sum())

    def by(self, axis: str, accounting: Accounting = Accounting.PROVINCIAL) -> F64:
        """CO2 by ``consumer``, ``powertrain``, ``fuel`` or ``district`` [t/year]."""
        keep = ("consumer", "powertrain", "fuel", "district").index(axis)
        drop = tuple(k for k in range(4) if k != keep)
        return np.asarray(self.co2_t[accounting].sum(axis=drop))

    @property
    def scope_co2_t(self) -> F64:
        """CO2 of operating transport, shape (scopes, accountings) [t/year]."""
        by_consumer = self.operating.co2_t.sum(axis=(2, 3))
        return np.array([by_consumer[:, list(MEMBERS[scope])].sum(axis=1) for scope in Scope])

    @property
    def intensity(self) -> F64:
        """CO2 for each converted tonne-km, shape (scopes, accountings) [g/tkm].

        Raises
        ------
        MissingFactorError
            If a scope has no turnover.
        """
        empty = [scope.name for scope in Scope if self.turnover_tkm[scope] <= 0.0]
        if empty:
            raise MissingFactorError(
                f"no converted turnover in {self.year} in {', '.join(empty)}: no intensity"
            )
        return np.asarray(self.scope_co2_t * G_PER_T / self.turnover_tkm[:, None])


def build_account(activity: Activity, inputs: Mapping[str, float], limited_use: F64 | None = None) -> Account:
    """The carbon account of an activity.

    Parameters
    ----------
    activity
        What moves in the year.
    inputs
        Values of the year.
    limited_use
        Fuel of private cars under a limit on new ones over that without it, shape (powertrains, ages) [1].

    Returns
    -------
    Account
        Energy, CO2 and turnover.

    Raises
    ------
    MissingFactorError
        If a kind of vehicle or the year's grid has no factor.
    """
    factor = build_factors(inputs, activity.year) / KG_PER_T
    energy = energy_by_kind(activity, inputs, limited_use=limited_use)
    working = energy_by_kind(activity, inputs, operating_only=True)
    grid_share = _grid_share(energy, inputs)
    co2 = _co2(energy, factor, grid_share)
    return Account(
        year=activity.year,
        energy=energy,
        energy_tj=terajoule(energy, inputs),
        co2_t=co2,
        operating=Operating(
            energy_tj=np.asarray(terajoule(working, inputs).sum(axis=3)),
            co2_t=np.asarray(_co2(working, factor, grid_share).sum(axis=4)),
            kind_km=_kind_km(activity, activity.operating),
            passenger_km=activity.total("passenger_km", activity.operating),
            tonne_km=activity.total("tonne_km", activity.operating),
        ),
        kind_km=_kind_km(activity, np.ones(len(activity.consumer), np.bool_)),
        turnover_tkm=turnover_of_scopes(activity, inputs),
        vehicle_km=activity.total("vehicle_km"),
        passenger_km=activity.total("passenger_km"),
        tonne_km=activity.total("tonne_km"),
    )


def _kind_km(activity: Activity, where: Bool) -> F64:
    """Vehicle-km of some rows by consumer, powertrain and fuel."""
    code = (activity.consumer * SHAPE[1] + activity.powertrain) * SHAPE[2] + activity.fuel
    km = np.where(where, activity.vehicle_km, 0.0)
    return np.asarray(np.bincount(code, km, int(np.prod(SHAPE))).reshape(SHAPE))


def _grid_share(energy: F64, inputs: Mapping[str, float]) -> F64:
    """Share of each consumer's electricity that comes from the grid, shape (consumers,): the rest is depots' own."""
    out = np.ones(len(Consumer))
    used = float(energy[list(DEPOT_CONSUMERS), :, Fuel.ELECTRICITY].sum())
    made = inputs["carbon.depot_pv_mw"] * inputs["carbon.depot_pv_hour"] * KWH_PER_MWH
    if used > 0.0:
        out[list(DEPOT_CONSUMERS)] = 1.0 - min(made * inputs["carbon.depot_pv_used_share"] / used, 1.0)
    return out


def _co2(energy: F64, factor: F64, grid_share: F64) -> F64:
    """CO2 of energy in every way of counting [t]."""
    out = energy[None] * factor[:, None, None, :, None]
    out[:, :, :, Fuel.ELECTRICITY] *= grid_share[None, :, None, None]
    return np.asarray(out)


@dataclass(frozen=True, eq=False)
class IntensityChange:
    """Change of the twenty intensities against a base year."""

    change: F64
    """I / I_base - 1, shape (scopes, accountings) [1]."""
    meets: Bool
    """Falls at least as far as the target."""

    @property
    def robust(self) -> bool:
        """All twenty agree on the verdict."""
        return bool(self.meets.all() or not self.meets.any())


def intensity_change(account: Account, base: Account, inputs: Mapping[str, float]) -> IntensityChange:
    """Change of the intensities against a base year, and whether each meets the target.

    Parameters
    ----------
    account, base
        Accounts of the year and of the base year (2020).
    inputs
        Values of the year; needs ``carbon.intensity_target_change``.

    Returns
    -------
    IntensityChange
        Twenty changes and verdicts.

    Raises
    ------
    MissingFactorError
        If an intensity of the base is zero, or a scope has no turnover.
    """
    before, after = base.intensity, account.intensity
    if (before <= 0.0).any():
        where = [f"{Scope(s).name} {Accounting(a).name}" for s, a in np.argwhere(before <= 0.0)]
        raise MissingFactorError(
            f"intensity of {base.year} is zero in {', '.join(where)}: no change against it"
        )
    change = after / before - 1.0
    return IntensityChange(change, change <= inputs["carbon.intensity_target_change"])


@dataclass(frozen=True)
class Comparison:
    """A modelled and a published total; compared, never fitted."""

    name: str
    model: float
    """[Mt/year]"""
    published: float
    """[Mt/year]"""
    year: int
    """Year of the published figure."""

    @property
    def gap_share(self) -> float:
        """(model - published) / published [1]."""
        return self.model / self.published - 1.0


def compare_published(account: Account, inputs: Mapping[str, float]) -> tuple[Comparison, ...]:
    """Modelled CO2 beside the published totals.

    Parameters
    ----------
    account
        Account of a year; the model begins in 2020, so the city total of 2018 stands beside another year.
    inputs
        Values; needs ``carbon.published_*``.

    Returns
    -------
    tuple[Comparison, ...]
        What motor vehicles burn against the city total of 2018; then operating transport of 2020 in each scope, without
        and with electricity, because the published figure does not tell its scope.
    """
    vehicles = account.co2_t[Accounting.DIRECT, list(MOTOR_VEHICLES)].sum() / T_PER_MT
    out = [Comparison("motor vehicles", float(vehicles), inputs["carbon.published_city_2018_mt"], 2018)]
    published = inputs["carbon.published_operating_2020_mt"]
    for scope in (Scope.S1, Scope.S2, Scope.S3):
        for accounting in (Accounting.DIRECT, Accounting.PROVINCIAL):
            model = float(account.scope_co2_t[scope, accounting] / T_PER_MT)
            name = f"operating transport, {scope.name} {accounting.name.lower()}"
            out.append(Comparison(name, model, published, 2020))
    return tuple(out)

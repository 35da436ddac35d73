"""Outcomes of energy and CO2: totals of the city, operating transport, and why its intensity changed.

The headline of operating transport is scope S2 (goods, coaches, bus and taxi) with the provincial grid factor; every
scope and way of counting stands beside it, and a verdict is called robust only where all agree.
"""

from __future__ import annotations

from collections.abc import Iterator

from transport_abm.carbon.account import compare_published, intensity_change
from transport_abm.carbon.activity import Consumer
from transport_abm.carbon.decomposition import FACTORS, decompose
from transport_abm.core.vocabulary import Accounting, Fuel, Scope
from transport_abm.outcomes.register import Row, YearView, outcome

HEADLINE = (Scope.S2, Accounting.PROVINCIAL)
MODES: dict[str, tuple[Consumer, ...]] = {
    "car": (Consumer.PRIVATE_CAR, Consumer.OFFICIAL_CAR),
    "hired": (Consumer.TAXI, Consumer.RIDE_HAIL),
    "bus": (Consumer.BUS,),
    "coach": (Consumer.COACH,),
    "metro": (Consumer.METRO,),
    "e_bike": (Consumer.E_BIKE,),
    "road_goods": (Consumer.VAN, Consumer.TRUCK),
    "rail": (Consumer.RAIL,),
    "services": (Consumer.SANITATION, Consumer.AIRPORT, Consumer.OTHER),
}
"""Modes of persons and goods, each consumer once."""


@outcome(
    "t/year",
    "CO2 of transport",
    "交通二氧化碳排放",
    "CO2 of all vehicles, metro, e-bikes and rail freight with the provincial grid factor, by consumer and district",
)
def co2(view: YearView) -> Iterator[Row]:
    """Total, by consumer, by district, and by consumer in each district."""
    yield "", "", view.account.total_t()
    for consumer, value in zip(Consumer, view.account.by("consumer"), strict=True):
        yield "", consumer.name.lower(), float(value)
    cells = view.account.co2_t[HEADLINE[1]].sum(axis=(1, 2))
    for name, value, by in zip(
        view.city.districts.name_en, view.account.by("district"), cells.T, strict=True
    ):
        yield name, "", float(value)
        for consumer in Consumer:
            if by[consumer] > 0.0:
                yield name, consumer.name.lower(), float(by[consumer])


@outcome(
    "t/year",
    "CO2 by fuel",
    "分燃料二氧化碳排放",
    "CO2 of the city's transport by fuel, provincial grid factor",
)
def co2_fuel(view: YearView) -> Iterator[Row]:
    """By fuel."""
    for fuel, value in zip(Fuel, view.account.by("fuel"), strict=True):
        yield "", fuel.name.lower(), float(value)


@outcome(
    "t/year",
    "CO2 by mode",
    "分方式二氧化碳排放",
    "CO2 of the city's transport by way of moving persons and goods, provincial grid factor",
)
def co2_mode(view: YearView) -> Iterator[Row]:
    """By mode: the consumers that serve it."""
    value = view.account.by("consumer")
    for name, consumers in MODES.items():
        yield "", name, float(sum(value[consumer] for consumer in consumers))


@outcome(
    "t/year",
    "CO2 by way of counting",
    "分核算方法二氧化碳排放",
    "CO2 of the city's transport in each way of counting",
)
def co2_total(view: YearView) -> Iterator[Row]:
    """By way of counting electricity."""
    for accounting in Accounting:
        yield "", accounting.name.lower(), view.account.total_t(accounting)


@outcome(
    "t/year",
    "CO2 of operating transport",
    "营运交通二氧化碳排放",
    "CO2 of operating transport in each scope and way of counting; without class: S2 with the provincial grid factor",
)
def co2_operating(view: YearView) -> Iterator[Row]:
    """By scope and way of counting."""
    table = view.account.scope_co2_t
    yield "", "", float(table[HEADLINE])
    for scope in Scope:
        for accounting in Accounting:
            yield "", f"{scope.name}.{accounting.name}".lower(), float(table[scope, accounting])


@outcome(
    "TJ/year",
    "Energy of transport",
    "交通能源消费",
    "energy used by the city's transport, by fuel, and by consumer",
)
def energy(view: YearView) -> Iterator[Row]:
    """Total, by fuel and by consumer."""
    table = view.account.energy_tj
    yield "", "", float(table.sum())
    for fuel, value in zip(Fuel, table.sum(axis=(0, 1, 3)), strict=True):
        yield "", fuel.name.lower(), float(value)
    for consumer, value in zip(Consumer, table.sum(axis=(1, 2, 3)), strict=True):
        yield "", f"by.{consumer.name.lower()}", float(value)


@outcome(
    "vehicle-km/year",
    "Vehicle-km",
    "车辆行驶里程",
    "kilometres of all vehicles in the year by consumer; car-km of the metro",
)
def vehicle_km(view: YearView) -> Iterator[Row]:
    """By consumer."""
    for consumer, value in zip(Consumer, view.account.vehicle_km, strict=True):
        yield "", consumer.name.lower(), float(value)


@outcome(
    "tkm/year",
    "Converted turnover",
    "换算周转量",
    "tonne-km and passenger-km of operating transport in the statistics' weights, by scope",
)
def converted_turnover(view: YearView) -> Iterator[Row]:
    """By scope."""
    yield "", "", float(view.account.turnover_tkm[HEADLINE[0]])
    for scope in Scope:
        yield "", scope.name.lower(), float(view.account.turnover_tkm[scope])


@outcome(
    "g/tkm",
    "CO2 for each converted tonne-km",
    "营运交通单位换算周转量碳排放",
    "CO2 of operating transport over its converted turnover; without class: S2 with the provincial grid factor",
)
def operating_intensity(view: YearView) -> Iterator[Row]:
    """By scope and way of counting."""
    table = view.account.intensity
    yield "", "", float(table[HEADLINE])
    for scope in Scope:
        for accounting in Accounting:
            yield "", f"{scope.name}.{accounting.name}".lower(), float(table[scope, accounting])


@outcome(
    "1",
    "Change of the intensity since 2020",
    "营运交通碳排放强度较2020年变化",
    "CO2 for each converted tonne-km against that of 2020; without class: S2 with the provincial grid factor",
)
def operating_intensity_change(view: YearView) -> Iterator[Row]:
    """By scope and way of counting, with whether all agree on the verdict."""
    change = intensity_change(view.account, view.base_account, view.inputs)
    yield "", "", float(change.change[HEADLINE])
    for scope in Scope:
        for accounting in Accounting:
            yield "", f"{scope.name}.{accounting.name}".lower(), float(change.change[scope, accounting])
    yield "", "robust", float(change.robust)


@outcome(
    "t/year",
    "Why CO2 changed since 2020",
    "二氧化碳排放变化分解",
    "change of the CO2 of operating transport (S2, provincial grid factor) since 2020 by six factors; nothing is left over",
)
def co2_change_by(view: YearView) -> Iterator[Row]:
    """By factor; they add up to the change."""
    if view.account is view.base_account:
        return
    yield from _effects(view, intensity=False)


@outcome(
    "g/tkm",
    "Why the intensity changed since 2020",
    "碳排放强度变化分解",
    "change of the CO2 for each converted tonne-km (S2, provincial grid factor) since 2020 by factors; "
    "nothing is left over",
)
def intensity_change_by(view: YearView) -> Iterator[Row]:
    """By factor; they add up to the change."""
    if view.account is view.base_account:
        return
    yield from _effects(view, intensity=True)


def _effects(view: YearView, *, intensity: bool) -> Iterator[Row]:
    """Effects of the factors in the headline scope."""
    scope, accounting = HEADLINE
    why = decompose(
        view.base_account, view.account, view.inputs, accounting=accounting, scope=scope, intensity=intensity
    )
    for name, value in zip(FACTORS, why.effect.sum(axis=1), strict=True):
        yield "", name, float(value)


@outcome(
    "Mt/year",
    "CO2 beside published totals",
    "与公布总量对照",
    "modelled CO2 of the base year beside published totals; compared, never fitted",
)
def co2_published(view: YearView) -> Iterator[Row]:
    """Modelled and published totals, in the base year only."""
    if view.account is not view.base_account:
        return
    for item in compare_published(view.account, view.inputs):
        yield "", f"{item.name}.model", item.model
        yield "", f"{item.name}.published", item.published
        yield "", f"{item.name}.gap", item.gap_share

"""Outcomes of vehicles: stocks, sales, plates, posts, and the shares that the plan sets for fleets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.vehicles import IS_NEW_ENERGY
from transport_abm.core.vocabulary import (
    CLEAN_FUELS,
    ApplicantKind,
    Fuel,
    PlateKind,
    Powertrain,
    VehicleClass,
)
from transport_abm.outcomes.register import Row, YearView, outcome

F64 = NDArray[np.float64]
CLEAN = np.isin(np.arange(len(Fuel)), [int(fuel) for fuel in CLEAN_FUELS])
POOLS = (PlateKind.ORDINARY, PlateKind.NEW_ENERGY)


def _by_powertrain(count: F64) -> Iterator[Row]:
    """Total, each class, and each class by powertrain where there are any."""
    yield "", "", float(count.sum())
    for class_ in VehicleClass:
        by = count[class_].sum(axis=1)
        yield "", class_.name.lower(), float(by.sum())
        for powertrain in Powertrain:
            if by[powertrain] > 0:
                yield "", f"{class_.name}.{powertrain.name}".lower(), float(by[powertrain])


@outcome(
    "vehicles",
    "New-energy vehicles in use",
    "新能源汽车保有量",
    "battery-electric, plug-in hybrid and fuel-cell vehicles of all classes in use at the end of the year; by district: "
    "private and hired cars at home, buses and vans at their depot, and no other class",
)
def nev_stock(view: YearView) -> Iterator[Row]:
    """New-energy vehicles at the end of the year, all, by class, and those that have a district by district."""
    by = view.vehicles.closing[:, IS_NEW_ENERGY].sum(axis=(1, 2))
    yield "", "", float(by.sum())
    for class_ in VehicleClass:
        yield "", class_.name.lower(), float(by[class_])
    here = view.vehicles.district.closing[:, :, IS_NEW_ENERGY].sum(axis=(2, 3))
    for name, count in zip(view.city.districts.name_en, here, strict=True):
        yield name, "", float(count.sum())
        for class_ in VehicleClass:
            if count[class_] > 0:
                yield name, class_.name.lower(), float(count[class_])


@outcome(
    "vehicles",
    "New-energy vehicles ever registered",
    "新能源汽车累计注册量",
    "new-energy vehicles ever registered in the city, scrapped ones included",
)
def nev_registered(view: YearView) -> Iterator[Row]:
    """The other reading of a cumulative stock."""
    yield "", "", view.vehicles.registered_nev


@outcome(
    "vehicles",
    "Vehicle stock",
    "机动车保有量",
    "vehicles in use at the end of the year, by class and powertrain",
)
def vehicle_stock(view: YearView) -> Iterator[Row]:
    """Stock by class and powertrain."""
    yield from _by_powertrain(view.vehicles.closing)


@outcome(
    "vehicles/year",
    "Newly registered vehicles",
    "新增注册车辆",
    "vehicles first registered in the year, by class and powertrain",
)
def vehicles_new(view: YearView) -> Iterator[Row]:
    """New vehicles by class and powertrain."""
    yield from _by_powertrain(view.vehicles.new)


@outcome(
    "vehicles/year", "Scrapped vehicles", "报废车辆", "vehicles scrapped in the year, by class and powertrain"
)
def vehicles_scrapped(view: YearView) -> Iterator[Row]:
    """Scrapped vehicles by class and powertrain."""
    yield from _by_powertrain(view.vehicles.scrapped)


@outcome(
    "vehicles/year",
    "Used vehicles brought in",
    "外地转入车辆",
    "used vehicles from outside the city registered in the year, by class and powertrain",
)
def vehicles_brought_in(view: YearView) -> Iterator[Row]:
    """Vehicles brought in by class and powertrain."""
    yield from _by_powertrain(view.vehicles.brought_in)


@outcome(
    "vehicles/year",
    "Vehicles taken out",
    "外迁车辆",
    "vehicles that left the city in the year without being scrapped, by class and powertrain",
)
def vehicles_taken_out(view: YearView) -> Iterator[Row]:
    """Vehicles taken out by class and powertrain."""
    yield from _by_powertrain(view.vehicles.taken_out)


@outcome(
    "vehicles",
    "Cars with plates of other provinces",
    "长期在京外埠号牌小客车",
    "cars with plates of other provinces that residents keep in the city; no part of the registered stock",
)
def out_of_town_cars(view: YearView) -> Iterator[Row]:
    """Cars from elsewhere at the end of the year."""
    yield "", "", view.vehicles.out_of_town


@outcome(
    "1",
    "New-energy share of private cars",
    "私人小汽车新能源占比",
    "new-energy cars among the private cars in use at the end of the year",
)
def private_nev_share(view: YearView) -> Iterator[Row]:
    """Share in the stock of private cars, and the same by home district."""
    by = view.vehicles.closing[VehicleClass.PRIVATE_CAR].sum(axis=1)
    yield "", "", _ratio(by[IS_NEW_ENERGY].sum(), by.sum())
    private = view.vehicles.district.closing[:, VehicleClass.PRIVATE_CAR].sum(axis=2)
    for name, count in zip(view.city.districts.name_en, private, strict=True):
        yield name, "", _ratio(count[IS_NEW_ENERGY].sum(), count.sum())


@outcome(
    "1",
    "New-energy share of new private cars",
    "新增私人小汽车新能源占比",
    "new-energy cars among the private cars first registered in the year",
)
def new_nev_share_private(view: YearView) -> Iterator[Row]:
    """Share in the sales of private cars; none in the base year, whose sales are part of what is given."""
    by = view.vehicles.new[VehicleClass.PRIVATE_CAR].sum(axis=1)
    if by.sum() > 0:
        yield "", "", _ratio(by[IS_NEW_ENERGY].sum(), by.sum())


@outcome(
    "1",
    "New-energy and clean share of vehicles added",
    "当年新增新能源、清洁能源动力交通工具比例",
    "battery, plug-in, fuel-cell and gas vehicles among all vehicles first registered in the year; by district of "
    "private and hired cars, buses and vans",
)
def new_nev_or_clean_share(view: YearView) -> Iterator[Row]:
    """The share that the plan sets for 2030; by class and by district beside it."""
    if view.vehicles.new.sum() == 0:
        return  # the base year: what was registered is part of what is given
    for name, part in [("", view.vehicles.new.sum(axis=0))] + [
        (class_.name.lower(), view.vehicles.new[class_]) for class_ in VehicleClass
    ]:
        if part.sum() > 0:
            yield "", name, _ratio(_clean(part), part.sum())
    for name, part in zip(view.city.districts.name_en, view.vehicles.district.new.sum(axis=1), strict=True):
        if part.sum() > 0:
            yield name, "", _ratio(_clean(part), part.sum())


def _clean(count: F64) -> float:
    """New-energy and clean vehicles among counts by powertrain and fuel."""
    return float(count[IS_NEW_ENERGY].sum() + count[~IS_NEW_ENERGY][:, CLEAN].sum())


@outcome(
    "1",
    "What the shares of the plan lack",
    "规划比例的缺口构成",
    "vehicles in the scope of a target that are not of the kind it asks for, by part, among all in its scope: the parts "
    "of a target add up to one less its share",
)
def share_lacking(view: YearView) -> Iterator[Row]:
    """What each share lacks to one: by fuel, for public fleets and vehicles added by class."""
    for name, parts in view.vehicles.lacking.items():
        if name in view.vehicles.rule_share:
            for part, value in parts.items():
                yield "", f"{name}.{part}", value
    new = view.vehicles.new
    for class_ in VehicleClass:
        lacking = new[class_].sum() - _clean(new[class_])
        if lacking > 0:
            yield "", f"new_nev_or_clean_share.{class_.name.lower()}", float(lacking / new.sum())


@outcome(
    "1",
    "New-energy share of municipal buses",
    "市属公交车新能源占比",
    "new-energy buses among the municipal buses, mountain lines and emergency vehicles left out; by district of the depot",
)
def bus_nev_share(view: YearView) -> Iterator[Row]:
    """Buses in the scope of the plan, and all."""
    yield from _scoped(view, "bus_nev_share")


@outcome(
    "1",
    "New-energy share of cruising taxis",
    "巡游出租车新能源占比",
    "new-energy taxis among the cruising taxis, social-security and individually owned cars left out; by home district",
)
def taxi_nev_share(view: YearView) -> Iterator[Row]:
    """Taxis in the scope of the plan, and all."""
    yield from _scoped(view, "taxi_nev_share")


@outcome(
    "1",
    "New-energy share of light sanitation vehicles added",
    "新增轻型环卫车新能源占比",
    "new-energy vehicles among the light sanitation vehicles added in the year, types without a substitute left out",
)
def sanitation_new_nev_share(view: YearView) -> Iterator[Row]:
    """Additions in the scope of the plan, and all."""
    yield from _scoped(view, "sanitation_new_nev_share")


@outcome(
    "1",
    "New-energy share of permit vans under 4.5 t",
    "办证4.5吨以下物流车新能源占比",
    "new-energy vans among the vans under 4.5 t with a goods permit, the four exempt kinds left out; by district of the depot",
)
def van_nev_share(view: YearView) -> Iterator[Row]:
    """Vans in the scope of the plan, and all."""
    yield from _scoped(view, "van_nev_share")


@outcome(
    "1",
    "Electric share of public fleets",
    "公共领域车辆电动化比例",
    "new-energy vehicles among buses, cruising taxis and sanitation vehicles in the scope of their targets; by district: "
    "buses and taxis, as sanitation vehicles have none",
)
def public_fleet_electric_share(view: YearView) -> Iterator[Row]:
    """Public fleets together."""
    yield from _scoped(view, "public_fleet_electric_share")


@outcome(
    "1",
    "Electric share of airport ground vehicles",
    "机场场内车辆电动化比例",
    "electric vehicles among the airside vehicles; fire, ambulance, refuelling, de-icing and emergency left out",
)
def airport_electric_share(view: YearView) -> Iterator[Row]:
    """Airside vehicles in the scope of the plan, and all."""
    yield from _scoped(view, "airport_electric_share")


def _scoped(view: YearView, name: str) -> Iterator[Row]:
    """A share in its target's scope, of the whole fleet as class ``all``, and by district where vehicles have one."""
    for class_, key in (("", name), ("all", f"{name}.all")):
        if key in view.vehicles.rule_share:
            yield "", class_, view.vehicles.rule_share[key]
    if name in view.vehicles.district.in_rule:
        count = view.vehicles.district.in_rule[name]
        for district, (battery, every) in zip(view.city.districts.name_en, count, strict=True):
            if every > 0:
                yield district, "", float(battery / every)


def _by_pool(count: F64) -> Iterator[Row]:
    """By pool and kind of applicant, and each pool as a whole."""
    for pool in POOLS:
        yield "", pool.name.lower(), float(count[:, pool].sum())
        for kind in ApplicantKind:
            yield "", f"{pool.name}.{kind.name}".lower(), float(count[kind, pool])


@outcome(
    "applicants", "Waiting for a plate", "指标申请等待人数", "applicants who wait at the end of the year"
)
def plate_waiting(view: YearView) -> Iterator[Row]:
    """Length of the pools."""
    if view.vehicles.plates:
        yield from _by_pool(view.vehicles.plates.waiting)


@outcome("plates/year", "Plate quota", "小客车指标配额", "plates that may be given out in the year")
def plate_quota(view: YearView) -> Iterator[Row]:
    """Quota by pool and kind."""
    if view.vehicles.plates:
        yield from _by_pool(view.vehicles.plates.quota)


@outcome("plates/year", "Plates issued", "发放指标", "plates given out in the year, by lottery or by rank")
def plate_issued(view: YearView) -> Iterator[Row]:
    """Issued by pool and kind."""
    if view.vehicles.plates:
        yield from _by_pool(view.vehicles.plates.issued)


@outcome(
    "plates/year", "Plates used", "使用指标", "plates of the lottery and the queue put on a car in the year"
)
def plate_used(view: YearView) -> Iterator[Row]:
    """Used by pool and kind."""
    if view.vehicles.plates:
        yield from _by_pool(view.vehicles.plates.used)


@outcome("plates/year", "Plates expired", "过期指标", "plates that were not used within twelve months")
def plate_expired(view: YearView) -> Iterator[Row]:
    """Expired by pool and kind."""
    if view.vehicles.plates:
        yield from _by_pool(view.vehicles.plates.expired)


@outcome("1", "Odds of a plate", "中签率", "chance of an applicant to be given a plate in the year")
def plate_odds(view: YearView) -> Iterator[Row]:
    """Odds by pool and kind."""
    if view.vehicles.plates:
        for pool in POOLS:
            for kind in ApplicantKind:
                yield (
                    "",
                    f"{pool.name}.{kind.name}".lower(),
                    float(view.vehicles.plates.odds[kind, pool]),
                )


@outcome(
    "year",
    "Expected wait for a plate",
    "指标预计等待年数",
    "expected years until an applicant of today has a plate",
)
def plate_wait_year(view: YearView) -> Iterator[Row]:
    """Expected wait by pool."""
    if view.vehicles.plates:
        for pool in POOLS:
            yield "", pool.name.lower(), float(view.vehicles.plates.wait_year[pool])


@outcome("posts", "Charging posts", "充电桩数量", "charging posts at the end of the year, by kind")
def charging_posts(view: YearView) -> Iterator[Row]:
    """Posts by kind."""
    for name, count in view.vehicles.posts.items():
        yield "", name, float(count)


def _ratio(part: float, whole: float) -> float:
    """A share; zero of nothing."""
    return float(part / whole) if whole > 0 else 0.0

"""What is looked at before a run begins: rules, fleets, prices and factors of all its years, with all faults at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from transport_abm.agents.cars.offers import offers
from transport_abm.agents.cars.out_of_town import check_count
from transport_abm.agents.cars.plate_rules import read_quota
from transport_abm.agents.fleets.buses import BUS_OPTIONS
from transport_abm.agents.fleets.permits import check_freight_rules
from transport_abm.agents.fleets.public_fleets import KINDS
from transport_abm.agents.fleets.renewal import Option, fuel_price_cny, read_offers
from transport_abm.agents.fleets.ride_hail import RIDE_HAIL_OPTIONS
from transport_abm.agents.fleets.rules import check_fleet_rules
from transport_abm.agents.fleets.taxis import TAXI_OPTIONS
from transport_abm.agents.fleets.trucks import OPTIONS as TRUCK_OPTIONS
from transport_abm.agents.fleets.trucks import TRUCKS
from transport_abm.agents.fleets.vans import OPTIONS as VAN_OPTIONS
from transport_abm.carbon.factors import build_factors
from transport_abm.core.errors import Fault, InputError, MissingFactorError, ScenarioError
from transport_abm.core.vocabulary import VehicleClass
from transport_abm.policy.inputs import YearInputs


def check_years(name: str, years: Iterable[int], inputs_of: Callable[..., YearInputs]) -> None:
    """Refuse a run whose rules contradict each other or whose prices and factors are missing.

    Parameters
    ----------
    name
        Name of the scenario.
    years
        Years of the run.
    inputs_of
        Gives the parameters of a year, with overrides, draws and levers; with ``held=True`` those out of range at
        the ends of their ranges.

    Raises
    ------
    ScenarioError
        Naming every fault with the first year it stands in.
    """
    found: dict[tuple[str, str], Fault | str] = {}
    for year in years:
        for fault in check_year(year, inputs_of):
            where = fault if isinstance(fault, Fault) else Fault(name, "", "", fault)
            # The same rule is wrong in every year that it holds; the first one says it.
            found.setdefault((where.field, where.got), _told(name, year, fault))
    if found:
        raise ScenarioError(found.values())


def check_year(year: int, inputs_of: Callable[..., YearInputs]) -> list[Fault | str]:
    """Faults of one year.

    Parameters
    ----------
    year
        Calendar year.
    inputs_of
        Gives the parameters of a year.

    Returns
    -------
    list[Fault | str]
        All of them; none if the year can be run.
    """
    faults: list[Fault | str] = []
    try:
        inputs = inputs_of(year)
    except InputError as error:
        faults += error.faults
        # What is out of range must not hide what contradicts beside it.
        inputs = inputs_of(year, held=True)
    faults += [*check_fleet_rules(inputs), *check_freight_rules(inputs)]
    asked = (read_quota, offers, check_count, fuel_price_cny, _factors, *_fleet_offers())
    for ask in asked:
        try:
            ask(inputs)
        except InputError as error:
            faults += error.faults
        except MissingFactorError as error:
            faults.append(str(error.args[0]))
    return faults


def _fleet_offers() -> Iterator[Callable[[YearInputs], object]]:
    """What reads the price, upkeep and energy of all that operators can buy, one for each kind of vehicle."""
    kinds: list[tuple[str, Sequence[Option], VehicleClass]] = [
        ("fleets.bus", BUS_OPTIONS, VehicleClass.BUS),
        ("fleets.taxi", TAXI_OPTIONS, VehicleClass.TAXI),
        ("fleets.ride_hail", RIDE_HAIL_OPTIONS, VehicleClass.RIDE_HAIL),
        ("freight.van", VAN_OPTIONS, VehicleClass.VAN),
        *((f"freight.{name}", TRUCK_OPTIONS, VehicleClass.TRUCK) for name in TRUCKS),
        ("freight.coach", TRUCK_OPTIONS, VehicleClass.COACH),
        *((kind.prefix, kind.options, kind.class_) for kind in KINDS if len(kind.options) > 1),
    ]
    for prefix, options, class_ in kinds:
        for option in options:
            yield partial(_read_offer, prefix=prefix, option=option, class_=class_)


def _read_offer(inputs: YearInputs, *, prefix: str, option: Option, class_: VehicleClass) -> None:
    """Ask for the offer of one kind of vehicle."""
    read_offers(inputs, prefix, (option,), class_, year=inputs.year)


def _factors(inputs: YearInputs) -> None:
    """The factors of every fuel are there."""
    build_factors(inputs, inputs.year)


def _told(name: str, year: int, fault: Fault | str) -> Fault | str:
    """The fault with the scenario and its year."""
    if isinstance(fault, str):
        return f"scenario {name}: {year}: {fault}"
    return Fault(f"scenario {name}, {year}", fault.field, fault.expected, fault.got)

"""What is looked at before a run begins: rules, fleets, prices and factors of all its years, with all faults at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from transport_abm.agents.cars.offers import offers
from transport_abm.agents.cars.plate_rules import read_quota
from transport_abm.agents.fleets.permits import check_freight_rules
from transport_abm.agents.fleets.renewal import fuel_price_cny
from transport_abm.agents.fleets.rules import check_fleet_rules
from transport_abm.carbon.factors import build_factors
from transport_abm.core.errors import Fault, InputError, MissingFactorError, ScenarioError
from transport_abm.policy.inputs import YearInputs


def check_years(name: str, years: Iterable[int], inputs_of: Callable[[int], YearInputs]) -> None:
    """Refuse a run whose rules contradict each other or whose prices and factors are missing.

    Parameters
    ----------
    name
        Name of the scenario.
    years
        Years of the run.
    inputs_of
        Gives the parameters of a year, with overrides, draws and levers.

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


def check_year(year: int, inputs_of: Callable[[int], YearInputs]) -> list[Fault | str]:
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
    try:
        inputs = inputs_of(year)
    except InputError as error:
        return list(error.faults)
    faults: list[Fault | str] = [*check_fleet_rules(inputs), *check_freight_rules(inputs)]
    for ask in (read_quota, offers, fuel_price_cny, _factors):
        try:
            ask(inputs)
        except InputError as error:
            faults += error.faults
        except MissingFactorError as error:
            faults.append(str(error.args[0]))
    return faults


def _factors(inputs: YearInputs) -> None:
    """The factors of every fuel are there."""
    build_factors(inputs, inputs.year)


def _told(name: str, year: int, fault: Fault | str) -> Fault | str:
    """The fault with the scenario and its year."""
    if isinstance(fault, str):
        return f"scenario {name}: {year}: {fault}"
    return Fault(f"scenario {name}, {year}", fault.field, fault.expected, fault.got)

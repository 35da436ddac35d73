"""Agent-based model of a city's transport electrification.

>>> import transport_abm as ta
>>> base = ta.Scenario.named("plan")
>>> results = ta.run(base)                      # doctest: +SKIP
>>> results["green_share"]                      # doctest: +SKIP
>>> ta.write_report(results, "plan.html")       # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transport_abm.model import TransportModel as TransportModel
    from transport_abm.model import run as run
    from transport_abm.model import run_replications as run_replications
    from transport_abm.networks.cities.open_city import open_city as open_city
    from transport_abm.networks.city import City as City
    from transport_abm.policy.scenario import Scenario as Scenario
    from transport_abm.report import write_report as write_report
    from transport_abm.results import Ensemble as Ensemble
    from transport_abm.results import Results as Results

__version__ = "0.1.0"

_HOME = {
    "City": "transport_abm.networks.city",
    "Ensemble": "transport_abm.results",
    "Results": "transport_abm.results",
    "Scenario": "transport_abm.policy.scenario",
    "TransportModel": "transport_abm.model",
    "open_city": "transport_abm.networks.cities.open_city",
    "run": "transport_abm.model",
    "run_replications": "transport_abm.model",
    "write_report": "transport_abm.report",
}

__all__ = [
    "City",
    "Ensemble",
    "Results",
    "Scenario",
    "TransportModel",
    "open_city",
    "run",
    "run_replications",
    "write_report",
]

# Names are imported on first use; a type checker must not see this, or a misspelt name would pass.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'transport_abm' has no attribute {name!r}")
        return getattr(import_module(_HOME[name]), name)

    def __dir__() -> list[str]:
        return sorted([*globals(), *_HOME])

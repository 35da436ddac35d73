"""Every reported quantity, with its unit and its definition in words."""

from transport_abm.outcomes import carbon as _carbon
from transport_abm.outcomes import travel as _travel
from transport_abm.outcomes import vehicles as _vehicles
from transport_abm.outcomes.register import OUTCOMES, Outcome, Row, SettledTravel, YearView, record_outcomes

# Importing a module of outcomes registers them, in the order in which they are reported.
_MODULES = (_travel, _vehicles, _carbon)

__all__ = ["OUTCOMES", "Outcome", "Row", "SettledTravel", "YearView", "record_outcomes"]

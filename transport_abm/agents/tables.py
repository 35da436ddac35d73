"""Columns of the people: households and persons, one row each.

Sampled rows carry the weight 1 / sample, a constant of the run, so no weight is stored.
"""

from __future__ import annotations

import numpy as np

from transport_abm.core.columns import Column, Table

ID_ZONE = 2**32
"""Identities of the base year count from zone x 2**32, so that no zone's change renumbers another."""
ID_YEAR = 2**48
"""Identities of those who come later count from year x 2**48."""


class Households(Table):
    """Households: people of one dwelling, or of one room of a collective dwelling."""

    zone = Column(np.int16, "row", "home zone")
    size = Column(np.int8, "1", "living members")
    income_cny = Column(np.float32, "CNY/year", "disposable income of the household")
    car = Column(np.int8, "1", "cars held (0, 1 or 2)")
    nev = Column(np.int8, "1", "how many of the cars are battery-electric")
    outside_car = Column(
        np.int8, "1", "cars with plates of other provinces that it keeps, beside `car` (0 or 1)"
    )
    e_bike = Column(np.int8, "1", "electric bicycles held")
    bicycle = Column(np.int8, "1", "own bicycles held")
    parking = Column(np.bool_, "1", "has an own fixed parking space")
    registration = Column(np.int8, "1", "Registration code of the household")


class Persons(Table):
    """Residents."""

    household = Column(np.int32, "row", "household")
    age = Column(np.int8, "year", "age in completed years")
    sex = Column(np.int8, "1", "Sex code")
    status = Column(np.int8, "1", "PersonStatus code")
    licence = Column(np.bool_, "1", "holds a licence to drive cars")
    vot = Column(np.int8, "1", "ValueOfTimeClass code")
    work_zone = Column(np.int16, "row", "zone of the work place, -1 for none", default=-1)
    school_zone = Column(np.int16, "row", "zone of the school, -1 for none", default=-1)

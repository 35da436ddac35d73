"""Which school places are for pupils and which for students of higher education."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import InputError
from transport_abm.networks.city import Zones

F64 = NDArray[np.float64]


def school_place(zones: Zones, pupils: float, students: float) -> tuple[F64, F64]:
    """School places by zone for pupils and for students of 18 and more, scaled to their numbers.

    Zones hold one number for both. Pupils learn near home, so theirs lie where residents do, as far as the
    zone has places at all; what a zone has beyond that is its campuses.
    """
    if not zones.school_places.sum() > 0:
        raise InputError("zones.school_places: expected some in the city, got none")
    place = zones.school_places * ((pupils + students) / zones.school_places.sum())
    pupil = np.minimum(place, pupils * zones.residents / zones.residents.sum())
    student = place - pupil
    pupil = pupil if pupil.sum() > 0 else place
    student = student if student.sum() > 0 else place
    return pupil * (pupils / pupil.sum()), student * (students / student.sum())

"""Charges for entering links, by time of day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault
from transport_abm.networks.city import F64

WHERE = "entry charge"


@dataclass(frozen=True)
class EntryCharge:
    """What vehicles pay on entering a link."""

    group: NDArray[np.int16]
    """By link: column of the amounts; -1 where entry is free."""
    amount_cny: F64
    """Shape (bins, groups): amount in the bin of entry, to a hundredth [CNY]."""
    exempt: frozenset[int] = frozenset()
    """Vehicle classes that pay nothing and are not counted."""


def charge_faults(charge: EntryCharge, n_links: int, n_bins: int) -> list[Fault]:
    """All that does not fit the links and bins of the day, in a charge.

    Parameters
    ----------
    charge
        What vehicles pay.
    n_links, n_bins
        Links of the network, bins of the day.

    Returns
    -------
    list[Fault]
        Empty where all is well.
    """
    faults = []
    if np.shape(charge.group) != (n_links,):
        faults.append(Fault(WHERE, "group", f"shape ({n_links},)", str(np.shape(charge.group))))
    amount = np.asarray(charge.amount_cny)
    if amount.ndim != 2 or len(amount) != n_bins:
        faults.append(Fault(WHERE, "amount_cny", f"{n_bins} bins by groups", str(amount.shape)))
    elif charge.group.size and not (charge.group.min() >= -1 and charge.group.max() < amount.shape[1]):
        faults.append(
            Fault(
                WHERE,
                "group",
                f"-1 to {amount.shape[1] - 1}",
                f"{charge.group.min()} to {charge.group.max()}",
            )
        )
    if not (np.isfinite(amount).all() and (amount >= 0).all() and (amount <= 1e5).all()):
        faults.append(
            Fault(WHERE, "amount_cny", "0 to 100000", str(amount[~((amount >= 0) & (amount <= 1e5))][:1]))
        )
    return faults

"""The folder of things that can be built again: cities and base-year constants."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$TRANSPORT_ABM_CACHE``, else ``transport_abm`` in the user's cache folder."""
    named = os.environ.get("TRANSPORT_ABM_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "transport_abm"

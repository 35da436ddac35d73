"""Command line: run scenarios, report on them, compare them; list targets, levers, parameters; build cities."""

from transport_abm.cli.main import main

__all__ = ["main"]

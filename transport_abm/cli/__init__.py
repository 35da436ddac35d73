"""Command line: runs, reports, comparisons; lists of targets, levers, parameters; cities; networks of other tools."""

from transport_abm.cli.main import main

__all__ = ["main"]

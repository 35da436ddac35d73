"""The command-line program and its exit codes: 0 done, 1 a run failed, 2 wrong input or usage."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, TextIO

import typer

from transport_abm.core.errors import InputError, StoreError, TransportAbmError

app = typer.Typer(
    name="transport-abm",
    help="Agent-based model of a city's transport electrification: which targets will be met, how sure, and why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Agent-based model of a city's transport electrification."""
    if debug:
        os.environ["TRANSPORT_ABM_DEBUG"] = "1"


def main() -> None:
    """Run the command line; an expected error is one line a fault, never a traceback."""
    # Commands are imported here, so that a typing error in one does not cost the others' import time.
    from transport_abm.cli import cities, ladder, ledger, listings, networks, runs  # noqa: F401

    warnings.showwarning = _show_warning
    try:
        app(standalone_mode=True)
    except TransportAbmError as error:
        if os.environ.get("TRANSPORT_ABM_DEBUG"):
            raise
        for line in str(error).splitlines() or [type(error).__name__]:
            print(f"error: {line}", file=sys.stderr)
        sys.exit(2 if isinstance(error, (InputError, StoreError)) else 1)
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe (head, say) has gone; there is nobody to tell.
        sys.stderr.close()
        sys.exit(0)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Warnings in one line on the error stream."""
    print(f"warning: {message}", file=file or sys.stderr)

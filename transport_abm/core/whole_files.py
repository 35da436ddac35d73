"""Files and folders that appear complete or not at all: written beside their place, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from transport_abm.core.errors import StoreError


def check_place(path: Path, inputs: Sequence[Path] = ()) -> None:
    """Refuse a file that cannot be written, or that is being read, before any work goes into it.

    Parameters
    ----------
    path
        File to be written.
    inputs
        Files that are read; those that are not there are passed over.

    Raises
    ------
    StoreError
        If a folder stands there, no folder can be made above it, it may not be written, or it is one of the inputs.
    """
    try:
        if path.is_dir():
            raise StoreError(f"{path}: cannot be written: a folder of this name is there")
        above = path.parent
        while not above.exists():
            above = above.parent
        if not above.is_dir():
            raise StoreError(f"{path}: cannot be written: {above} is no folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise StoreError(f"{path}: cannot be written: no right to write in {above}")
        for file in inputs if path.exists() else ():
            if file.exists() and path.samefile(file):
                raise StoreError(f"{path}: expected a file that is not read from, got one of the inputs")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A place to write a file, which takes its name when it is complete; an earlier one is replaced.

    Parameters
    ----------
    path
        File to write. Folders above it are made.

    Yields
    ------
    Path
        Where to write; gone again if the writing fails.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield Path(name)
        _settle(Path(name))
        Path(name).chmod(0o644)
        os.replace(name, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write files into, which takes its name when they are complete.

    Parameters
    ----------
    folder
        Folder to write: a new name, or an empty folder. Folders above it are made.

    Yields
    ------
    Path
        Where to write; gone again if the writing fails.

    Raises
    ------
    StoreError
        If something is there already, or cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise StoreError(f"{folder}: expected a new or empty folder, got one that holds something")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name[:60]}.", dir=folder.parent))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}") from error
    try:
        yield fresh
        for file in fresh.iterdir():
            _settle(file)
        fresh.chmod(0o755)
        if folder.is_dir():
            folder.rmdir()
        fresh.rename(folder)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _settle(file: Path) -> None:
    """Bring a file to the disk before it takes its name."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())

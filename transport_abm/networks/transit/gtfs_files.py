"""The tables of a GTFS feed, from a folder or a zip file that may mean harm.

Only the tables that are needed are opened. A zip is refused if a name leads out of it, if a member is
encrypted or listed twice, or if it grows beyond a size or a ratio, counted while it is read.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Container
from pathlib import Path, PurePosixPath

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.cities.csv_files import Columns, decode, read_text

MAX_MEMBER_BYTES = 500_000_000
MAX_TOTAL_BYTES = 1_000_000_000
MAX_RATIO = 200
"""Largest decompressed over packed size; timetables pack 10 to 40 fold."""
MAX_MEMBERS = 1_000
_RATIO_FREE_BYTES = 5_000_000
_CHUNK = 1 << 18

TABLES: dict[str, tuple[str, ...]] = {
    "stops.txt": ("stop_id", "stop_name", "stop_lat", "stop_lon"),
    "routes.txt": ("route_id", "route_type"),
    "trips.txt": ("route_id", "service_id", "trip_id"),
    "stop_times.txt": ("trip_id", "stop_id", "stop_sequence"),
    "calendar.txt": ("service_id", "wednesday", "start_date", "end_date"),
    "calendar_dates.txt": ("service_id", "date", "exception_type"),
    "frequencies.txt": ("trip_id", "start_time", "end_time", "headway_secs"),
    "transfers.txt": ("from_stop_id", "to_stop_id"),
}
"""Tables that are read, with the columns each must have."""
_NEEDED = ("stops.txt", "routes.txt", "trips.txt", "stop_times.txt")


def read_feed(path: Path | str) -> dict[str, Columns]:
    """Read the tables of a feed.

    Parameters
    ----------
    path
        Folder or zip file.

    Returns
    -------
    dict
        Tables by file name, which take faults down in one list; optional ones may be absent.

    Raises
    ------
    NetworkError
        With every fault of the container and the headers.
    """
    place = Path(path)
    faults: list[Fault] = []
    if place.is_dir():
        texts = {
            name: read_text(place / name, MAX_MEMBER_BYTES) for name in TABLES if (place / name).is_file()
        }
    else:
        texts = read_zip(place, TABLES, "a GTFS folder or zip file")
    faults += [
        Fault(place.name, name, "a table of the feed", "none") for name in _NEEDED if name not in texts
    ]
    if not {"calendar.txt", "calendar_dates.txt"} & texts.keys():
        faults.append(Fault(place.name, "calendar.txt", "calendar.txt or calendar_dates.txt", "neither"))
    tables = {name: Columns(name, text, TABLES[name], faults) for name, text in texts.items()}
    times = tables.get("stop_times.txt")
    if times is not None and not {"arrival_time", "departure_time"} & times.column.keys():
        times.fault("departure_time", "a column of this name or arrival_time", "neither")
    if faults:
        raise NetworkError(faults)
    return tables


def read_zip(place: Path, wanted: Container[str], expected: str) -> dict[str, str]:
    """Read some members of a zip file as text.

    Parameters
    ----------
    place
        The file.
    wanted
        Names of the members that are read.
    expected
        What the file should be, for the message of a fault.

    Returns
    -------
    dict
        Text by name; members that the file does not hold are left out.

    Raises
    ------
    NetworkError
        If the file cannot be read or means harm.
    """
    try:
        with zipfile.ZipFile(place) as archive:
            _check_names(place.name, archive.infolist())
            total, texts = 0, {}
            for info in archive.infolist():
                if info.filename in wanted:
                    data = _read_member(archive, info, place.name, MAX_TOTAL_BYTES - total)
                    total += len(data)
                    texts[info.filename] = decode(data, info.filename)
            return texts
    except NetworkError:
        raise
    # A compression or encryption that is not known comes as a RuntimeError.
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        got = f"{type(error).__name__}: {str(error)[:80]}"
        raise NetworkError(Fault(place.name, "file", expected, got)) from None


def _check_names(file: str, members: list[zipfile.ZipInfo]) -> None:
    """Refuse names that lead out of the archive, repeated names, encryption and crowds."""
    faults = []
    if len(members) > MAX_MEMBERS:
        raise NetworkError(Fault(file, "members", f"at most {MAX_MEMBERS}", str(len(members))))
    seen: set[str] = set()
    for info in members:
        name = info.filename
        if (
            name.startswith(("/", "\\"))
            or ".." in PurePosixPath(name.replace("\\", "/")).parts
            or ":" in name
        ):
            faults.append(Fault(file, "member", "a name inside the archive", repr(name)[:80]))
        if name in seen:
            faults.append(Fault(file, name[:80], "one member of this name", "two"))
        if info.flag_bits & 1:
            faults.append(Fault(file, name[:80], "no encryption", "an encrypted member"))
        seen.add(name)
    if faults:
        raise NetworkError(faults)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: str, room: int) -> bytes:
    """Read one member, watching its size."""
    limit = min(MAX_MEMBER_BYTES, room, max(info.compress_size * MAX_RATIO, _RATIO_FREE_BYTES))
    data = bytearray()
    with archive.open(info) as member:
        while piece := member.read(_CHUNK):
            data += piece
            if len(data) > limit:
                expected = f"at most {MAX_MEMBER_BYTES} bytes and {MAX_RATIO} times the packed size"
                raise NetworkError(Fault(file, info.filename, expected, "more"))
    return bytes(data)

"""The day of a GTFS feed that is counted, and the services that run on it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from transport_abm.core.errors import Fault
from transport_abm.networks.cities.csv_files import Columns

_MAX_DAYS = 800


def _day(text: str) -> datetime.date | None:
    """Read YYYYMMDD; None if it is none."""
    try:
        return (
            datetime.datetime.strptime(text, "%Y%m%d").date() if len(text) == 8 and text.isascii() else None
        )
    except ValueError:
        return None


def services_of_day(tables: Mapping[str, Columns], date: str, faults: list[Fault]) -> tuple[str, set[str]]:
    """Choose the day and return the services that run on it."""
    spans: list[tuple[str, list[bool], datetime.date, datetime.date]] = []
    week = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    if calendar := tables.get("calendar.txt"):
        days = [calendar.text(name) for name in week]
        for row, service in enumerate(calendar.text("service_id")):
            start, end = (_day(calendar.text(name)[row]) for name in ("start_date", "end_date"))
            if start is None or end is None:
                calendar.fault(f"start_date, row {row + 2}", "dates as YYYYMMDD", "something else")
            else:
                spans.append((service, [day[row] == "1" for day in days], start, end))
    changes: dict[datetime.date, list[tuple[str, bool]]] = {}
    if dates := tables.get("calendar_dates.txt"):
        cells = zip(dates.text("service_id"), dates.text("date"), dates.text("exception_type"), strict=True)
        for row, (service, text, kind) in enumerate(cells):
            day = _day(text)
            if day is None or kind not in ("1", "2"):
                dates.fault(
                    f"row {row + 2}", "a date as YYYYMMDD and exception_type 1 or 2", f"{text}, {kind}"[:60]
                )
            else:
                changes.setdefault(day, []).append((service, kind == "1"))
    size: dict[str, int] = {}
    for service in tables["trips.txt"].text("service_id"):
        size[service] = size.get(service, 0) + 1

    def running(day: datetime.date) -> set[str]:
        found = {
            service for service, days, start, end in spans if start <= day <= end and days[day.weekday()]
        }
        for service, added in changes.get(day, ()):
            (found.add if added else found.discard)(service)
        return found

    if date:
        chosen = _day(date)
        if chosen is None:
            faults.append(Fault("feed", "date", "YYYYMMDD", date[:40]))
            return date, set()
        return date, running(chosen)
    candidates = {day for day in changes if day.weekday() == 2}
    if spans:
        first, last = min(span[2] for span in spans), max(span[3] for span in spans)
        first += datetime.timedelta((2 - first.weekday()) % 7)
        weeks = min(_MAX_DAYS, max(0, (last - first).days // 7 + 1))
        candidates |= {first + datetime.timedelta(7 * week) for week in range(weeks)}
    if not candidates:
        faults.append(Fault("calendar.txt", "dates", "a Wednesday with service", "none"))
        return "", set()
    best = max(sorted(candidates), key=lambda day: sum(size.get(service, 0) for service in running(day)))
    return best.strftime("%Y%m%d"), running(best)

"""The day of a GTFS feed that is counted, and the services that run on it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from transport_abm.core.errors import Fault
from transport_abm.networks.cities.csv_files import Columns

_Span = tuple[str, list[bool], datetime.date, datetime.date]
_WEDNESDAY = 3
"""Ordinal of the first Wednesday of the calendar [day]."""


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
    spans: list[_Span] = []
    week = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    if calendar := tables.get("calendar.txt"):
        days = [calendar.text(name) for name in week]
        dates_of = [map(_day, calendar.text(name)) for name in ("start_date", "end_date")]
        for row, (service, start, end) in enumerate(zip(calendar.text("service_id"), *dates_of, strict=True)):
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
    best = _busiest_wednesday(spans, changes, size)
    if best is None:
        faults.append(Fault("calendar.txt", "dates", "a Wednesday with trips", "none"))
        return "", set()
    return best.isoformat().replace("-", ""), running(best)


def _busiest_wednesday(
    spans: Sequence[_Span], changes: Mapping[datetime.date, list[tuple[str, bool]]], size: Mapping[str, int]
) -> datetime.date | None:
    """Wednesday with most trips of all that the feed covers, the first of them; None if none has trips.

    Trips are added where a service's weeks begin and taken off where they end, so that any number of years
    costs no more than its weeks.
    """
    weeks: dict[str, list[tuple[int, int]]] = {}
    for service, days, start, end in spans:
        first, last = -((_WEDNESDAY - start.toordinal()) // 7), (end.toordinal() - _WEDNESDAY) // 7
        if days[2] and first <= last:
            weeks.setdefault(service, []).append((first, last))
    steps: dict[int, int] = {}

    def add(first: int, last: int, trips: int) -> None:
        steps[first] = steps.get(first, 0) + trips
        steps[last + 1] = steps.get(last + 1, 0) - trips

    for service, own in weeks.items():
        until = -1
        for first, last in sorted(own):
            if last > until:
                add(max(first, until + 1), last, size.get(service, 0))
                until = last
    for day, exceptions in changes.items():
        if day.weekday() == 2:
            week = (day.toordinal() - _WEDNESDAY) // 7
            for service, added in dict(exceptions).items():
                planned = any(first <= week <= last for first, last in weeks.get(service, ()))
                add(week, week, (int(added) - int(planned)) * size.get(service, 0))
    best, most, trips = None, 0, 0
    for week in sorted(steps):
        trips += steps[week]
        if trips > most:
            best, most = week, trips
    return None if best is None else datetime.date.fromordinal(7 * best + _WEDNESDAY)

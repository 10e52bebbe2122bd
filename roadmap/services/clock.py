"""The day on which the local services live. All records cover it."""

from __future__ import annotations

import datetime

TODAY = datetime.date(2013, 2, 28)  # the last full trading day of the prices
HOUR = 18  # what counts as now, in hours GMT: early afternoon in New York, the morning in Seattle


def day_of(today: str | datetime.date | None) -> datetime.date:
    """`today` as a date, `TODAY` where there is none. Raises ValueError when it is no date."""
    if isinstance(today, str):
        return datetime.date.fromisoformat(today)
    return today or TODAY

"""The price service: daily prices of a share, in a plain JSON shape of this course's own."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from . import records
from .refusal import Refused


def between(query: Mapping[str, str], today: datetime.date) -> dict[str, Any]:
    """`/v1/prices?symbol=AAPL&start=2013-02-01&end=2013-02-28`: the trading days between two dates, both included.

    `end` is today and `start` is `end` where they are missing; days after today are not known yet. A date without
    trading has no row. A symbol that is not recorded is a 404.
    """
    symbol = query.get("symbol", "").strip().upper()
    if not symbol:
        raise Refused("Parameter 'symbol' is required.")
    if symbol not in records.prices():
        raise Refused(f"No prices are recorded for {symbol}.", 404)
    try:
        end = datetime.date.fromisoformat(query.get("end") or str(today))
        start = datetime.date.fromisoformat(query.get("start") or str(end))
    except ValueError:
        raise Refused("'start' and 'end' must be dates, as YYYY-MM-DD.") from None
    if start > end:
        raise Refused("'start' is after 'end'.")
    rows = [
        {
            "date": str(day.date),
            "open": day.open,
            "high": day.high,
            "low": day.low,
            "close": day.close,
            "volume": day.volume,
        }
        for day in records.prices()[symbol]
        if start <= day.date <= min(end, today)
    ]
    about = {"symbol": symbol, "currency": "USD", "recorded": True, "source": records.PRICE_SOURCE, "today": str(today)}
    return about | {"prices": rows}

"""The price service: daily prices of a few shares, as they were recorded until March 2013."""

from __future__ import annotations

import csv
import datetime
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from roadmap import artifacts

from .refusal import Refused

PRICES = "daily-prices"
SOURCE = "recorded daily prices, 2000 to 2013"
LOOK_BACK = datetime.timedelta(days=10)
_COLUMNS = ["Date", "Open", "High", "Low", "Close", "Volume", "Ticker"]


@dataclass(frozen=True)
class Trading:
    """A day of one share, in US dollars as they were paid then."""

    date: datetime.date
    open: float
    high: float
    low: float
    close: float
    volume: int


@cache
def _lines() -> dict[str, list[list[str]]]:
    """The rows of each share, by its symbol: splitting is quick, and most programs ask for one share."""
    found: dict[str, list[list[str]]] = {}
    with gzip.open(artifacts.path(PRICES), "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        columns = [header.index(name) for name in _COLUMNS]
        for row in rows:
            *values, symbol = (row[column] for column in columns)
            found.setdefault(symbol, []).append(values)
    return found


@cache
def trading(symbol: str) -> list[Trading]:
    """The trading days of a share, in order. Raises KeyError when it is not recorded."""
    days = []
    for date, *numbers, volume in _lines()[symbol]:
        opened, high, low, close = map(float, numbers)
        days.append(Trading(datetime.date.fromisoformat(date), opened, high, low, close, int(float(volume))))
    return sorted(days, key=lambda day: day.date)


def prices(query: Mapping[str, str], today: datetime.date) -> dict[str, Any]:
    """`/v1/prices?symbol=AAPL&start=2013-02-01&end=2013-02-28`: the trading days between two dates, both included.

    Where they are missing, `end` is today and `start` is ten days before `end`; days after today are not known yet. A
    date without trading has no row. A symbol that is not recorded is a 404; other wrong queries are a 400; both have
    the body `{"error": true, "reason": ...}`. An answer is `{"symbol", "currency": "USD", "recorded": true, "today",
    "source", "prices": [{"date", "open", "high", "low", "close", "volume"}, ...]}`, in the order of the dates.
    """
    symbol = query.get("symbol", "").strip().upper()
    if not symbol:
        raise Refused("Parameter 'symbol' is required.")
    if symbol not in _lines():
        raise Refused(f"No prices are recorded for {symbol}.", 404)
    try:
        end = datetime.date.fromisoformat(query.get("end") or str(today))
        start = datetime.date.fromisoformat(query.get("start") or str(end - LOOK_BACK))
    except (ValueError, OverflowError):
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
        for day in trading(symbol)
        if start <= day.date <= min(end, today)
    ]
    return {
        "symbol": symbol,
        "currency": "USD",
        "recorded": True,
        "today": str(today),
        "source": SOURCE,
        "prices": rows,
    }

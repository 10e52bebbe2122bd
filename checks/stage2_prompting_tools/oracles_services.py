"""Right answers for task 2.5, and services drawn for it."""

from __future__ import annotations

import datetime
import math
from typing import Any

from checks.stage2_prompting_tools.http_services import Answer, Asked

DAILY = ["temperature_2m_max", "temperature_2m_min", "precipitation_sum", "weather_code"]
CODES = {0: "clear sky", 3: "overcast", 45: "fog", 61: "slight rain", 75: "heavy snow", 95: "thunderstorm"}
ODD_CODE = 42


def token(rng, length: int = 8) -> str:
    """A word that nobody would write by chance."""
    return "".join(rng.choice(list("bcdfghjkmnpqrstvwxz"), size=length))


def city(rng) -> list[Any]:
    """A place: name, country, latitude, longitude."""
    name, country = token(rng).title(), token(rng, 6).title()
    return [name, country, round(float(rng.uniform(-89, 89)), 4), round(float(rng.uniform(-179, 179)), 4)]


def backoffs(backoff: float, count: int) -> list[float]:
    """The waits before each retry."""
    return [backoff * 2**n for n in range(count)]


def degrees(query: dict[str, str]) -> list[float]:
    """Latitude and longitude of a query; not a number where it holds none."""
    found = []
    for key in ("latitude", "longitude"):
        try:
            found.append(float(query[key]))
        except (KeyError, ValueError):
            found.append(math.nan)
    return found


def date(rng) -> datetime.date:
    """A day."""
    return datetime.date(2001, 1, 10) + datetime.timedelta(days=int(rng.integers(0, 9000)))


def number(rng, low: float, high: float) -> float:
    """A number with one decimal that differs from its own integer part."""
    return round(int(rng.integers(low, high)) + int(rng.integers(1, 10)) / 10, 1)


def weather(rng, days: int) -> dict[str, list[Any]]:
    """Weather of some days, the dates of which are not in the usual place among the variables."""
    first = date(rng)
    codes = [*CODES, ODD_CODE]
    columns = {
        "temperature_2m_max": [number(rng, 20, 40) for _ in range(days)],
        "temperature_2m_min": [number(rng, -20, 19) for _ in range(days)],
        "precipitation_sum": [number(rng, 50, 90) for _ in range(days)],
        "weather_code": [codes[int(n)] for n in rng.integers(0, len(codes), size=days)],
        "time": [str(first + datetime.timedelta(days=n)) for n in range(days)],
    }
    return {name: columns[name] for name in rng.permutation(list(columns)).tolist()}


def forecast_of(daily: dict[str, list[Any]], units: dict[str, str], **more: Any) -> dict[str, Any]:
    """An answer in the service's form."""
    return {"latitude": 1.0, "longitude": 2.0, "daily_units": {"time": "iso8601", **units}, "daily": daily, **more}


def days_of(daily: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The Days that a client makes of it."""
    return [
        {
            "date": daily["time"][n],
            "low": daily["temperature_2m_min"][n],
            "high": daily["temperature_2m_max"][n],
            "precipitation": daily["precipitation_sum"][n],
            "sky": sky(daily["weather_code"][n]),
        }
        for n in range(len(daily["time"]))
    ]


def sky(code: int | None) -> str | None:
    """The words for a code."""
    return None if code is None else CODES.get(code, f"weather code {code}")


def by_query(service_days: int = 16):
    """A weather and price service whose numbers follow from the query, so that no two queries have one answer."""

    def answer(asked: Asked) -> Answer:
        query = asked.query
        if asked.path == "/v1/search":
            name = query.get("name", "")
            place = {"name": name.title(), "country": "Somewhere", "latitude": float(len(name)), "longitude": 1.5}
            return Answer({"results": [place]})
        if asked.path == "/v1/prices":
            last = query.get("end", "2010-06-01")
            return Answer(prices(query.get("symbol", ""), {last: float(len(last) + ord(query["symbol"][0]))}))
        days = min(int(query.get("forecast_days", "7")), service_days)
        high = round(float(query["latitude"]) + (100.0 if query.get("temperature_unit") == "fahrenheit" else 0.0), 4)
        daily = {
            "time": [str(datetime.date(2010, 1, 1) + datetime.timedelta(days=n)) for n in range(days)],
            "temperature_2m_max": [high] * days,
            "temperature_2m_min": [0.0] * days,
            "precipitation_sum": [0.0] * days,
            "weather_code": [0] * days,
        }
        letter = "F" if query.get("temperature_unit") == "fahrenheit" else "C"
        return Answer(forecast_of(daily, {"temperature_2m_max": f"°{letter}", "precipitation_sum": "mm"}))

    return answer


def prices(symbol: str, closes: dict[str, float], **more: Any) -> dict[str, Any]:
    """An answer of the price service, its rows in the order of `closes`."""
    rows = [{"date": day, "open": close - 1, "close": close, "volume": 10} for day, close in closes.items()]
    return {"symbol": symbol, "currency": "USD", "prices": rows, **more}

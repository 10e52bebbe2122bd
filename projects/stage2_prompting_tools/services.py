"""Weather and share prices over HTTP: clients that are patient where that helps, and say what they do not know."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import httpx

from .registry import Tool, ToolError
from .schemas import tool_schema

PASSING = frozenset({429, 500, 502, 503, 504})  # what may be over at the next try
LONGEST_WAIT = 30.0  # seconds; nobody waits longer for an answer
LOOK_BACK = 10  # days; no exchange is closed for longer
DAILY = ("temperature_2m_max", "temperature_2m_min", "precipitation_sum", "weather_code")
MOST_DAYS = 16
UNITS = ("celsius", "fahrenheit")
# Codes of the WMO, table 4677, as Open-Meteo gives them.
SKIES = {
    0: "clear sky", 1: "mainly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "rime fog",
    51: "light drizzle", 53: "drizzle", 55: "dense drizzle", 56: "light freezing drizzle", 57: "freezing drizzle",
    61: "slight rain", 63: "rain", 65: "heavy rain", 66: "light freezing rain", 67: "freezing rain",
    71: "slight snow", 73: "snow", 75: "heavy snow", 77: "snow grains",
    80: "slight rain showers", 81: "rain showers", 82: "violent rain showers", 85: "snow showers",
    86: "heavy snow showers", 95: "thunderstorm", 96: "thunderstorm with hail", 99: "thunderstorm with heavy hail",
}  # fmt: skip

T = TypeVar("T")


class ServiceError(Exception):
    """A service gave no answer that can be used. The text is for people: what happened, and the service's reason.

    `status` is that of the HTTP response, or None where the response was none or a good one that made no sense.
    """

    def __init__(self, message: str, status: int | None = None):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class City:
    """A city. Latitude and longitude are in degrees."""

    name: str
    country: str
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Day:
    """A day's weather. None is what the service does not have. `date` is YYYY-MM-DD."""

    date: str
    low: float | None
    high: float | None
    precipitation: float | None
    sky: str | None


@dataclass(frozen=True)
class Forecast:
    """The weather of some days. The units are the service's own words: "°C", "mm"."""

    city: City
    days: tuple[Day, ...]
    temperature_unit: str
    precipitation_unit: str
    source: str


@dataclass(frozen=True)
class Price:
    """What a share closed at on a trading day. `date` is YYYY-MM-DD."""

    symbol: str
    date: str
    close: float
    currency: str
    source: str


def new_client(url: str) -> httpx.Client:
    """A client for an address. No proxy stands before this very machine, whatever the environment says."""
    return httpx.Client(trust_env=urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"))


def source_of(answer: Mapping[str, Any], base: str) -> str:
    """Whom to cite for an answer: the `source` that it names, or else the host that gave it."""
    named = answer.get("source")
    return named if isinstance(named, str) and named else urlsplit(base).hostname or base


def fetch_json(
    url: str,
    params: Mapping[str, Any],
    *,
    timeout: float = 5.0,
    retries: int = 2,
    backoff: float = 0.5,
    sleep: Callable[[float], object] = time.sleep,
    client: httpx.Client | None = None,
) -> Any:
    """GET `url` with the query `params`, and return the JSON of the answer.

    A try is one request through `client` (`new_client(url)`, closed at the end, where there is none) with `timeout`, in
    seconds. A try has failed in passing if there was no connection, if it broke or timed out (httpx.NetworkError,
    RemoteProtocolError, TimeoutException), or if the status is in PASSING. Then there is another, up to
    `retries` + 1 tries in all; before the retry number n (from 1 on) it waits `backoff` * 2**(n - 1) seconds, through
    `sleep`. With status 429 or 503 and a Retry-After header of so many whole seconds it waits for the longer of the
    two; any other Retry-After (a date, a word, a negative number) counts as none. Never does it wait after the last
    try, nor for more than LONGEST_WAIT seconds that a Retry-After demands: then it gives up at once.

    Raises ServiceError:
    - when the tries are used up or it gives up. The text holds how many requests were sent, as in "3 tries", and the
      last reason; for a Retry-After that is too long its seconds as well;
    - at once for every other status that is not 2xx, redirects included: they may lead anywhere;
    - at once for a 2xx answer whose body is not JSON (or is nested too deep for Python's parser);
    - at once for what else httpx cannot do (any other httpx.HTTPError), such as an address that is not HTTP.
    Reasons. Of a response it is the `reason` of its JSON body, a str that is not empty, as in
    `{"error": true, "reason": "..."}`, or else the status itself, as in "502": the text always holds both where both
    are there. `status` is the response's, but None for a 2xx answer and where the last try got no whole response.
    """
    raise NotImplementedError("task 2.5: fetch_json")


class Cache:
    """Answers that are kept for a while. `clock` gives seconds, from any beginning."""

    def __init__(self, ttl: float, clock: Callable[[], float]):
        self.ttl = ttl
        self.clock = clock
        self.kept: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make()` returns; for `ttl` seconds after it has returned, the same again for the same key.

        None is an answer like any other. When `make` raises, its exception goes through and nothing is kept. An answer
        is given again as long as less than `ttl` seconds have passed since it came, by `clock`: with a ttl of 0 never.
        """
        raise NotImplementedError("task 2.5: Cache.get")


class Weather:
    """A client of Open-Meteo's forecast (`base`) and geocoding (`geocoding`), or of anything that speaks like it.

    What remains of the arguments, such as `timeout`, `retries`, `sleep` and `client`, goes to `fetch_json`.
    """

    def __init__(
        self,
        base: str,
        geocoding: str,
        *,
        ttl: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
        **fetching: Any,
    ):
        self.base = base
        self.geocoding = geocoding
        self.cache = Cache(ttl, clock)
        self.fetching = fetching

    def find(self, name: str) -> City | None:
        """The city of that name: the first of the service's results; None when it knows none.

        Asks `{geocoding}/v1/search` with name, `count` 1 and `language` "en". White space around the name and doubled
        inside is dropped; a name that is blank then is not asked for: there is no such city. A service that knows no
        city answers with empty `results` or without them; `country` is "" where the service does not give it.

        Kept in the cache, None as well; names that differ in case or white space only are one. Raises ServiceError,
        also for an answer that is none: no object, results that are no list, a city without a name or place.
        """
        raise NotImplementedError("task 2.5: Weather.find")

    def forecast(self, city: City, *, days: int = 1, unit: str = "celsius") -> Forecast:
        """The weather of the next `days` days at a city, from today on, in `unit`.

        Asks `{base}/v1/forecast` with the city's latitude and longitude, `daily` with the variables of DAILY joined by
        commas, `forecast_days`, `temperature_unit`, and `timezone` "auto": a day is the city's own.

        Each Day is one date of the answer's `daily`, in the answer's order, with what stands there at the same index;
        null is None. `sky` is the word of SKIES for the code, or "weather code 42" for one that is not there. The units
        are those that the answer names in `daily_units`, for temperature_2m_max and precipitation_sum: what was asked
        for is not what is stated. `source` is `source_of(answer, base)`.

        Kept in the cache, apart for each place, number of days and unit. Raises
        - ValueError, before anything is asked, if days is not 1 to MOST_DAYS or unit is not one of UNITS;
        - ServiceError, also for an answer that is none: a variable or unit that is missing, no dates, lists of
          different lengths, a temperature or precipitation that is neither a number nor null.
        """
        raise NotImplementedError("task 2.5: Weather.forecast")


class Stocks:
    """A client of the course's price service (`/v1/prices`). The arguments are as those of Weather."""

    def __init__(
        self,
        base: str,
        *,
        ttl: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
        **fetching: Any,
    ):
        self.base = base
        self.cache = Cache(ttl, clock)
        self.fetching = fetching

    def price(self, symbol: str, day: str | None = None) -> Price | None:
        """What a share closed at on `day` (YYYY-MM-DD), or on the last trading day before; without `day`, the latest.

        Asks `{base}/v1/prices` with `symbol`, in capitals and without white space around it, and, if there is a day,
        `end` (the day) and `start` (LOOK_BACK days earlier). The answer is {"symbol", "currency", "prices": [{"date",
        "close", ...}, ...]}, its dates in any order: the latest counts, but none after `day`. `source` is
        `source_of(answer, base)`.

        None when the symbol is blank (nothing is asked then) or not known, which is the status 404, and when there was
        no trading day. All of these are answers. Kept in the cache, None as well, apart for each symbol and day.

        Raises ValueError, before anything is asked, if `day` is no date in this form; ServiceError, also for an answer
        that is none: no list of prices, a date, a close or a currency that is missing or of another type.
        """
        raise NotImplementedError("task 2.5: Stocks.price")


def tools(weather: Weather, stocks: Stocks, *, unit: str = "celsius") -> list[Tool]:
    """The tools of the assistant, both read-only. Temperatures are in `unit`.

    A result has the numbers with their units, the date that they are for, and the source, so that an answer can state
    and cite them. What does not exist is said in words; what failed is a ToolError.
    """

    def get_weather(city: str, day: Literal["today", "tomorrow"] = "today") -> Any:
        """The weather of a city, today or tomorrow.

        Args:
            city: the city's name
            day: which day
        """
        try:
            found = weather.find(city)
            if found is None:
                return f"There is no city named {city} in the directory."
            forecast = weather.forecast(found, days=2 if day == "tomorrow" else 1, unit=unit)
        except ServiceError as error:
            raise ToolError(f"The weather in {city} is not known. {error}") from None
        known = forecast.days[-1]
        return _stated(
            city=", ".join(filter(None, (found.name, found.country))),
            date=known.date,
            lowest_temperature=_with_unit(known.low, forecast.temperature_unit),
            highest_temperature=_with_unit(known.high, forecast.temperature_unit),
            precipitation=_with_unit(known.precipitation, forecast.precipitation_unit),
            sky=known.sky,
            source=forecast.source,
        )

    def get_stock_price(symbol: str, date: str | None = None) -> Any:
        """The price of a share at its exchange, by ticker symbol.

        Args:
            symbol: the ticker symbol
            date: a past day, as YYYY-MM-DD; the latest price without it
        """
        try:
            price = stocks.price(symbol, date)
        except ValueError:
            raise ToolError(f"{date} is no date. Write it as YYYY-MM-DD.") from None
        except ServiceError as error:
            raise ToolError(f"The price of {symbol} is not known. {error}") from None
        if price is None:
            return f"No price of {symbol} is known for {date or 'the latest trading days'}."
        return _stated(
            symbol=price.symbol,
            date=price.date,
            closing_price=_with_unit(price.close, price.currency),
            source=price.source,
        )

    return [Tool(**tool_schema(function), function=function) for function in (get_weather, get_stock_price)]


def _with_unit(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{value:g} {unit}"


def _stated(**values: str | None) -> dict[str, str]:
    """What is known. A model that reads null may read zero."""
    return {name: value if value is not None else "not recorded" for name, value in values.items()}

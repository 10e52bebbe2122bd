"""Right answers for task 2.10, and a world to ask about: cities, shares, and a model that talks about them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from checks.stage2_prompting_tools import oracles_services as services
from checks.stage2_prompting_tools.http_services import Answer, Asked

PROGRAM = "python -m stage2_prompting_tools"
OPTIONS = ("--model", "--max-turns", "--units", "--system", "--prices", "--notes", "--yes", "--trace", "--json")
COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
token, number = services.token, services.number


@dataclass
class City:
    """A city, its weather of today and of tomorrow, and who says so. `fahrenheit` has the same days, other figures."""

    name: str
    country: str
    place: tuple[float, float]
    days: dict[str, list[Any]]
    fahrenheit: dict[str, list[Any]]
    source: str

    @classmethod
    def drawn(cls, rng, source: str | None = None) -> City:
        """A city that nobody has heard of."""
        name, country, *place = services.city(rng)
        days = services.weather(rng, 2)
        hot = {**days, "temperature_2m_max": [number(rng, 300, 400) for _ in range(2)]}
        return cls(name, country, tuple(place), days, hot, source or f"{token(rng).title()} Weather Office")

    def result(self, *, day: int = 0, imperial: bool = False) -> dict[str, str]:
        """What get_weather returns."""
        days, unit = (self.fahrenheit, "°F") if imperial else (self.days, "°C")
        return {
            "city": f"{self.name}, {self.country}",
            "date": days["time"][day],
            "lowest_temperature": f"{days['temperature_2m_min'][day]:g} {unit}",
            "highest_temperature": f"{days['temperature_2m_max'][day]:g} {unit}",
            "precipitation": f"{days['precipitation_sum'][day]:g} mm",
            "sky": services.sky(days["weather_code"][day]),
            "source": self.source,
        }

    def told(self, *, day: int = 0) -> str:
        """An answer that states every figure and names the source."""
        result = self.result(day=day)
        return (
            f"In {self.name} it is {result['lowest_temperature']} to {result['highest_temperature']}, "
            f"with {result['precipitation']} of rain. That is from the {self.source}."
        )


@dataclass
class Share:
    """A share, and who knows its price. The services ask once for it, where a city's weather takes two requests."""

    symbol: str
    date: str
    close: float
    source: str

    @classmethod
    def drawn(cls, rng, source: str | None = None) -> Share:
        """A share that nobody has heard of."""
        name = source or f"{token(rng).title()} Exchange"
        return cls(token(rng, 5).upper(), str(services.date(rng)), number(rng, 100, 900), name)

    def result(self) -> dict[str, str]:
        """What get_stock_price returns."""
        price = {"symbol": self.symbol, "date": self.date, "closing_price": f"{self.close:g} USD"}
        return price | {"source": self.source}

    def told(self, *, named: bool = True) -> str:
        """An answer that states the figure, and names its source or does not."""
        return f"{self.symbol} closed at {self.close:g} USD{f', says the {self.source}' * named}."


class World:
    """A weather and price service. Plays as a plan of `http_services.Service`."""

    def __init__(self, *known: City | Share):
        self.cities = {city.name.casefold(): city for city in known if isinstance(city, City)}
        self.shares = {share.symbol: share for share in known if isinstance(share, Share)}

    def __call__(self, asked: Asked) -> Answer:
        query = asked.query
        if asked.path == "/v1/search":
            city = self.cities.get(query.get("name", "").casefold())
            if city is None:
                return Answer({})
            place = dict(zip(("latitude", "longitude"), city.place, strict=True))
            return Answer({"results": [{"name": city.name, "country": city.country, **place}]})
        if asked.path == "/v1/forecast":
            return self._forecast(query)
        share = self.shares.get(query.get("symbol", ""))
        if share is None:
            return Answer({"error": True, "reason": "no such share"}, 404)
        return Answer(services.prices(share.symbol, {share.date: share.close}, source=share.source))

    def _forecast(self, query: dict[str, str]) -> Answer:
        asked = (query.get("latitude"), query.get("longitude"))
        city = next((c for c in self.cities.values() if tuple(map(str, c.place)) == asked), None)
        if city is None:
            return Answer({"error": True, "reason": "no such place"}, 400)
        imperial = query.get("temperature_unit") == "fahrenheit"
        days = {name: rows[: int(query["forecast_days"])] for name, rows in self._days(city, imperial).items()}
        units = {"temperature_2m_max": "°F" if imperial else "°C", "precipitation_sum": "mm"}
        return Answer(services.forecast_of(days, units, source=city.source))

    @staticmethod
    def _days(city: City, imperial: bool) -> dict[str, list[Any]]:
        return city.fahrenheit if imperial else city.days


def line(result: dict[str, str]) -> str:
    """The whole line of a citation."""
    entries = "; ".join(f"{key.replace('_', ' ')}: {value}" for key, value in result.items() if key != "source")
    return f"Source: {result['source']} ({entries})"


def as_content(result: dict[str, str]) -> str:
    """A result as the registry writes it."""
    return json.dumps(result, ensure_ascii=False)


def loads(text: str) -> Any:
    """JSON, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

"""The recorded data behind the local services, read once a process.

Cities: GeoNames. Days: what a NOAA station in Seattle recorded from 2012 to 2015. Prices: daily prices of five shares
until March 2013. `roadmap fetch --list` names the packages they come in, with their licences.
"""

from __future__ import annotations

import csv
import datetime
import gzip
import json
import unicodedata
from dataclasses import dataclass
from functools import cache

from roadmap import artifacts

TODAY = datetime.date(2013, 2, 28)  # the last full trading day of the prices; the weather goes on to 2015
STATION = (47.4444, -122.3139)  # latitude and longitude of the airport whose weather was recorded
CITIES, PRICES, DAYS = "world-cities", "daily-prices", "seattle-weather"
# Whom an answer's reader is told that the figures are from.
WEATHER_SOURCE, PRICE_SOURCE = "NOAA weather records for Seattle", "recorded daily prices"


@dataclass(frozen=True)
class City:
    """A city. `population` decides which of two namesakes comes first."""

    id: int
    name: str
    latitude: float
    longitude: float
    country_code: str
    country: str
    population: int
    timezone: str


@dataclass(frozen=True)
class Day:
    """A day's record: degrees Celsius, millimetres, metres a second, and the sky in one word."""

    date: datetime.date
    highest: float
    lowest: float
    precipitation: float
    wind: float
    sky: str


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
def cities() -> dict[str, list[City]]:
    """Every city of 15,000 people or more, by folded name and alternative names, the largest namesake first."""
    folder = artifacts.path(CITIES)
    countries = json.loads((folder / "countries.json").read_text(encoding="utf-8"))
    found: dict[str, list[City]] = {}
    for entry in json.loads((folder / "cities15000.json").read_text(encoding="utf-8")).values():
        code = entry["countrycode"]
        city = City(
            entry["geonameid"],
            entry["name"],
            entry["latitude"],
            entry["longitude"],
            code,
            countries.get(code, {}).get("name", code),
            entry["population"],
            entry["timezone"],
        )
        for name in {fold(entry["name"]), *map(fold, entry["alternatenames"])}:
            found.setdefault(name, []).append(city)
    for namesakes in found.values():
        namesakes.sort(key=lambda city: -city.population)
    return found


@cache
def days() -> dict[datetime.date, Day]:
    """The recorded days of Seattle, by date."""
    found = {}
    with artifacts.path(DAYS).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            date = datetime.date.fromisoformat(row["date"].replace("/", "-"))
            highest, lowest, rain, wind = (float(row[n]) for n in ("temp_max", "temp_min", "precipitation", "wind"))
            found[date] = Day(date, highest, lowest, rain, wind, row["weather"])
    return found


@cache
def prices() -> dict[str, list[Trading]]:
    """The trading days of each share, by its symbol, in order."""
    found: dict[str, list[Trading]] = {}
    with gzip.open(artifacts.path(PRICES), "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            opened, high, low, close = (float(row[name]) for name in ("Open", "High", "Low", "Close"))
            date, volume = datetime.date.fromisoformat(row["Date"]), int(float(row["Volume"]))
            day = Trading(date, opened, high, low, close, volume)
            found.setdefault(row["Ticker"], []).append(day)
    for trading in found.values():
        trading.sort(key=lambda day: day.date)
    return found


def fold(name: str) -> str:
    """A name without case, accents and doubled spaces: 'São Paulo' is 'sao paulo'."""
    if not name.isascii():  # most names are, and there are 600,000 of them
        name = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return " ".join(name.casefold().split())

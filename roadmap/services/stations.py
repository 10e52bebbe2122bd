"""What weather stations recorded: Seattle by the day from 2012 to 2015, New York's airports by the hour in 2013.

Source: NOAA, in the packages that `roadmap fetch --list` names. Values are in the units of `Hour` and `Day`. None is
what was not recorded; nothing is ever filled in.
"""

from __future__ import annotations

import csv
import datetime
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo

from roadmap import artifacts

SEATTLE, NEW_YORK = "seattle-weather", "new-york-weather"
REACH_KM = 50.0  # a record speaks for places this near to its station
_FULL_DAY = 20  # a day with fewer recorded hours has no highest and no sum
_FASTEST = 100.0  # m/s; the record has one impossible wind, of 469 m/s: a slip, not weather


@dataclass(frozen=True)
class Hour:
    """An hour's record: °C, %, m/s, degrees that the wind comes from, mm, hPa, m."""

    temperature: float | None
    dew_point: float | None
    humidity: float | None
    wind: float | None
    wind_direction: float | None
    gust: float | None
    precipitation: float | None
    pressure: float | None
    visibility: float | None


@dataclass(frozen=True)
class Day:
    """A day's record: °C, mm, m/s, and the sky in one word."""

    highest: float | None = None
    lowest: float | None = None
    mean: float | None = None
    precipitation: float | None = None
    wind: float | None = None
    strongest_wind: float | None = None
    strongest_gust: float | None = None
    sky: str | None = None


@dataclass(frozen=True)
class Station:
    """A place with a record. `code` is its airport's."""

    code: str
    name: str
    latitude: float
    longitude: float
    elevation: float
    timezone: str

    @property
    def hourly(self) -> bool:
        """Whether it was recorded by the hour."""
        return self.code != "SEA"

    def hours(self) -> Mapping[datetime.datetime, Hour]:
        """The recorded hours, by their time in GMT (naive)."""
        return _hours(self.code) if self.hourly else {}

    def days(self, zone: str) -> Mapping[datetime.date, Day]:
        """The recorded days. Of an hourly record they are those of `zone`, of a daily one always the station's own."""
        return _days_of_hours(self.code, zone) if self.hourly else _days()


STATIONS = (
    Station("SEA", "Seattle-Tacoma International Airport", 47.4444, -122.3139, 132.0, "America/Los_Angeles"),
    Station("EWR", "Newark Liberty International Airport", 40.6925, -74.1687, 5.0, "America/New_York"),
    Station("JFK", "John F. Kennedy International Airport", 40.6398, -73.7789, 4.0, "America/New_York"),
    Station("LGA", "LaGuardia Airport", 40.7772, -73.8726, 7.0, "America/New_York"),
)


def nearest(latitude: float, longitude: float) -> Station | None:
    """The station nearest to a place, in degrees; None when none is within `REACH_KM`."""
    station = min(STATIONS, key=lambda each: _kilometres(each, latitude, longitude))
    return station if _kilometres(station, latitude, longitude) <= REACH_KM else None


@cache
def _days() -> dict[datetime.date, Day]:
    found = {}
    with artifacts.path(SEATTLE).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            date = datetime.date.fromisoformat(row["date"].replace("/", "-"))
            highest, lowest, rain, wind = (float(row[n]) for n in ("temp_max", "temp_min", "precipitation", "wind"))
            found[date] = Day(highest, lowest, None, rain, wind, sky=row["weather"])
    return found


@cache
def _rows() -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    with artifacts.path(NEW_YORK).open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        names = ("temp", "dewp", "humid", "wind_speed", "wind_dir", "wind_gust", "precip", "pressure", "visib")
        header = next(rows)
        columns = [header.index(name) for name in ("time_hour", *names)]
        origin = header.index("origin")
        for row in rows:
            found.setdefault(row[origin], []).append([row[column] for column in columns])
    return found


@cache
def _hours(code: str) -> dict[datetime.datetime, Hour]:
    found = {}
    for time, *cells in _rows()[code]:
        numbers = [None if cell in ("NA", "") else float(cell) for cell in cells]
        temperature, dew_point, humidity, wind, direction, gust, rain, pressure, sight = numbers
        wind = _times(wind, 0.44704)  # miles an hour
        if wind is not None and wind > _FASTEST:
            wind = None
        found[datetime.datetime.fromisoformat(time.removesuffix("Z"))] = Hour(
            _celsius(temperature),
            _celsius(dew_point),
            humidity,
            wind,
            direction,
            _times(gust, 0.44704),
            _times(rain, 25.4),  # inches
            pressure,
            _times(sight, 1609.344),  # miles
        )
    return found


@cache
def _days_of_hours(code: str, zone: str) -> dict[datetime.date, Day]:
    grouped: dict[datetime.date, list[Hour]] = {}
    for local, hour in _local(code, zone):
        grouped.setdefault(local.date(), []).append(hour)
    return {date: _summary(hours) for date, hours in grouped.items() if len(hours) >= _FULL_DAY}


def _local(code: str, zone: str) -> Iterator[tuple[datetime.datetime, Hour]]:
    place = ZoneInfo(zone)
    for time, hour in _hours(code).items():
        yield time.replace(tzinfo=datetime.UTC).astimezone(place), hour


def _summary(hours: list[Hour]) -> Day:
    temperatures = [hour.temperature for hour in hours if hour.temperature is not None]
    winds = [hour.wind for hour in hours if hour.wind is not None]
    gusts = [hour.gust for hour in hours if hour.gust is not None]
    rain = [hour.precipitation for hour in hours if hour.precipitation is not None]
    return Day(
        max(temperatures, default=None),
        min(temperatures, default=None),
        sum(temperatures) / len(temperatures) if temperatures else None,
        sum(rain) if rain else None,
        sum(winds) / len(winds) if winds else None,
        max(winds, default=None),
        max(gusts, default=None),
    )


def _celsius(fahrenheit: float | None) -> float | None:
    return None if fahrenheit is None else (fahrenheit - 32) * 5 / 9


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _kilometres(station: Station, latitude: float, longitude: float) -> float:
    """Along the great circle."""
    north, south = math.radians(station.latitude), math.radians(latitude)
    east = math.radians(station.longitude - longitude)
    haversine = math.sin((north - south) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(east / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(haversine))

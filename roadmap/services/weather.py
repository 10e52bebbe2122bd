"""The weather service: Open-Meteo's forecast and geocoding, in its wire format, from what stations recorded.

Source: Open-Meteo's documentation of `/v1/forecast` and `/v1/search`. A place without a record is refused in the
service's own words; a variable that its station did not record is null, as the service gives what it does not have.
Nothing is made up. Of the service's variables those in `DAILY` and `HOURLY` are there.
"""

from __future__ import annotations

import datetime
import math
import time
import zoneinfo
from collections.abc import Callable, Mapping
from typing import Any

from . import cities, clock
from .refusal import Refused
from .stations import Day, Hour, Station, nearest

MOST_DAYS = 16
MOST_RECORDED_DAYS = 4 * 366
_SKIES = {"sun": 0, "fog": 45, "drizzle": 51, "rain": 61, "snow": 71}  # weather codes of the WMO
Unit = tuple[str, Callable[[float], float]]
_UNITS: dict[str, dict[str, Unit]] = {
    "temperature_unit": {
        "celsius": ("°C", lambda v: v),
        "fahrenheit": ("°F", lambda v: v * 9 / 5 + 32),
    },
    "wind_speed_unit": {
        "kmh": ("km/h", lambda v: v * 3.6),
        "ms": ("m/s", lambda v: v),
        "mph": ("mp/h", lambda v: v * 2.236936),  # spelt as the service spells it
        "kn": ("kn", lambda v: v * 1.943844),
    },
    "precipitation_unit": {
        "mm": ("mm", lambda v: v),
        "inch": ("inch", lambda v: v / 25.4),
    },
}
# Each variable: the parameter that chooses its unit, or the unit itself; and where its value comes from.
DAILY: dict[str, tuple[str, Callable[[Day], float | None]]] = {
    "temperature_2m_max": ("temperature_unit", lambda day: day.highest),
    "temperature_2m_min": ("temperature_unit", lambda day: day.lowest),
    "temperature_2m_mean": ("temperature_unit", lambda day: day.mean),
    "precipitation_sum": ("precipitation_unit", lambda day: day.precipitation),
    "wind_speed_10m_max": ("wind_speed_unit", lambda day: day.strongest_wind),
    "wind_speed_10m_mean": ("wind_speed_unit", lambda day: day.wind),
    "wind_gusts_10m_max": ("wind_speed_unit", lambda day: day.strongest_gust),
    "weather_code": ("wmo code", lambda day: None if day.sky is None else _SKIES[day.sky]),
}
HOURLY: dict[str, tuple[str, Callable[[Hour], float | None]]] = {
    "temperature_2m": ("temperature_unit", lambda hour: hour.temperature),
    "dew_point_2m": ("temperature_unit", lambda hour: hour.dew_point),
    "relative_humidity_2m": ("%", lambda hour: hour.humidity),
    "precipitation": ("precipitation_unit", lambda hour: hour.precipitation),
    "wind_speed_10m": ("wind_speed_unit", lambda hour: hour.wind),
    "wind_gusts_10m": ("wind_speed_unit", lambda hour: hour.gust),
    "wind_direction_10m": ("°", lambda hour: hour.wind_direction),
    "pressure_msl": ("hPa", lambda hour: hour.pressure),
    "visibility": ("m", lambda hour: hour.visibility),
}
_DECIMALS = {"wmo code": 0, "%": 0, "°": 0, "m": 0, "inch": 3}


def search(query: Mapping[str, str]) -> dict[str, Any]:
    """`/v1/search`: cities of that name, the largest first. Where none is found there is no `results`.

    `name`, `count` and `countryCode` are those of the service. Names are always in GeoNames' own language, English
    for most large cities, whatever `language` says.
    """
    started = time.perf_counter()
    if "name" not in query:
        raise Refused("Parameter name is required.")
    count = int(_number(query, "count", 10, 1, 100))
    country = query.get("countryCode", "").upper()
    found = [city for city in cities.find(query["name"]) if country in ("", city.country_code)]
    results = [
        {
            "id": city.id,
            "name": city.name,
            "latitude": city.latitude,
            "longitude": city.longitude,
            "feature_code": "PPL",
            "country_code": city.country_code,
            "timezone": city.timezone,
            "population": city.population,
            "country": city.country,
        }
        for city in found[:count]
    ]
    return ({"results": results} if results else {}) | {"generationtime_ms": _since(started)}


def forecast(query: Mapping[str, str], today: datetime.date) -> dict[str, Any]:
    """`/v1/forecast` with `current`, `hourly` and `daily` variables, from `today` on or between two dates.

    `current` is the record of `clock.HOUR` o'clock GMT. Four fields are this course's own: `recorded` (true: the
    answer is a record of that day and no forecast), `today`, `source`, which is whom to cite, and `station`, whose
    place `latitude` and `longitude` are, as the service's are those of its grid.
    """
    started = time.perf_counter()
    if "latitude" not in query or "longitude" not in query:
        raise Refused("Parameter 'latitude' and 'longitude' must have the same number of elements")
    latitude, longitude = _number(query, "latitude", 0, -90, 90), _number(query, "longitude", 0, -180, 180)
    units = _Units(query)
    if query.get("timeformat", "iso8601") != "iso8601":
        raise Refused(f"Cannot initialize Timeformat from invalid String value {query['timeformat']}.")
    current, hourly = (_names(query, part, HOURLY, "ForecastVariable") for part in ("current", "hourly"))
    daily = _names(query, "daily", DAILY, "ForecastVariableDaily")
    station = nearest(latitude, longitude)
    if station is None:
        raise Refused("No data is available for this location")
    zone = _zone(query.get("timezone") or "GMT", station)
    dates = _dates(query, today)
    for part, names in (("current", current), ("hourly", hourly)):
        if names and not station.hourly:
            raise Refused(f"Variables of '{part}' are not recorded at {station.name}; ask for 'daily'.")
    recorded = station.days(zone.key)
    if not dates or not min(recorded) <= dates[0] <= dates[-1] <= max(recorded):
        raise Refused(f"Parameter 'start_date' is out of allowed range from {min(recorded)} to {max(recorded)}")
    now = datetime.datetime(today.year, today.month, today.day, clock.HOUR, tzinfo=datetime.UTC).astimezone(zone)
    offset = now.utcoffset() or datetime.timedelta(0)
    answer: dict[str, Any] = {
        "latitude": station.latitude,
        "longitude": station.longitude,
        "generationtime_ms": _since(started),
        "utc_offset_seconds": int(offset.total_seconds()),
        "timezone": zone.key,
        "timezone_abbreviation": now.tzname(),
        "elevation": station.elevation,
        "recorded": True,
        "today": str(today),
        "station": station.name,
        "source": f"{station.name}, recorded by NOAA",
    }
    if current:
        hour = station.hours().get(now.astimezone(datetime.UTC).replace(tzinfo=None))
        values = {name: units.value(*HOURLY[name], hour) for name in current}
        answer["current_units"] = {"time": "iso8601", "interval": "seconds"} | units.names(current, HOURLY)
        answer["current"] = {"time": f"{now:%Y-%m-%dT%H:%M}", "interval": 3600} | values
    if hourly:
        # As the service does it: the hours of these days, by the offset that holds now.
        times = [datetime.datetime(d.year, d.month, d.day, h) for d in dates for h in range(24)]
        hours = [station.hours().get(at - offset) for at in times]
        answer["hourly_units"] = {"time": "iso8601"} | units.names(hourly, HOURLY)
        answer["hourly"] = {"time": [f"{at:%Y-%m-%dT%H:%M}" for at in times]} | {
            name: [units.value(*HOURLY[name], hour) for hour in hours] for name in hourly
        }
    if daily:
        days = [recorded.get(date) for date in dates]
        answer["daily_units"] = {"time": "iso8601"} | units.names(daily, DAILY)
        answer["daily"] = {"time": [str(date) for date in dates]} | {
            name: [units.value(*DAILY[name], day) for day in days] for name in daily
        }
    return answer


class _Units:
    """The units that a query asks for."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self._chosen: dict[str, Unit] = {}
        for setting, units in _UNITS.items():
            unit = query.get(setting) or next(iter(units))
            if unit not in units:
                raise Refused(f"Cannot initialize {setting} from invalid String value {unit}.")
            self._chosen[setting] = units[unit]

    def names(self, variables: list[str], known: Mapping[str, tuple[str, Any]]) -> dict[str, str]:
        """The unit of each variable."""
        return {name: self._of(known[name][0])[0] for name in variables}

    def value(self, unit: str, read: Callable[[Any], float | None], record: Any) -> float | None:
        """A variable's value in its unit; None where there is no record."""
        value = None if record is None else read(record)
        if value is None:
            return None
        name, convert = self._of(unit)
        decimals = _DECIMALS.get(name, 1)
        return round(convert(value), decimals) if decimals else round(convert(value))

    def _of(self, unit: str) -> Unit:
        return self._chosen.get(unit) or (unit, float)


def _names(query: Mapping[str, str], part: str, known: Mapping[str, Any], kind: str) -> list[str]:
    names = [name for name in query.get(part, "").split(",") if name]
    for name in names:
        if name not in known:
            raise Refused(f"Cannot initialize {kind} from invalid String value {name}.")
    return list(dict.fromkeys(names))


def _zone(name: str, station: Station) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(station.timezone if name == "auto" else name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("Invalid timezone") from None


def _dates(query: Mapping[str, str], today: datetime.date) -> list[datetime.date]:
    if "start_date" in query or "end_date" in query:
        try:
            first, last = (datetime.date.fromisoformat(query[name]) for name in ("start_date", "end_date"))
        except (KeyError, ValueError):
            raise Refused("Both 'start_date' and 'end_date' must be set, as YYYY-MM-DD") from None
        if last < first:
            raise Refused("End-date must be larger or equals than start-date")
        if (last - first).days >= MOST_RECORDED_DAYS:
            raise Refused("The span of dates is longer than any record")
    else:
        first = today - datetime.timedelta(days=int(_number(query, "past_days", 0, 0, 92)))
        last = today + datetime.timedelta(days=int(_number(query, "forecast_days", 7, 1, MOST_DAYS)) - 1)
    return [first + datetime.timedelta(days=n) for n in range((last - first).days + 1)]


def _number(query: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    try:
        value = float(query.get(name, default))
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise Refused(f"Parameter '{name}' must be in range of {least:g} to {most:g}. Given: {query.get(name)}.")
    return value


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)

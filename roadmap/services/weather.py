"""The weather service: Open-Meteo's forecast and geocoding, in its wire format, from recorded days.

Source: Open-Meteo's documentation of `/v1/forecast` and `/v1/search`. A place without a record is refused in the
service's own words; nothing is made up. Of its variables the daily ones in `DAILY` are there.
"""

from __future__ import annotations

import datetime
import math
import time
import zoneinfo
from collections.abc import Callable, Mapping
from typing import Any

from . import records
from .records import Day
from .refusal import Refused

REACH_KM = 50.0  # a record speaks for places this near to its station
MOST_DAYS = 16
STATION_ZONE = "America/Los_Angeles"  # what "auto" stands for: the time zone of the station
# Weather codes of the WMO, as the service gives them.
_SKIES = {"sun": 0, "fog": 45, "drizzle": 51, "rain": 61, "snow": 71}
_TEMPERATURE: dict[str, tuple[str, Callable[[float], float]]] = {
    "celsius": ("°C", lambda v: v),
    "fahrenheit": ("°F", lambda v: v * 9 / 5 + 32),
}
_SPEED: dict[str, tuple[str, Callable[[float], float]]] = {
    "kmh": ("km/h", lambda v: v * 3.6),
    "ms": ("m/s", lambda v: v),
    "mph": ("mp/h", lambda v: v * 2.236936),
    "kn": ("kn", lambda v: v * 1.943844),
}
_LENGTH: dict[str, tuple[str, Callable[[float], float]]] = {
    "mm": ("mm", lambda v: v),
    "inch": ("inch", lambda v: v / 25.4),
}
_UNITS = {"temperature_unit": _TEMPERATURE, "wind_speed_unit": _SPEED, "precipitation_unit": _LENGTH}
# Each daily variable: which parameter chooses its unit, if any, and where its value comes from.
DAILY: dict[str, tuple[str | None, Callable[[Day], float]]] = {
    "temperature_2m_max": ("temperature_unit", lambda day: day.highest),
    "temperature_2m_min": ("temperature_unit", lambda day: day.lowest),
    "precipitation_sum": ("precipitation_unit", lambda day: day.precipitation),
    "wind_speed_10m_mean": ("wind_speed_unit", lambda day: day.wind),
    "weather_code": (None, lambda day: _SKIES[day.sky]),
}


def search(query: Mapping[str, str]) -> dict[str, Any]:
    """`/v1/search`: cities of that name, the largest first. Where none is found there is no `results`."""
    started = time.perf_counter()
    if "name" not in query:
        raise Refused("Parameter name is required.")
    count = _number(query, "count", 10, 1, 100)
    name = records.fold(query["name"])
    found = records.cities().get(name, []) if len(name) > 1 else []
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
        for city in found[: int(count)]
    ]
    return ({"results": results} if results else {}) | {"generationtime_ms": _since(started)}


def forecast(query: Mapping[str, str], today: datetime.date) -> dict[str, Any]:
    """`/v1/forecast` with `daily` variables, from `today` on or between `start_date` and `end_date`.

    `utc_offset_seconds` is the offset of `timezone` now, daylight saving included, where now is 12:00 GMT of `today`.
    The fields `recorded` and `source` are this course's own: the answer is a record of that day and no forecast.
    """
    started = time.perf_counter()
    if "latitude" not in query or "longitude" not in query:
        raise Refused("Parameter 'latitude' and 'longitude' must have the same number of elements")
    latitude, longitude = _number(query, "latitude", 0, -90, 90), _number(query, "longitude", 0, -180, 180)
    for name in ("current", "hourly"):
        if query.get(name):
            raise Refused(f"Variables of '{name}' are not recorded here; ask for 'daily'.")
    zone = _zone(query)
    names = [name for name in query.get("daily", "").split(",") if name]
    for name in names:
        if name not in DAILY:
            raise Refused(f"Cannot initialize ForecastVariableDaily from invalid String value {name}.")
    chosen = {}
    for setting, units in _UNITS.items():
        unit = query.get(setting) or next(iter(units))
        if unit not in units:
            raise Refused(f"Cannot initialize {setting} from invalid String value {unit}.")
        chosen[setting] = units[unit]
    if _kilometres((latitude, longitude), records.STATION) > REACH_KM:
        raise Refused("No data is available for this location")
    dates = _dates(query, today)
    days = [records.days()[date] for date in dates if date in records.days()]
    if len(days) < len(dates):
        first, last = min(records.days()), max(records.days())
        raise Refused(f"Parameter 'start_date' is out of allowed range from {first} to {last}")
    series: dict[str, Any] = {"time": [str(date) for date in dates]}
    units_of = {"time": "iso8601"}
    for name in names:
        parameter, value = DAILY[name]
        if parameter is None:
            units_of[name], series[name] = "wmo code", [value(day) for day in days]
        else:
            units_of[name], convert = chosen[parameter]
            series[name] = [round(convert(value(day)), 1) for day in days]
    return {
        "latitude": latitude,
        "longitude": longitude,
        "generationtime_ms": _since(started),
        "utc_offset_seconds": _offset(zone, today),
        "timezone": zone.key,
        "recorded": True,
        "source": records.WEATHER_SOURCE,
        "today": str(today),
    } | ({"daily_units": units_of, "daily": series} if names else {})


def _zone(query: Mapping[str, str]) -> zoneinfo.ZoneInfo:
    name = query.get("timezone") or "GMT"
    try:
        return zoneinfo.ZoneInfo(STATION_ZONE if name == "auto" else name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("Invalid timezone") from None


def _offset(zone: zoneinfo.ZoneInfo, today: datetime.date) -> int:
    """Seconds that clocks in a zone are ahead of GMT at noon GMT of a day."""
    noon = datetime.datetime(today.year, today.month, today.day, 12, tzinfo=datetime.UTC)
    ahead = noon.astimezone(zone).utcoffset() or datetime.timedelta(0)
    return int(ahead.total_seconds())


def _dates(query: Mapping[str, str], today: datetime.date) -> list[datetime.date]:
    if "start_date" in query or "end_date" in query:
        try:
            first, last = (datetime.date.fromisoformat(query[name]) for name in ("start_date", "end_date"))
        except (KeyError, ValueError):
            raise Refused("Both 'start_date' and 'end_date' must be set, as YYYY-MM-DD") from None
        if last < first:
            raise Refused("End-date must be larger or equals than start-date")
        count = (last - first).days + 1
        if count > len(records.days()):
            raise Refused("The span of dates is longer than the record")
    else:
        first, count = today, int(_number(query, "forecast_days", 7, 0, MOST_DAYS))
    return [first + datetime.timedelta(days=n) for n in range(count)]


def _number(query: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    try:
        value = float(query.get(name, default))
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise Refused(f"Parameter '{name}' must be in range of {least:g} to {most:g}. Given: {query.get(name)}.")
    return value


def _kilometres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Along the great circle between two places, given as latitude and longitude in degrees."""
    north, south = math.radians(a[0]), math.radians(b[0])
    east = math.radians(a[1] - b[1])
    haversine = math.sin((north - south) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(east / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(haversine))


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)

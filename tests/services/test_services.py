"""The local services over real HTTP: the wire format, the records, what they refuse, and the faults."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from roadmap.llm.serving import serve
from roadmap.services import connect, weather
from roadmap.services.app import Fault, Faults, application
from roadmap.services.records import PRICE_SOURCE, WEATHER_SOURCE

SEATTLE = {"latitude": "47.60621", "longitude": "-122.33207"}
DAILY = "temperature_2m_max,temperature_2m_min,precipitation_sum,wind_speed_10m_mean,weather_code"


pytestmark = pytest.mark.usefixtures("fetched")


@pytest.fixture(scope="module")
def url(fetched: None) -> Iterator[str]:
    with connect({}) as addresses:
        assert addresses.weather == addresses.geocoding == addresses.stocks
        yield addresses.weather


def get(url: str, path: str, **query: str) -> tuple[int, Any]:
    answer = httpx.get(url + path, params=query, trust_env=False)
    return answer.status_code, answer.json()


def test_cities_by_name_the_largest_first(url: str) -> None:
    status, found = get(url, "/v1/search", name="Paris", count="3")
    first = found["results"][0]
    assert (status, first["country"], first["country_code"], first["timezone"]) == (200, "France", "FR", "Europe/Paris")
    assert abs(first["latitude"] - 48.85) < 0.05
    sizes = [city["population"] for city in found["results"]]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 3


@pytest.mark.parametrize("name", ["sao paulo", "São  Paulo", "SÃO PAULO"])
def test_cities_without_case_and_accents(url: str, name: str) -> None:
    assert get(url, "/v1/search", name=name)[1]["results"][0]["name"] == "São Paulo"


def test_no_city_is_an_answer_without_results(url: str) -> None:
    status, found = get(url, "/v1/search", name="Xyzzyville")
    assert status == 200
    assert list(found) == ["generationtime_ms"]


def test_a_recorded_day(url: str) -> None:
    status, found = get(url, "/v1/forecast", **SEATTLE, daily=DAILY, forecast_days="2", timezone="auto")
    assert status == 200
    assert found["daily"] == {
        "time": ["2013-02-28", "2013-03-01"],
        "temperature_2m_max": [11.7, 15.0],
        "temperature_2m_min": [6.7, 11.1],
        "precipitation_sum": [8.1, 4.1],
        "wind_speed_10m_mean": [13.7, 19.4],  # 3.8 and 5.4 metres a second
        "weather_code": [61, 61],
    }
    assert found["daily_units"]["temperature_2m_max"] == "°C"
    assert (found["recorded"], found["today"], found["timezone"]) == (True, "2013-02-28", "America/Los_Angeles")
    assert found["source"] == WEATHER_SOURCE


def test_values_are_those_of_the_record_in_the_units_asked_for(url: str) -> None:
    dates = {"start_date": "2012-01-01", "end_date": "2012-01-02"}
    metric = get(url, "/v1/forecast", **SEATTLE, daily=DAILY, **dates, wind_speed_unit="ms")[1]["daily"]
    assert metric["temperature_2m_max"] == [12.8, 10.6]  # the first two rows of the file
    assert metric["precipitation_sum"] == [0.0, 10.9]
    assert metric["wind_speed_10m_mean"] == [4.7, 4.5]
    assert metric["weather_code"] == [51, 61]
    imperial = get(
        url, "/v1/forecast", **SEATTLE, daily=DAILY, **dates, temperature_unit="fahrenheit", precipitation_unit="inch"
    )[1]
    assert imperial["daily"]["temperature_2m_max"] == [55.0, 51.1]
    assert imperial["daily"]["precipitation_sum"] == [0.0, 0.4]
    assert imperial["daily"]["wind_speed_10m_mean"] == [16.9, 16.2]
    assert imperial["daily_units"]["precipitation_sum"] == "inch"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"latitude": "13.75", "longitude": "100.5", "daily": DAILY}, "No data is available for this location"),
        ({"daily": DAILY}, "must have the same number of elements"),
        (SEATTLE | {"daily": "snow_depth"}, "invalid String value snow_depth"),
        (SEATTLE | {"daily": DAILY, "temperature_unit": "kelvin"}, "Cannot initialize temperature_unit"),
        (SEATTLE | {"current": "temperature_2m"}, "not recorded here"),
        (SEATTLE | {"latitude": "91"}, "'latitude' must be in range"),
        (SEATTLE | {"latitude": "north"}, "Given: north"),
        (SEATTLE | {"forecast_days": "17"}, "'forecast_days' must be in range"),
        (SEATTLE | {"start_date": "2011-12-31", "end_date": "2012-01-01"}, "out of allowed range from 2012-01-01"),
        (SEATTLE | {"start_date": "2012-01-02", "end_date": "2012-01-01"}, "End-date must be larger"),
        (SEATTLE | {"start_date": "soon"}, "Both 'start_date' and 'end_date'"),
        (SEATTLE | {"timezone": "Mars/Olympus"}, "Invalid timezone"),
        (SEATTLE | {"timezone": "Europe"}, "Invalid timezone"),
        (SEATTLE | {"timezone": "../GMT"}, "Invalid timezone"),
    ],
)
def test_what_is_not_recorded_is_refused(url: str, query: dict[str, str], reason: str) -> None:
    status, found = get(url, "/v1/forecast", **query)
    assert (status, found["error"]) == (400, True)
    assert reason in found["reason"]


def test_prices_between_two_dates(url: str) -> None:
    status, found = get(url, "/v1/prices", symbol="aapl", start="2000-03-01", end="2000-03-05")
    assert (status, found["symbol"], found["currency"]) == (200, "AAPL", "USD")
    assert found["source"] == PRICE_SOURCE
    assert [row["date"] for row in found["prices"]] == ["2000-03-01", "2000-03-02", "2000-03-03"]  # then a week-end
    assert found["prices"][0] == {
        "date": "2000-03-01", "open": 118.56, "high": 132.06, "low": 118.5, "close": 130.31, "volume": 9616100,
    }  # fmt: skip


def test_prices_of_today_and_never_of_tomorrow(url: str) -> None:
    assert [row["date"] for row in get(url, "/v1/prices", symbol="IBM")[1]["prices"]] == ["2013-02-28"]
    later = get(url, "/v1/prices", symbol="IBM", start="2013-02-27", end="2013-03-01")[1]["prices"]
    assert [row["date"] for row in later] == ["2013-02-27", "2013-02-28"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"symbol": "ZZZZ"}, 404),
        ({}, 400),
        ({"symbol": "IBM", "start": "soon"}, 400),
        ({"symbol": "IBM", "start": "2013-02-28", "end": "2013-02-01"}, 400),
    ],
)
def test_prices_refused(url: str, query: dict[str, str], status: int) -> None:
    assert get(url, "/v1/prices", **query)[0] == status


def test_today_moves() -> None:
    with serve(application(today="2012-12-24")) as url:
        assert get(url, "/v1/forecast", **SEATTLE, daily=DAILY, forecast_days="1")[1]["daily"]["time"] == ["2012-12-24"]
    with pytest.raises(ValueError, match="Invalid isoformat"):
        application(today="yesterday")


@pytest.mark.parametrize(
    ("today", "zone", "name", "hours"),
    [
        ("2013-02-28", None, "GMT", 0),
        ("2013-02-28", "", "GMT", 0),
        ("2013-02-28", "UTC", "UTC", 0),
        ("2013-02-28", "auto", "America/Los_Angeles", -8),
        ("2013-07-01", "auto", "America/Los_Angeles", -7),
        ("2013-03-09", "auto", "America/Los_Angeles", -8),  # clocks go forward in the night that follows
        ("2013-03-10", "auto", "America/Los_Angeles", -7),
        ("2013-02-28", "Europe/Berlin", "Europe/Berlin", 1),
        ("2013-07-01", "Europe/Berlin", "Europe/Berlin", 2),
        ("2013-07-01", "Asia/Kolkata", "Asia/Kolkata", 5.5),
    ],
)
def test_the_offset_of_a_time_zone_is_that_of_today(today: str, zone: str | None, name: str, hours: float) -> None:
    day = datetime.date.fromisoformat(today)
    found = weather.forecast(SEATTLE | ({} if zone is None else {"timezone": zone}), day)
    assert (found["timezone"], found["utc_offset_seconds"]) == (name, hours * 3600)


def test_faults_come_in_order_and_pass() -> None:
    faults = Faults([Fault("status", status=429, retry_after=2), Fault("broken"), Fault("cut"), Fault(seconds=0.2)])
    with serve(application(faults=faults)) as url:
        limited = httpx.get(url + "/v1/search", params={"name": "Paris"}, trust_env=False)
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "2")
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            get(url, "/v1/search", name="Paris")
        with pytest.raises(httpx.RemoteProtocolError):
            get(url, "/v1/search", name="Paris")
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(url + "/v1/search", params={"name": "Paris"}, timeout=0.05, trust_env=False)
        assert get(url, "/v1/search", name="Paris")[0] == 200
    assert faults.requests == [("/v1/search", {"name": "Paris"})] * 5


def test_the_environment_names_other_services() -> None:
    real = {"ROADMAP_WEATHER_URL": "https://api.open-meteo.com/", "ROADMAP_STOCKS_URL": "http://127.0.0.1:9"}
    with connect(real) as addresses:
        assert addresses.geocoding == "https://geocoding-api.open-meteo.com"
        assert addresses.weather == "https://api.open-meteo.com"
    with connect(real | {"ROADMAP_WEATHER_URL": "http://one"}) as addresses:
        assert addresses.geocoding == "http://one"
    with connect(real | {"ROADMAP_GEOCODING_URL": "http://two"}) as addresses:
        assert addresses.geocoding == "http://two"
    with connect({"ROADMAP_STOCKS_URL": "http://three"}) as addresses:
        assert addresses.stocks == "http://three"
        assert get(addresses.geocoding, "/v1/search", name="Oslo")[0] == 200


def test_named_services_need_no_server_library() -> None:
    code = (
        "import sys\nfrom roadmap.services import connect\n"
        "with connect(dict.fromkeys(('ROADMAP_WEATHER_URL', 'ROADMAP_STOCKS_URL'), 'http://x')): pass\n"
        "print([n for n in ('starlette', 'uvicorn', 'torch', 'roadmap.artifacts') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

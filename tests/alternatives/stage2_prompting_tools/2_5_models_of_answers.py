"""Answers are read by pydantic models, JSON by json.loads; tries call one another; the cache notes when it expires."""

from __future__ import annotations

import json

import pydantic


class _Place(pydantic.BaseModel, strict=True):
    name: str
    latitude: float
    longitude: float
    country: str | None = None


class _Found(pydantic.BaseModel, strict=True):
    results: list[_Place] = []


class _Series(pydantic.BaseModel, strict=True):
    time: list[str] = pydantic.Field(min_length=1)
    temperature_2m_max: list[float | None]
    temperature_2m_min: list[float | None]
    precipitation_sum: list[float | None]
    weather_code: list[int | None]

    @pydantic.model_validator(mode="after")
    def _one_length(self):
        if len({len(values) for values in dict(self).values()}) != 1:
            raise ValueError("The lists differ in length.")
        return self


class _Units(pydantic.BaseModel, strict=True):
    temperature_2m_max: str
    precipitation_sum: str


class _Outlook(pydantic.BaseModel, strict=True):
    daily: _Series
    daily_units: _Units


class _Row(pydantic.BaseModel, strict=True):
    date: str
    close: float


class _Prices(pydantic.BaseModel, strict=True):
    currency: str
    prices: list[_Row]


def _read(model, answer, base):
    try:
        return model.model_validate(answer)
    except pydantic.ValidationError as error:
        raise ServiceError(f"The answer of {base} has {error.error_count()} faults.") from error


def fetch_json(url, params, *, timeout=5.0, retries=2, backoff=0.5, sleep=time.sleep, client=None):
    if client is not None:
        return _try(client, url, params, timeout, retries, backoff, sleep, 1)
    own = new_client(url)
    try:
        return _try(own, url, params, timeout, retries, backoff, sleep, 1)
    finally:
        own.close()


def _try(client, url, params, timeout, retries, backoff, sleep, number):
    status, demanded = None, 0
    try:
        response = client.request("GET", url, params=params, timeout=timeout, follow_redirects=False)
    except httpx.HTTPError as error:
        passing = isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError, httpx.TimeoutException))
        reason = f"{type(error).__name__}"
    else:
        status = response.status_code
        passing = status in PASSING
        if status // 100 == 2:
            try:
                return json.loads(response.content)
            except (ValueError, RecursionError):
                raise ServiceError(f"{url} answered without JSON") from None
        reason = f"{status}"
        try:
            body = json.loads(response.content)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict) and isinstance(body.get("reason"), str) and body["reason"]:
            reason += f" because: {body['reason']}"
        header = response.headers.get("Retry-After") or ""
        if status in (429, 503) and header and not set(header) - set("0123456789"):
            demanded = int(header)
    if demanded > LONGEST_WAIT:
        passing = False
        reason += f" (asks for {demanded} s)"
    if not passing or number == retries + 1:
        raise ServiceError(f"{_tries(number)}, the last: {reason}", status)
    sleep(max(demanded, backoff * (1 << number - 1)))
    return _try(client, url, params, timeout, retries, backoff, sleep, number + 1)


class Cache:
    def get(self, key, make):
        until, answer = self.kept.get(key, (None, None))
        if until is None or self.clock() >= until:
            answer = make()
            self.kept[key] = (self.clock() + self.ttl, answer)
        return answer


class Weather:
    def _search(self, name):
        query = {"language": "en", "name": name, "count": "1"}
        found = _read(_Found, fetch_json(self.geocoding + "/v1/search", query, **self.fetching), self.geocoding)
        for place in found.results:
            return City(place.name, place.country or "", place.latitude, place.longitude)
        return None

    def _ask(self, city, days, unit):
        query = {
            "daily": ",".join(sorted(DAILY)),
            "latitude": str(city.latitude),
            "longitude": str(city.longitude),
            "timezone": "auto",
            "forecast_days": str(days),
            "temperature_unit": unit,
            "precipitation_unit": "mm",
        }
        answer = fetch_json(self.base + "/v1/forecast", query, **self.fetching)
        outlook = _read(_Outlook, answer, self.base)
        daily = outlook.daily
        found = []
        for number, date in enumerate(daily.time):
            code = daily.weather_code[number]
            sky = SKIES[code] if code in SKIES else None if code is None else f"weather code {code}"
            low, high = daily.temperature_2m_min[number], daily.temperature_2m_max[number]
            found.append(Day(date=date, low=low, high=high, precipitation=daily.precipitation_sum[number], sky=sky))
        units = outlook.daily_units
        source = source_of(answer, self.base)
        return Forecast(city, tuple(found), units.temperature_2m_max, units.precipitation_sum, source)


class Stocks:
    def _ask(self, query):
        try:
            answer = fetch_json(self.base + "/v1/prices", query, **self.fetching)
        except ServiceError as failure:
            if failure.status != 404:
                raise
            return None
        prices = _read(_Prices, answer, self.base)
        rows = sorted(prices.prices, key=lambda row: row.date, reverse=True)
        for row in rows:
            if "end" not in query or row.date <= query["end"]:
                return Price(query["symbol"], row.date, row.close, prices.currency, source_of(answer, self.base))
        return None

"""Statuses become exceptions and are sorted out in one place; dates are compared as dates; days are read by index."""

import contextlib
import re


class _Passing(Exception):
    """A failure that may be over: its reason, its status, and the wait that was demanded, in seconds."""


def _once(client, url, params, timeout):
    try:
        response = client.get(url, params=list(params.items()), timeout=httpx.Timeout(timeout))
        response.raise_for_status()
        return response.json()
    except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as error:
        raise _Passing(f"no answer: {error!r}", None, 0) from error
    except httpx.HTTPStatusError as error:
        response = error.response
        status, said = response.status_code, ""
        with contextlib.suppress(Exception):
            said = response.json().get("reason")
        reason = f"status {status}" + (f", {said}" if type(said) is str and said else "")
        if status not in PASSING:
            raise ServiceError(reason, status) from error
        header = response.headers.get("retry-after", "")
        obeyed = status == 429 or status == 503
        raise _Passing(reason, status, int(header) if obeyed and re.fullmatch("[0-9]+", header) else 0) from error
    except httpx.HTTPError as error:
        raise ServiceError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise ServiceError("It is no JSON that came.") from error


def fetch_json(url, params, *, timeout=5.0, retries=2, backoff=0.5, sleep=time.sleep, client=None):
    with contextlib.ExitStack() as stack:
        if client is None:
            client = stack.enter_context(new_client(url))
        pauses = [backoff * 2**number for number in range(retries)] + [None]
        for number, pause in enumerate(pauses, 1):
            try:
                return _once(client, url, params, timeout)
            except _Passing as failure:
                reason, status, demanded = failure.args
            if demanded > LONGEST_WAIT:
                raise ServiceError(f"{_tries(number)}: {reason}; busy for {demanded} seconds", status)
            if pause is not None:
                sleep(float(max(pause, demanded)))
        raise ServiceError(f"Given up after {_tries(retries + 1)}: {reason}", status)


class Cache:
    def get(self, key, make):
        with contextlib.suppress(KeyError):
            since, answer = self.kept[key]
            if self.clock() < since + self.ttl:
                return answer
            del self.kept[key]
        answer = make()
        self.kept[key] = self.clock(), answer
        return answer


class Weather:
    def find(self, name):
        words = re.sub(r"\s+", " ", name).strip()
        return self.cache.get(words.upper(), lambda: self._search(words)) if words else None

    def forecast(self, city, *, days=1, unit="celsius"):
        if unit not in UNITS or days not in range(1, MOST_DAYS + 1):
            raise ValueError("There is no such forecast. Ask for 1 to 16 days, in celsius or fahrenheit.")
        key = (city.latitude, city.longitude, city, days, unit)
        return self.cache.get(key, lambda: self._ask(city, days, unit))

    def _search(self, name):
        answer = fetch_json(self.geocoding + "/v1/search", dict(name=name, count=1, language="en"), **self.fetching)
        if type(answer) is not dict or type(answer.get("results", [])) is not list:
            raise ServiceError("The directory of cities is out of order.")
        try:
            place = next(iter(answer.get("results", [])))
        except StopIteration:
            return None
        if type(place) is not dict:
            raise ServiceError("The directory of cities knows a city that is none.")
        name, latitude, longitude = place.get("name"), place.get("latitude"), place.get("longitude")
        if type(name) is not str or not {type(latitude), type(longitude)} <= {int, float}:
            raise ServiceError("The directory of cities knows a city without a name or place.")
        return City(name, place.get("country") or "", float(latitude), float(longitude))

    def _ask(self, city, days, unit):
        query = dict(latitude=city.latitude, longitude=city.longitude, forecast_days=days, temperature_unit=unit)
        query |= {"timezone": "auto", "daily": ",".join(DAILY)}
        answer = fetch_json(self.base + "/v1/forecast", query, **self.fetching)
        try:
            daily = {name: list(answer["daily"][name]) for name in (*DAILY, "time")}
            units = [answer["daily_units"][name] for name in ("temperature_2m_max", "precipitation_sum")]
            assert daily["time"]
            assert len(set(map(len, daily.values()))) == 1
            assert {type(unit) for unit in units} | {type(date) for date in daily["time"]} == {str}
            numbers = [value for name in DAILY[:3] for value in daily[name]]
            assert {type(value) for value in numbers} <= {int, float, type(None)}
        except (AssertionError, KeyError, TypeError, IndexError) as error:
            raise ServiceError("The weather service speaks in riddles.") from error
        found = []
        for number in range(len(daily["time"])):
            values = {name: series[number] for name, series in daily.items()}
            code = values["weather_code"]
            found.append(
                Day(
                    values["time"],
                    values["temperature_2m_min"],
                    values["temperature_2m_max"],
                    values["precipitation_sum"],
                    None if code is None else SKIES.get(code) or f"weather code {code}",
                )
            )
        return Forecast(city, tuple(found), units[0], units[1], source_of(answer, self.base))


class Stocks:
    def price(self, symbol, day=None):
        wanted = None
        if day is not None:
            if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", day):
                raise ValueError("A day is written as YYYY-MM-DD.")
            wanted = datetime.date.fromisoformat(day)
        symbol = symbol.upper().strip()
        if symbol == "":
            return None
        return self.cache.get(f"{symbol} {wanted}", lambda: self._latest(symbol, wanted))

    def _latest(self, symbol, wanted):
        query = {"symbol": symbol}
        if wanted:
            first = wanted - datetime.timedelta(days=LOOK_BACK)
            query.update(end=wanted.isoformat(), start=first.isoformat())
        try:
            answer = fetch_json(self.base + "/v1/prices", query, **self.fetching)
        except ServiceError as failure:
            if failure.status == 404:
                return None
            raise
        best = None
        try:
            currency, rows = answer["currency"], answer["prices"]
            if type(currency) is not str or type(rows) is not list:
                raise TypeError
            for row in rows:
                date, close = datetime.date.fromisoformat(row["date"]), row["close"]
                if type(close) not in (int, float):
                    raise TypeError
                if (wanted is None or date <= wanted) and (best is None or date > best[0]):
                    best = date, close
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ServiceError("The price service speaks in riddles.") from error
        if best is None:
            return None
        return Price(symbol, best[0].isoformat(), float(best[1]), currency, source_of(answer, self.base))

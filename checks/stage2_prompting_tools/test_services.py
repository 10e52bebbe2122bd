"""Checks of task 2.5: HTTP clients against services that the judge plays, waiting and clocks in its hand."""

from __future__ import annotations

import datetime
from functools import partial

from checks.stage2_prompting_tools import http_services
from checks.stage2_prompting_tools import oracles_services as oracles
from checks.stage2_prompting_tools import probes_services as probes
from checks.stage2_prompting_tools.http_services import Answer
from roadmap.grading import check, expect

PASSING = [429, 500, 502, 503, 504]
SLOW = 60.0  # seconds; longer than any check


class Waits(list):
    """What was slept, as numbers."""

    def sleep(self, seconds) -> None:
        """A judge's function: nobody waits."""
        self.append(float(seconds) if type(seconds) in (int, float) else -1.0)


def value(got, what: str, mistake: str | None = None):
    """What a call returned; it must not have raised."""
    expect.type(got, dict, what=what)
    if "error" in got:
        expect.fail(f"{what}: it raised {got['error']}: {expect.show(got['text'])}", mistake=mistake)
    return got["value"]


def failure(got, what: str, *holds: str, status=..., mistake: str | None = None) -> str:
    """The text of the ServiceError that a call must have raised, which holds these words."""
    expect.type(got, dict, what=what)
    if "error" not in got:
        expect.fail(f"{what}: expected a ServiceError, but it returned {expect.show(got['value'])}", mistake=mistake)
    expect.that(
        "ServiceError" in got["bases"],
        f"{what}: expected a ServiceError, got {got['error']}: {expect.show(got['text'])}",
        mistake=mistake,
    )
    for words in holds:
        expect.that(
            words in got["text"],
            f"{what}: the text must hold {words!r}, it is {expect.show(got['text'])}",
            mistake="failure-without-reason",
        )
    if status is not ...:
        expect.that(
            expect.same(got["status"], status), f"{what}: status must be {status}, it is {expect.show(got['status'])}"
        )
    return got["text"]


def fetched(learner, service, plan, waits: Waits, *, params=None, given=True, **options):
    """`fetch_json` against a plan."""
    waits.clear()
    service.play(plan)
    return learner.run(
        probes.fetch,
        url=f"{service.url}/v1/x",
        params=params or {},
        sleep=waits.sleep,
        options={"timeout": 20.0} | options,
        given=given,
    )


def tries(service, count: int, what: str, mistake: str | None = None) -> None:
    """So many requests came."""
    got = len(service.requests)
    expect.that(got == count, f"{what}: expected {count} request{'s' * (count != 1)}, {got} came", mistake=mistake)


@check(
    task="2.5",
    lesson="05_tools#http-clients",
    seconds=0.2,
    fresh=True,
    hints=[
        "One request, its query, its JSON: which argument of client.get carries the query?",
        "client.get(url, params=params, timeout=timeout) and response.json(); a client that was given is not yours "
        "to close.",
    ],
)
def test_an_answer_is_its_json(learner, rng):
    """fetch_json sends one GET with the query and returns the JSON of the answer, whatever it is."""
    waits = Waits()
    with http_services.served(learner) as service:
        for body in ({"a": [1, None, "Łódź"]}, [], None, 0, oracles.token(rng)):
            params = {"name": f"São {oracles.token(rng)}&x=1", "count": int(rng.integers(1, 9))}
            got = fetched(learner, service, [Answer(body)], waits, params=params, given=False)
            what = f"an answer with the body {expect.show(body)}"
            expect.equal(value(got, what), body, what=what)
            tries(service, 1, what)
            want = {"name": params["name"], "count": str(params["count"])}
            expect.equal(service.queries, [want], what="the query that came")
            expect.equal([service.requests[0].path, service.requests[0].method], ["/v1/x", "GET"], what="the request")
            expect.that(not waits, f"{what}: nothing is waited for, but it slept {list(waits)}")
        got = fetched(learner, service, [Answer({"a": 1}, 201), Answer(2)], waits)
        expect.equal(value(got, "a client that is given"), {"a": 1}, what="an answer with status 201")
        expect.that(
            service.requests[0].headers.get("x-client") == "given",
            "The client that was given was not used.",
            mistake="client-not-used",
        )
        expect.that(got["closed"] is False, "The client that was given was closed.", mistake="client-closed")
        for given in (True, False):
            seconds = float(rng.integers(20, 200)) / 4
            got = fetched(learner, service, [Answer(1)], waits, given=given, timeout=seconds)
            kept = [each for request in got["time_outs"] for each in request]
            expect.equal(kept, [seconds] * len(kept), what=f"the time-outs that httpx had, with a timeout of {seconds}")
            expect.that(bool(kept) or not given, "httpx was given no time-out.")


@check(
    task="2.5",
    weight=2,
    lesson="05_tools#http-clients",
    seconds=0.3,
    fresh=True,
    needs=["test_an_answer_is_its_json"],
    hints=[
        "How many requests are two retries? And how long is the third wait, if the first is half a second?",
        "Loop: try; return if it worked; raise if tried > retries; sleep(backoff * 2**(tried - 1)).",
    ],
)
def test_what_passes_is_tried_again(learner, rng):
    """429, 500, 502, 503 and 504 are tried again, with waits that double, until one works or the tries are used up."""
    waits = Waits()
    with http_services.served(learner) as service:
        # The first wait is so short that it shows who slept for real before a limit does.
        drawn = zip(
            PASSING, rng.permutation([1, 2, 2, 3, 3]).tolist(), rng.integers(1, 9, size=5).tolist(), strict=True
        )
        for status, failures, quarters in [(503, 1, 0.01), *drawn]:
            backoff = quarters / 4
            plan = [Answer({"reason": "busy"}, status)] * failures + [Answer("fine")]
            got = fetched(learner, service, plan, waits, retries=4, backoff=backoff)
            what = f"{failures} times {status}, then an answer, with 4 retries and a backoff of {backoff:g}"
            expect.equal(value(got, what, "gives-up-at-once"), "fine", what=what)
            tries(service, failures + 1, what)
            expect.close(
                list(waits), oracles.backoffs(backoff, failures), what=f"{what}: the waits",
                mistakes={
                    "waits-do-not-grow": [backoff] * failures,
                    "waits-grow-in-a-line": [backoff * (n + 1) for n in range(failures)],
                    "sleeps-for-real": [],
                } if failures > 1 else {"sleeps-for-real": []},
            )  # fmt: skip
        for retries in (0, 1, 3):
            status = PASSING[int(rng.integers(len(PASSING)))]
            reason = oracles.token(rng)
            got = fetched(learner, service, [Answer({"reason": reason}, status)] * 9, waits, retries=retries)
            what = f"always {status}, with {retries} retries"
            tries(
                service, retries + 1, what,
                "retries-counted-as-tries" if len(service.requests) in (max(1, retries), 0) else None,
            )  # fmt: skip
            words = "1 try" if retries == 0 else f"{retries + 1} tries"
            failure(got, what, reason, str(status), *([words] if retries else []), status=status)
            expect.that(
                len(waits) == retries,
                f"{what}: expected {retries} waits, there were {len(waits)}",
                mistake="sleeps-after-the-last-try" if len(waits) == retries + 1 else None,
            )


@check(
    task="2.5",
    weight=2,
    lesson="05_tools#http-clients",
    seconds=0.3,
    fresh=True,
    needs=["test_an_answer_is_its_json"],
    hints=[
        "Which of these answers would be another one the second time? And who knows best why it was refused?",
        "Every other status that is not 2xx: ServiceError with response.json()['reason'], or the status where there "
        "is none; follow_redirects stays False.",
    ],
)
def test_what_is_refused_is_not_tried_again(learner, rng):
    """Every other status is a ServiceError at once, with the status and the service's own reason."""
    waits = Waits()
    with http_services.served(learner) as service:
        for status in (400, 401, 403, 404, 405, 422, 501, 505):
            reason = f"No {oracles.token(rng)} here: ask for less."
            got = fetched(learner, service, [Answer({"error": True, "reason": reason}, status)] * 4, waits)
            what = f"status {status}"
            tries(service, 1, what, "refusals-tried-again")
            failure(got, what, reason, str(status), status=status, mistake="errors-taken-for-answers")
            expect.that(not waits, f"{what}: nothing is waited for, but it slept {list(waits)}")
        for body in (b"<html>nginx</html>", b"", b'{"rea', {"reason": ""}, {"reason": 5}, ["reason"], "reason", None):
            status = int(rng.choice([400, 403, 404]))
            got = fetched(learner, service, [Answer(body, status)] * 4, waits)
            failure(got, f"status {status} with the body {expect.show(body)}", str(status), status=status,
                    mistake="reason-expected-everywhere")  # fmt: skip
        for status in (301, 302, 307):
            plan = [Answer({}, status, {"location": f"{service.url}/elsewhere"}), Answer({"secret": 1})]
            got = fetched(learner, service, plan, waits)
            failure(got, f"a redirect with {status}", str(status), status=status, mistake="redirects-followed")


@check(
    task="2.5",
    weight=2,
    lesson="05_tools#http-clients",
    seconds=0.3,
    fresh=True,
    needs=["test_what_passes_is_tried_again"],
    hints=[
        "The service says when it will be back. What if that is sooner than you would have waited, or in an hour?",
        "text.isascii() and text.isdigit(), then max(backoff * 2**n, int(text)); above LONGEST_WAIT raise at once.",
    ],
)
def test_retry_after_is_honoured(learner, rng):
    """With 429 and 503 the wait is at least Retry-After, in whole seconds; too long a one ends it."""
    waits = Waits()
    fine = Answer("fine")
    with http_services.served(learner) as service:
        for status in (429, 503):
            long, short = int(rng.integers(5, 30)), int(rng.integers(1, 4))
            for asked, want in ((long, long), (short, 4.0), (0, 4.0)):
                plan = [Answer({}, status, {"retry-after": f"{asked}"}), fine]
                got = fetched(learner, service, plan, waits, backoff=4.0)
                what = f"status {status} with Retry-After {asked}, and a backoff of 4"
                expect.equal(value(got, what), "fine", what=what)
                expect.close(
                    list(waits), [float(want)], what=f"{what}: the wait",
                    mistakes={
                        "retry-after-ignored": [4.0],
                        "retry-after-added": [4.0 + asked],
                        "retry-after-shortens": [float(asked)],
                    },
                )  # fmt: skip
            date = "Fri, 31 Dec 1999 23:59:59 GMT"
            for asked in (date, "soon", "-7", "", "1.5", "²", "1e1", None):
                plan = [Answer({}, status, {} if asked is None else {"retry-after": asked}), fine]
                got = fetched(learner, service, plan, waits, backoff=4.0)
                what = f"status {status} with Retry-After {asked!r}"
                expect.equal(value(got, what, "retry-after-crashes"), "fine", what=what)
                expect.close(list(waits), [4.0], what=f"{what}: the wait, of the backoff")
            asked = int(rng.integers(31, 9999))
            got = fetched(learner, service, [Answer({}, status, {"retry-after": f"{asked}"}), fine], waits)
            what = f"status {status} with Retry-After {asked}"
            failure(got, what, str(asked), status=status, mistake="waits-for-ever")
            expect.that(not waits, f"{what}: nobody waits for that, but it slept {list(waits)}")
        got = fetched(learner, service, [Answer({}, 429, {"retry-after": "30"}), fine], waits)
        expect.equal(
            [value(got, "Retry-After 30"), list(waits)], ["fine", [30.0]], what="Retry-After 30, just short enough"
        )
        got = fetched(learner, service, [Answer({}, 500, {"retry-after": "9"}), fine], waits, backoff=4.0)
        value(got, "status 500 with Retry-After 9")
        expect.close(list(waits), [4.0], what="status 500 with Retry-After 9, where it says nothing: the wait")


@check(
    task="2.5",
    weight=2,
    lesson="05_tools#http-clients",
    seconds=2.0,
    limit=40,
    fresh=True,
    needs=["test_what_passes_is_tried_again"],
    hints=[
        "Which exceptions does httpx raise when nobody listens, when the line breaks, when nothing comes?",
        "except (httpx.NetworkError, httpx.RemoteProtocolError, httpx.TimeoutException): the next try; after the last "
        "a ServiceError with status None.",
    ],
)
def test_lines_that_break_are_tried_again(learner, rng):
    """No connection, a broken one and a time-out are tried again, and end in a ServiceError."""
    waits = Waits()

    def few(service, count: int) -> str | None:
        return "lines-break-it" if len(service.requests) < count else None

    with http_services.served(learner) as service:
        retries = int(rng.integers(1, 4))
        cut = Answer({"a": 1}, cut=True)
        got = fetched(learner, service, [cut] * retries + [Answer("fine")], waits, retries=retries, backoff=1.0)
        what = f"{retries} answers that break off, then a whole one"
        expect.equal(value(got, what, "lines-break-it"), "fine", what=what)
        expect.close(list(waits), oracles.backoffs(1.0, retries), what=f"{what}: the waits")
        got = fetched(learner, service, [cut] * 9, waits, retries=1)
        tries(service, 2, "always an answer that breaks off, with 1 retry", few(service, 2))
        failure(got, "always an answer that breaks off, with 1 retry", "2 tries", status=None, mistake="lines-break-it")
        silent = Answer("late", seconds=SLOW)
        got = fetched(learner, service, [silent] * 9, waits, retries=1, timeout=0.2)
        what = "a service that is silent, with a time-out of 0.2 s and 1 retry"
        tries(service, 2, what, few(service, 2))
        failure(got, what, "2 tries", status=None, mistake="lines-break-it")
        expect.that(len(waits) == 1, f"{what}: expected 1 wait, there were {len(waits)}")
        got = fetched(learner, service, [Answer({"reason": "busy"}, 503), *[cut] * 9], waits, retries=2)
        failure(got, "503, and then answers that break off", "3 tries", status=None)
        waits.clear()
        got = learner.run(
            probes.fetch,
            url=http_services.NOBODY,
            params={},
            sleep=waits.sleep,
            options={"retries": 3, "backoff": 1.0},
            given=False,
        )
        failure(got, "an address where nobody listens", "4 tries", status=None, mistake="lines-break-it")
        expect.close(list(waits), [1.0, 2.0, 4.0], what="an address where nobody listens: the waits")
        expect.that(got["closed"], "The client that `new_client` made was left open.")
        waits.clear()
        got = learner.run(
            probes.fetch, url="ftp://127.0.0.1/v1/x", params={}, sleep=waits.sleep, options={"retries": 2}
        )
        failure(got, "an address that is not HTTP", status=None, mistake="lines-break-it")
        expect.that(not waits, f"an address that is not HTTP: nothing is waited for, but it slept {list(waits)}")


@check(
    task="2.5",
    lesson="05_tools#http-clients",
    seconds=0.2,
    fresh=True,
    needs=["test_an_answer_is_its_json"],
    hints=[
        "A proxy answers 200 with a page that says 'Sorry'. What is that to whoever asked for the weather?",
        "Catch the ValueError of response.json(), and do not try again: it is no weather of the network.",
    ],
)
def test_what_is_not_json_is_no_answer(learner, rng):
    """A good status with a body that is not JSON is a ServiceError at once."""
    waits = Waits()
    with http_services.served(learner) as service:
        for body in (b"<html>Sorry</html>", b"", b'{"a": [1, 2', b"\xff\xfe\x00", b"{'a': 1}", b"[" * 100_000):
            got = fetched(learner, service, [Answer(body)] * 4, waits)
            what = f"a body of {body[:20]!r}"
            tries(service, 1, what, "bad-json-tried-again")
            failure(got, what, status=None, mistake="bad-json-let-out")


@check(
    task="2.5",
    weight=2,
    lesson="05_tools#http-clients",
    seconds=0.1,
    hints=[
        "What is the difference between 'nothing is kept' and 'None is kept'? And from when on does the time run?",
        "`if key in self.kept` and clock() - since < ttl; store (clock(), answer) after make() has returned.",
    ],
)
def test_answers_are_kept_for_a_while(learner, rng):
    """A cache gives an answer again for less than ttl seconds after it came; failures are never kept."""
    made = []
    ttl, start = float(rng.integers(20, 90)), float(rng.integers(-500, 500))
    takes = float(rng.integers(2, 9))
    one, two = oracles.token(rng), ["x", int(rng.integers(9))]
    # (key, seconds after the start, what make does, whether it is asked)
    plan = [
        (one, 0, {"value": "first", "takes": takes}, True),
        (one, takes, {"value": "second"}, False),
        (one, takes + ttl - 0.5, {"value": "second"}, False),
        (two, takes + ttl - 0.5, {"value": None}, True),
        (one, takes + ttl, {"value": "second"}, True),
        (two, takes + ttl, {"value": 5}, False),
        (one, takes + ttl + 1, {"value": "third"}, False),
        (one, takes + 2 * ttl + 1, {"raises": "down"}, True),
        (one, takes + 2 * ttl + 1, {"raises": "still down"}, True),
        (one, takes + 2 * ttl + 2, {"value": "third"}, True),
        (one, takes + 2 * ttl + 3, {"value": "fourth"}, False),
    ]
    wanted = ["first", "first", "first", None, "second", None, "second", "down", "still down", "third", "third"]
    steps = [{"key": key, "at": start + at, "number": n, **make} for n, (key, at, make, _) in enumerate(plan)]
    got = learner.run(probes.kept, ttl=ttl, steps=steps, made=made.append)
    names = {
        2: "counts-from-the-question", 4: "kept-too-long", 5: "none-not-kept", 8: "failures-kept", 9: "failures-kept",
    }  # fmt: skip
    for number, ((_, at, _, asked), want, outcome) in enumerate(zip(plan, wanted, got, strict=True)):
        what = f"{at:g} s after the start, with a ttl of {ttl:g} (the first answer took {takes:g} s)"
        expect.that(
            (number in made) == asked,
            f"{what}: make() must {'' if asked else 'not '}be called",
            mistake=names.get(number),
        )
        if isinstance(want, str) and want.endswith("down"):
            expect.type(outcome, dict, what=what)
            expect.that(
                outcome.get("error") == "LookupError",
                f"{what}: the exception of make() goes through",
                mistake="failures-kept" if outcome.get("value") == "second" else None,
            )
        else:
            expect.equal(value(outcome, what), want, what=what)
    made.clear()
    steps = [{"key": one, "at": start, "number": n, "value": n} for n in range(3)]
    got = learner.run(probes.kept, ttl=0.0, steps=steps, made=made.append)
    expect.equal([value(each, "a ttl of 0") for each in got], [0, 1, 2], what="answers with a ttl of 0",
                 mistakes={"kept-too-long": [0, 0, 0]})  # fmt: skip


@check(
    task="2.5",
    weight=2,
    lesson="05_tools#http-clients",
    seconds=0.3,
    fresh=True,
    needs=["test_an_answer_is_its_json"],
    hints=[
        "What does the geocoding service answer when it knows no such city? Try 'Xyzzyville'.",
        'answer.get("results", []); None where that is empty, else a City of its first entry. " ".join(name.split()).',
    ],
)
def test_a_city_is_found_or_not(learner, rng):
    """`find` returns the first city of the results, and None where there is none: that is an answer."""
    with http_services.served(learner) as service:
        places = [oracles.city(rng) for _ in range(3)]
        results = [
            {"id": 1, "name": name, "latitude": latitude, "longitude": longitude, "country": country, "population": 9}
            for name, country, latitude, longitude in places
        ]
        service.play([Answer({"results": results, "generationtime_ms": 0.5})])
        name = oracles.token(rng)
        calls = [["find", [f"  Bad \n {name} "], {}]]
        got = learner.run(probes.asked, base=f"{service.url}/w", geocoding=f"{service.url}/g", calls=calls)
        want = dict(zip(("name", "country", "latitude", "longitude"), places[0], strict=True))
        turned = want | {"latitude": want["longitude"], "longitude": want["latitude"]}
        expect.equal(
            value(got[0], "a name with three results"), want, what="the city", mistakes={"place-turned-round": turned}
        )
        expect.equal(
            [asked.path for asked in service.requests], ["/g/v1/search"], what="the path, with a geocoding of .../g"
        )
        query = service.queries[0]
        want = {"name": f"Bad {name}", "count": "1", "language": "en"}
        typed = want | {"name": query.get("name")} if query.get("name", "").split() == ["Bad", name] else None
        expect.equal(query, want, what="the query", mistakes={"name-asked-as-typed": typed})
        bare = {"name": "Atlantis", "latitude": 3, "longitude": -0.5}
        service.play([Answer({"generationtime_ms": 0.5}), Answer({"results": []}), Answer({"results": [bare]})])
        calls = [["find", [name], {}] for name in ("Xyzzyville", "Nowhere", "Atlantis")]
        got = learner.run(probes.asked, base=service.url, calls=calls)
        for outcome, what in zip(got, ("an answer without `results`", "empty `results`"), strict=False):
            expect.equal(value(outcome, what, "no-city-crashes"), None, what=what)
        want = {"name": "Atlantis", "country": "", "latitude": 3.0, "longitude": -0.5}
        city = value(got[2], "a city without a country")
        expect.type(city, dict, what="a city without a country")
        for key in ("latitude", "longitude"):
            expect.close(city.pop(key, None), want.pop(key), what=f"a city without a country: its {key}")
        expect.equal(city, want, what="a city without a country")
        service.play([])
        got = learner.run(probes.asked, base=service.url, calls=[["find", [""], {}], ["find", [" \n"], {}]])
        tries(service, 0, "a name that is blank", "blank-asked")
        expect.equal([value(each, "a name that is blank") for each in got], [None, None], what="a name that is blank")


@check(
    task="2.5",
    weight=2,
    lesson="05_tools#http-clients",
    seconds=0.3,
    fresh=True,
    needs=["test_a_city_is_found_or_not"],
    hints=[
        "Where in the answer is the lowest temperature of the second day, and where its unit? What does null say?",
        "zip(*(daily[name] for name in ('time', *DAILY)), strict=True) gives a row a day; units from `daily_units`.",
    ],
)
def test_a_forecast_is_what_the_service_says(learner, rng):
    """`forecast` asks for what it needs, and gives each day's values, the service's units and its source."""
    with http_services.served(learner) as service:
        few, more = (int(number) for number in rng.integers(2, 8, size=2))
        for unit, letter, days in (("celsius", "°C", few), ("fahrenheit", "°F", more), ("celsius", "°F", 16)):
            place = oracles.city(rng)
            daily = oracles.weather(rng, days)
            gap = int(rng.integers(days))
            for name in ("temperature_2m_min", "precipitation_sum", "weather_code"):
                daily[name][gap] = None
            daily["weather_code"][gap - 1] = oracles.ODD_CODE
            units = {"temperature_2m_max": letter, "temperature_2m_min": letter, "precipitation_sum": "inch"}
            named = {"source": oracles.token(rng)} if letter == "°F" else {}
            service.play([Answer(oracles.forecast_of(daily, units, **named))])
            calls = [["forecast", [place], {"days": days, "unit": unit}]]
            got = learner.run(probes.asked, base=f"{service.url}/w", geocoding=f"{service.url}/g", calls=calls)[0]
            what = f"a forecast of {days} days"
            forecast = value(got, what)
            paths = [asked.path for asked in service.requests]
            expect.equal(paths, ["/w/v1/forecast"], what="the path, with a base of .../w")
            query = service.queries[0] if service.requests else {}
            asked = sorted(query.get("daily", "").split(","))
            expect.equal(asked, sorted(oracles.DAILY), what="the daily variables that were asked for")
            rest = {key: query.get(key) for key in ("forecast_days", "temperature_unit", "timezone")}
            want = {"forecast_days": str(days), "temperature_unit": unit, "timezone": "auto"}
            expect.equal(rest, want, what="the query")
            expect.close(oracles.degrees(query), place[2:], what="the place that was asked for",
                         mistakes={"place-turned-round": place[:1:-1]})  # fmt: skip
            expect.type(forecast, dict, what=what)
            expect.equal(
                forecast.get("days"), oracles.days_of(daily), what="the days",
                mistakes={
                    "highs-and-lows-exchanged": lambda: oracles.days_of(
                        daily
                        | {
                            "temperature_2m_max": daily["temperature_2m_min"],
                            "temperature_2m_min": daily["temperature_2m_max"],
                        }
                    ),
                    "null-taken-for-zero": lambda: oracles.days_of(
                        {name: [0.0 if v is None and name != "weather_code" else v for v in values]
                         for name, values in daily.items()}
                    ),
                    "first-day-for-all": lambda: oracles.days_of(
                        {name: values if name == "time" else values[:1] * days for name, values in daily.items()}
                    ),
                },
            )  # fmt: skip
            stated = [forecast.get("temperature_unit"), forecast.get("precipitation_unit")]
            assumed = ["°C" if unit == "celsius" else "°F", "mm"]
            expect.equal(stated, [letter, "inch"], what="the units that the service states", mistakes={
                "units-assumed": assumed, "units-asked-not-stated": [unit, "inch"],
                "temperature-unit-assumed": [assumed[0], "inch"],
            })  # fmt: skip
            expect.equal(
                forecast.get("source"), named.get("source", "127.0.0.1"), what="the source",
                mistakes={"source-always-the-host": "127.0.0.1"},
            )  # fmt: skip
            expect.equal(
                forecast.get("city"), dict(zip(("name", "country", "latitude", "longitude"), place, strict=True)),
                what="the city",
            )  # fmt: skip
        service.play([])
        place = oracles.city(rng)
        bad = [{"days": 0}, {"days": -1}, {"days": 17}, {"unit": "kelvin"}, {"unit": "°C"}, {"unit": ""}]
        got = learner.run(probes.asked, base=service.url, calls=[["forecast", [place], options] for options in bad])
        for options, outcome in zip(bad, got, strict=True):
            expect.that(
                "ValueError" in outcome.get("bases", ()), f"a forecast with {options}: expected a ValueError, got "
                f"{outcome.get('error', 'an answer')}", mistake="nonsense-asked",
            )  # fmt: skip
        tries(service, 0, "forecasts that nobody can give", "nonsense-asked")


@check(
    task="2.5",
    weight=2,
    lesson="05_tools#http-clients",
    seconds=0.3,
    fresh=True,
    needs=["test_an_answer_is_its_json"],
    hints=[
        "On a Sunday there is no row. Which row counts then, and how far back do you have to ask?",
        "start = day - LOOK_BACK, end = day; among the rows up to `day` take max by date: the order of rows is not "
        "promised, and ISO dates sort as text.",
    ],
)
def test_the_last_close_up_to_a_day(learner, rng):
    """`price` asks for some days up to the one wanted, and takes the last of them that was traded."""
    with http_services.served(learner) as service:
        for more in ({}, {"source": oracles.token(rng), "currency": "EUR"}):
            symbol = oracles.token(rng, 4)
            day = oracles.date(rng)
            dates = [day + datetime.timedelta(days=int(n)) for n in (-7, -3, -2, 1, 2)]
            closes = {str(d): oracles.number(rng, 10, 900) for d in dates}
            shuffled = dict([list(closes.items())[i] for i in (1, 4, 2, 3, 0)])
            service.play([Answer(oracles.prices("OTHER", shuffled, **more))])
            got = learner.run(probes.asked, base=service.url, calls=[["price", [f" {symbol} ", str(day)], {}]])
            price = value(got[0], "a day without trading")
            start = day - datetime.timedelta(days=10)
            expect.equal([asked.path for asked in service.requests], ["/v1/prices"], what="the path")
            expect.equal(
                service.queries, [{"symbol": symbol.upper(), "start": str(start), "end": str(day)}], what="the query",
                mistakes={"only-the-day-asked": [{"symbol": symbol.upper(), "start": str(day), "end": str(day)}],
                          "symbol-as-typed": [{"symbol": symbol, "start": str(start), "end": str(day)}]},
            )  # fmt: skip
            expect.type(price, dict, what="the price")
            right, ahead, last = str(dates[2]), str(dates[-1]), str(dates[0])
            got_date = [price.get("date"), price.get("close")]
            expect.equal(
                got_date, [right, closes[right]], what=f"date and close, asked for {day}",
                mistakes={"looks-ahead": [ahead, closes[ahead]], "last-row-taken": [last, closes[last]],
                          "first-row-taken": [str(dates[1]), closes[str(dates[1])]],
                          "date-asked-not-traded": [str(day), closes[right]]},
            )  # fmt: skip
            want = {"symbol": symbol.upper(), "currency": "USD", "source": "127.0.0.1"} | more
            expect.equal({key: price.get(key) for key in want}, want, what="symbol, currency and source",
                         mistakes={"source-always-the-host": want | {"source": "127.0.0.1"}})  # fmt: skip
        service.play([Answer(oracles.prices(symbol, shuffled))])
        got = learner.run(probes.asked, base=service.url, calls=[["price", [symbol], {}]])
        price = value(got[0], "the latest price")
        expect.equal(service.queries, [{"symbol": symbol.upper()}], what="the query for the latest price")
        expect.type(price, dict, what="the latest price")
        expect.equal([price.get("date"), price.get("close")], [ahead, closes[ahead]], what="the latest date and close")


@check(
    task="2.5",
    lesson="05_tools#http-clients",
    seconds=0.3,
    fresh=True,
    needs=["test_the_last_close_up_to_a_day", "test_what_is_refused_is_not_tried_again"],
    hints=[
        "Which of the failures is an answer to 'what does this share cost?'",
        "Catch ServiceError, return None where its status is 404, and raise it again otherwise.",
    ],
)
def test_no_price_is_an_answer_too(learner, rng):
    """An unknown symbol and days without trading are None; other failures are failures; no date is a ValueError."""
    with http_services.served(learner) as service:
        day = oracles.date(rng)
        later = str(day + datetime.timedelta(days=1))
        plan = [
            Answer({"error": True, "reason": "No prices are recorded."}, 404),
            Answer(oracles.prices("AAPL", {})),
            Answer(oracles.prices("AAPL", {later: 5.5})),
        ]
        service.play(plan)
        calls = [["price", [symbol, str(day)], {}] for symbol in ("ZZZZ", "NONE", "AAPL")]
        got = learner.run(probes.asked, base=service.url, calls=calls)
        shown = ("an unknown symbol", "no trading day", "trading days after the day only")
        for outcome, what in zip(got, shown, strict=True):
            slug = "unknown-symbol-fails" if what == shown[0] else None
            expect.equal(value(outcome, what, slug), None, what=what)
        for status in (400, 403, 410, 503):
            service.play([Answer({"error": True, "reason": "no"}, status)])
            got = learner.run(probes.asked, base=service.url, calls=[["price", ["AAPL"], {}]])
            failure(got[0], f"status {status}", "no", status=status, mistake="failures-called-unknown")
        service.play([])
        days = ["soon", "2013-02-30", "28.02.2013", "20130228", "2013-2-8", ""]
        calls = [["price", ["AAPL", each], {}] for each in days]
        got = learner.run(probes.asked, base=service.url, calls=[*calls, ["price", [" "], {}]])
        for each, outcome in zip(days, got, strict=False):
            expect.that(
                "ValueError" in outcome.get("bases", ()), f"the day {each!r}: expected a ValueError, got "
                f"{outcome.get('error', 'an answer')}", mistake="any-day-asked",
            )  # fmt: skip
        expect.equal(value(got[-1], "a symbol that is blank"), None, what="a symbol that is blank")
        tries(service, 0, "days that are none, and a blank symbol")


@check(
    task="2.5",
    weight=2,
    lesson="05_tools#http-clients",
    seconds=0.3,
    fresh=True,
    needs=["test_answers_are_kept_for_a_while", "test_a_forecast_is_what_the_service_says"],
    hints=[
        "Which two questions have the same answer, and what makes two questions different?",
        "The key holds all that the answer depends on: place, days and unit; symbol and day; the name in one case.",
    ],
)
def test_the_same_question_is_asked_once(learner, rng):
    """Each client keeps what it was told, None as well, apart for each question; failures are asked again."""
    ask = partial(learner.run, probes.asked)
    with http_services.served(learner) as service:
        one, two = oracles.city(rng), oracles.city(rng)
        name = oracles.token(rng)
        calls = [
            ["find", [name], {}],
            ["find", [f" {name.upper()}"], {}],
            ["forecast", [one], {"days": 2}],
            ["forecast", [one], {"days": 3}],
            ["forecast", [one], {"days": 2, "unit": "fahrenheit"}],
            ["forecast", [two], {"days": 2}],
            ["forecast", [one], {"days": 2}],
            ["price", ["AAPL", "2010-05-03"], {}],
            ["price", ["BETA", "2010-05-03"], {}],
            ["price", ["AAPL", "2010-05-04"], {}],
            ["price", ["aapl", "2010-05-03"], {}],
            ["price", ["AAPL"], {}],
        ]
        again = {1: 0, 6: 2, 10: 7}
        service.play(oracles.by_query())
        now = [0.0]
        got = ask(base=service.url, calls=calls, clock=lambda: now[0])
        values = [value(outcome, f"{call[0]} {call[1]} {call[2]}") for outcome, call in zip(got, calls, strict=True)]
        alone = [ask(base=service.url, calls=[call])[0] for call in calls]
        for number, (call, mine, fresh) in enumerate(zip(calls, values, alone, strict=True)):
            want = values[again[number]] if number in again else value(fresh, f"{call[0]}")
            expect.that(
                expect.same(mine, want),
                f"{call[0]}({call[1]}, {call[2]}) after other questions: it gave the answer to another one",
                mistake="questions-mixed-up",
            )
        service.play(oracles.by_query())
        ask(base=service.url, calls=calls, clock=lambda: now[0])
        tries(
            service, len(calls) - len(again), f"{len(calls)} questions, {len(again)} of them asked before",
            "asked-twice" if len(service.requests) > len(calls) - len(again) else None,
        )  # fmt: skip
        service.play([Answer({}), Answer({"reason": "gone"}, 404)])
        got = ask(
            base=service.url, calls=[["find", ["Nowhere"], {}], ["find", ["nowhere"], {}], *[["price", ["ZZ"], {}]] * 2]
        )
        tries(service, 2, "a city and a symbol that do not exist, each asked for twice", "asked-twice")
        expect.equal([value(each, "what does not exist") for each in got], [None] * 4, what="what does not exist")
        down = [Answer({"reason": "down"}, 500)] * 2
        service.play([*down, Answer({})])
        got = ask(base=service.url, calls=[["find", ["Rome"], {}]] * 3)
        for outcome in got[:2]:
            failure(outcome, "a service that is down", "down", status=500)
        expect.equal(
            value(got[2], "a service that is up again", "failures-kept"), None, what="a service that is up again"
        )


@check(
    task="2.5",
    lesson="04_structure#validation",
    seconds=0.3,
    fresh=True,
    needs=["test_a_forecast_is_what_the_service_says", "test_the_last_close_up_to_a_day"],
    hints=[
        "The service has a bug and sends a list where an object stood. What does your caller see then?",
        "Take the answer apart inside one `try`, and turn LookupError, TypeError, ValueError and AttributeError into a "
        "ServiceError; check the types of what you keep.",
    ],
)
def test_answers_that_make_no_sense_are_failures(learner, rng):
    """JSON of another shape is a ServiceError, not a KeyError and not a guess."""
    place = oracles.city(rng)
    daily = oracles.weather(rng, 3)
    units = {"temperature_2m_max": "°C", "precipitation_sum": "mm"}
    whole = oracles.forecast_of(daily, units)
    first = {"name": "Rome", "latitude": 41.9, "longitude": 12.5, "country": "Italy"}
    row = {"date": "2010-05-03", "close": 5.0}

    def without(mapping, key):
        return {name: item for name, item in mapping.items() if name != key}

    cases = [
        *(("find", answer) for answer in ([], None, "Rome", {"results": {"0": first}}, {"results": [None]},
          {"results": [without(first, "name")]}, {"results": [without(first, "latitude")]},
          {"results": [first | {"longitude": "12 E"}]}, {"results": [first | {"name": 7}]})),
        *(("forecast", answer) for answer in ([], {}, without(whole, "daily"), without(whole, "daily_units"),
          whole | {"daily": without(daily, "temperature_2m_min")}, whole | {"daily": without(daily, "time")},
          whole | {"daily_units": without(units, "precipitation_sum")},
          whole | {"daily": daily | {"temperature_2m_max": daily["temperature_2m_max"][:2]}},
          whole | {"daily": {name: [] for name in daily}},
          whole | {"daily": daily | {"temperature_2m_max": ["hot", "hot", "hot"]}},
          whole | {"daily": daily | {"temperature_2m_min": ["7.5", 7.5, 7.5]}},
          whole | {"daily": daily | {"precipitation_sum": [0.0, True, 0.0]}})),
        *(("price", answer) for answer in ([], {}, {"currency": "USD"}, {"currency": "USD", "prices": {"a": 1}},
          {"currency": "USD", "prices": {}},
          {"prices": [row]}, {"currency": "USD", "prices": [without(row, "close")]},
          {"currency": "USD", "prices": [row | {"close": "5.0 USD"}]},
          {"currency": "USD", "prices": [row | {"close": None}]},
          {"currency": "USD", "prices": [row | {"close": "5.0"}]},
          {"currency": "USD", "prices": [row | {"close": True}]},
          {"currency": "USD", "prices": [row | {"date": 20100503}]})),
    ]  # fmt: skip
    arguments = {"find": ["Rome"], "forecast": [place], "price": ["AAPL", "2010-05-04"]}
    with http_services.served(learner) as service:
        for name, answer in cases:
            service.play([Answer(answer)])
            got = learner.run(probes.asked, base=service.url, calls=[[name, arguments[name], {}]])
            what = f"{name}, where the service answers {expect.show(answer)}"
            slug = "senseless-answers-guessed" if "error" not in got[0] else "senseless-answers-crash"
            failure(got[0], what, mistake=slug)

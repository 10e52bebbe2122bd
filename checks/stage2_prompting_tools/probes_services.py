"""What runs beside the learner's code for task 2.5: it builds clients, asks, and returns data; it never judges.

Waiting is the judge's: what a client sleeps is told to it and takes no time.
"""

from __future__ import annotations

import dataclasses

import httpx


def outcome_of(action):
    """What an action returned, or the exception that it raised, as data. What is not implemented goes through."""
    try:
        value = action()
    except NotImplementedError:
        raise
    except Exception as error:
        status = getattr(error, "status", None)
        return {
            "error": type(error).__name__,
            "bases": [base.__name__ for base in type(error).__mro__],
            "status": status if type(status) is int else None,
            "text": str(error),
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"value": dataclasses.asdict(value), "kind": type(value).__name__}
    return {"value": value, "kind": type(value).__name__}


def quick_client(**options):
    """A client that reads no certificates, which takes most of the time of making one; nothing here is encrypted."""
    return httpx.Client(verify=False, trust_env=False, **options)


def fetch(learner, *, url, params, sleep, options, given=True):
    """`fetch_json` once, through a client of ours, which its requests show, or, if not `given`, through its own.

    `time_outs` are those that httpx had for each request, in seconds, of a client that was given or `new_client` made.
    """
    time_outs, made = [], []
    hooks = {"request": [lambda request: time_outs.append(list(request.extensions.get("timeout", {}).values()))]}
    new_client = learner.services.new_client

    def watched(*arguments, **more):
        made.append(new_client(*arguments, **more))
        made[-1].event_hooks = hooks
        return made[-1]

    learner.services.new_client = watched
    client = quick_client(headers={"x-client": "given"}, event_hooks=hooks) if given else None
    try:
        found = outcome_of(lambda: learner.services.fetch_json(url, params, sleep=sleep, client=client, **options))
        closed = client.is_closed if given else all(own.is_closed for own in made)
        return found | {"time_outs": time_outs, "closed": closed}
    finally:
        learner.services.new_client = new_client
        if given:
            client.close()


def kept(learner, *, ttl, steps, made):
    """A Cache through steps {"key", "at", "value" or "raises", "takes"}: what came, while `made` hears what is made."""
    now = [0.0]
    cache = learner.services.Cache(ttl, lambda: now[0])
    found = []
    for step in steps:
        now[0] = step["at"]

        def make(step=step):
            made(step["number"])
            now[0] += step.get("takes", 0.0)
            if "raises" in step:
                raise LookupError(step["raises"])
            return step.get("value")

        key = step["key"]
        found.append(outcome_of(lambda key=key, make=make: cache.get(tuple(key) if type(key) is list else key, make)))
    return found


def asked(learner, *, base, calls, geocoding=None, clock=None, retries=0):
    """One client of each kind, and calls ["find" or "forecast" or "price", arguments, options], one after the other."""
    options = {"sleep": lambda seconds: None, "retries": retries, "timeout": 20.0, "client": quick_client()}
    if clock is not None:
        options["clock"] = clock
    services = learner.services
    weather = services.Weather(base, geocoding or base, **options)
    stocks = services.Stocks(base, **options)
    found = []
    for name, arguments, more in calls:
        method = {"find": weather.find, "forecast": weather.forecast, "price": stocks.price}[name]
        given = [services.City(*value) if type(value) is list else value for value in arguments]
        found.append(outcome_of(lambda method=method, given=given, more=more: method(*given, **more)))
    return found

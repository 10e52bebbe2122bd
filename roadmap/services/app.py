"""The local services as one ASGI application, and faults to put before it."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from . import records, weather
from .weather import Refused

_WORDS = {429: "Minutely API request limit exceeded. Please try again in one minute.", 503: "Service unavailable"}


@dataclass(frozen=True)
class Fault:
    """What happens to one request: an error `status`, a body that is `broken` JSON, a connection that is `cut`.

    With no `kind` the request is answered, after `seconds`. `retry_after` is sent with a status.
    """

    kind: Literal["status", "broken", "cut"] | None = None
    status: int = 503
    retry_after: float | None = None
    seconds: float = 0.0


@dataclass
class Faults:
    """Faults for the first requests, in order; those after them are answered. `requests` records paths and queries."""

    plan: Sequence[Fault] = ()
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def next(self, request: Request) -> Fault:
        """Record a request; its fault."""
        self.requests.append((request.url.path, dict(request.query_params)))
        place = len(self.requests) - 1
        return self.plan[place] if place < len(self.plan) else Fault()


def application(*, today: str | datetime.date | None = None, faults: Faults | None = None) -> Starlette:
    """`/v1/forecast`, `/v1/search` and `/v1/prices`. `today` is the day that the services live on.

    Raises ValueError when `today` is no date.
    """
    day = datetime.date.fromisoformat(today) if isinstance(today, str) else today or records.TODAY
    plan = faults or Faults()

    def route(path: str, answer: Callable[[Mapping[str, str]], dict[str, Any]]) -> Route:
        async def endpoint(request: Request) -> Response:
            fault = plan.next(request)
            await asyncio.sleep(fault.seconds)
            if fault.kind == "status":
                headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
                body = {"error": True, "reason": _WORDS.get(fault.status, "Internal Server Error")}
                return JSONResponse(body, status_code=fault.status, headers=headers)
            if fault.kind == "cut":
                return _Cut()
            try:
                found = await run_in_threadpool(answer, request.query_params)
            except Refused as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)
            text = json.dumps(found, ensure_ascii=False)
            return Response(text[: len(text) // 2] if fault.kind == "broken" else text, media_type="application/json")

        return Route(path, endpoint)

    return Starlette(
        routes=[
            route("/v1/search", weather.search),
            route("/v1/forecast", lambda query: weather.forecast(query, day)),
            route("/v1/prices", lambda query: prices(query, day)),
        ]
    )


def prices(query: Mapping[str, str], today: datetime.date) -> dict[str, Any]:
    """`/v1/prices?symbol=AAPL&start=2013-02-01&end=2013-02-28`: the trading days between two dates, both included.

    `end` is today and `start` is `end` where they are missing; days after today are not known yet. A date without
    trading has no row. A symbol that is not recorded is a 404.
    """
    symbol = query.get("symbol", "").strip().upper()
    if not symbol:
        raise Refused("Parameter 'symbol' is required.")
    if symbol not in records.prices():
        raise Refused(f"No prices are recorded for {symbol}.", 404)
    try:
        end = datetime.date.fromisoformat(query.get("end") or str(today))
        start = datetime.date.fromisoformat(query.get("start") or str(end))
    except ValueError:
        raise Refused("'start' and 'end' must be dates, as YYYY-MM-DD.") from None
    if start > end:
        raise Refused("'start' is after 'end'.")
    rows = [
        {
            "date": str(day.date),
            "open": day.open,
            "high": day.high,
            "low": day.low,
            "close": day.close,
            "volume": day.volume,
        }
        for day in records.prices()[symbol]
        if start <= day.date <= min(end, today)
    ]
    return {"symbol": symbol, "currency": "USD", "recorded": True, "today": str(today), "prices": rows}


class _Cut(Response):
    """A response that breaks off after its first bytes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"latitude": 47', "more_body": True})
        raise ConnectionAbortedError

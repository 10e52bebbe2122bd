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

from roadmap.llm.broken import BrokenOff

from . import prices, records, weather
from .refusal import Refused

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

    The data is read here, in a few seconds once a process: a client's first request must not wait for it. Raises
    ValueError when `today` is no date, ArtifactMissing when the data was not fetched.
    """
    day = datetime.date.fromisoformat(today) if isinstance(today, str) else today or records.TODAY
    plan = faults or Faults()
    for read in (records.cities, records.days, records.prices):
        read()

    def route(path: str, answer: Callable[[Mapping[str, str]], dict[str, Any]]) -> Route:
        async def endpoint(request: Request) -> Response:
            fault = plan.next(request)
            await asyncio.sleep(fault.seconds)
            if fault.kind == "status":
                headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
                body = {"error": True, "reason": _WORDS.get(fault.status, "Internal Server Error")}
                return JSONResponse(body, status_code=fault.status, headers=headers)
            if fault.kind == "cut":
                return BrokenOff(b'{"latitude": 47')
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
            route("/v1/prices", lambda query: prices.between(query, day)),
        ]
    )

"""The Messages API as an ASGI application around a backend: routes, headers, errors, streaming."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..broken import BrokenOff
from . import events
from .contract import Request, parse
from .errors import ApiError, identifier, invalid
from .parts import Begun, Part


class Backend(Protocol):
    """Whatever answers requests: a model, or a script."""

    def models(self) -> list[str]:
        """The names that a request may give as `model`."""
        ...

    def respond(self, request: Request) -> Iterator[Part]:
        """The answer piece by piece. Runs in a thread; may raise `ApiError` at any point."""
        ...

    def count(self, request: Request) -> int:
        """How many tokens the request's prompt has."""
        ...


Observer = Callable[[bytes, dict[str, str], ApiError | None], None]


def application(backend: Backend, *, key: str | None = None, observe: Observer | None = None) -> Starlette:
    """The application. `key` is the only API key that is accepted, any where None.

    `observe` is called for each request to `/v1/messages` with its body, its headers and what was wrong with it.
    """

    async def messages(http: HttpRequest) -> Response:
        body = await http.body()
        problem: ApiError | None = None
        try:
            _check_headers(http, key)
            request = parse(body)
        except ApiError as error:
            problem = error
            raise
        finally:
            if observe is not None:
                observe(body, dict(http.headers), problem)
        if request.model not in backend.models():
            raise ApiError("not_found_error", f"model: {request.model}")
        if not request.stream:
            try:
                answer = await run_in_threadpool(lambda: events.message(backend.respond(request), request.model))
            except ConnectionAbortedError:
                return BrokenOff(b'{"id": "msg')
            return JSONResponse(answer)
        parts = backend.respond(request)
        first = await run_in_threadpool(lambda: next(parts))  # a failure before it still has a status of its own
        if isinstance(first, Begun):
            counted = first.input_tokens
            first = await run_in_threadpool(lambda: next(parts))
        else:
            counted = await run_in_threadpool(lambda: backend.count(request))
        whole = itertools.chain([first], parts)
        return StreamingResponse(
            _bytes(events.stream(whole, request.model, counted)), media_type="text/event-stream; charset=utf-8"
        )

    async def count(http: HttpRequest) -> Response:
        _check_headers(http, key)
        request = parse(_with_max_tokens(await http.body()))
        return JSONResponse({"input_tokens": await run_in_threadpool(lambda: backend.count(request))})

    async def models(http: HttpRequest) -> Response:
        data = [{"type": "model", "id": name, "display_name": name} for name in backend.models()]
        return JSONResponse({"data": data, "has_more": False})

    async def refuse(http: HttpRequest, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            kind = "not_found_error" if error.status_code in (404, 405) else "api_error"
            error = ApiError(kind, "Not found" if kind == "not_found_error" else str(error.detail))
        assert isinstance(error, ApiError)
        request_id = identifier("req")
        headers = error.headers() | {"request-id": request_id}
        return JSONResponse(error.body(request_id), status_code=error.status, headers=headers)

    return Starlette(
        routes=[
            Route("/v1/messages", messages, methods=["POST"]),
            Route("/v1/messages/count_tokens", count, methods=["POST"]),
            Route("/v1/models", models),
        ],
        exception_handlers={ApiError: refuse, HTTPException: refuse},
    )


async def _bytes(stream: Iterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    async for event in iterate_in_threadpool(stream):
        yield events.encode(event)
        await asyncio.sleep(0)  # each event leaves at once


def _check_headers(http: HttpRequest, key: str | None) -> None:
    given = http.headers.get("x-api-key") or http.headers.get("authorization", "").removeprefix("Bearer ")
    if not given:
        raise ApiError("authentication_error", "x-api-key header is required")
    if key is not None and given != key:
        raise ApiError("authentication_error", "invalid x-api-key")
    if "anthropic-version" not in http.headers:
        raise invalid("anthropic-version: header is required")
    if http.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise invalid("content-type: must be application/json")


def _with_max_tokens(body: bytes) -> bytes | dict[str, Any]:
    """Counting needs everything of a request but how long its answer may be."""
    try:
        data = json.loads(body)
    except ValueError:
        return body
    return {"max_tokens": 1, **data} if isinstance(data, dict) else body

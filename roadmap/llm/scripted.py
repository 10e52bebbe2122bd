"""A Messages server that plays a scenario: for checks and tests, which must not depend on a model's luck.

Each valid request takes the next turn. Everything that arrives is recorded, also what breaks the contract, which is
answered as the API would answer it and takes no turn.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .messages.app import application
from .messages.contract import Request
from .messages.errors import ApiError
from .messages.parts import Cut, End, Part, StopReason, Text, ToolUse

MODEL = "scripted"


@dataclass(frozen=True)
class Reply:
    """An answer: text, calls, or both. It ends as its parts suggest unless `stop_reason` says otherwise.

    `seconds` pass before the answer begins; after `cut_after` parts the connection breaks.
    """

    parts: tuple[Text | ToolUse, ...]
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    input_tokens: int = 100
    output_tokens: int = 20
    seconds: float = 0.0
    cut_after: int | None = None

    @classmethod
    def of(cls, *parts: str | Text | ToolUse, **more: Any) -> Reply:
        """`Reply.of("It is ", "sunny.")`: strings are pieces of text."""
        return cls(tuple(Text(part) if isinstance(part, str) else part for part in parts), **more)


@dataclass(frozen=True)
class Fault:
    """An error in place of an answer: `kind` is one of the API's error types, `retry_after` in seconds."""

    kind: str
    message: str = "injected by the scenario"
    retry_after: float | None = None


Turn = Reply | Fault
Scenario = Sequence[Turn] | Callable[[Request], Turn]


@dataclass(frozen=True)
class Exchange:
    """A request as it came: its body, its headers, when (`time.monotonic()`), and what was wrong with it."""

    body: Any
    headers: dict[str, str]
    at: float
    problem: str | None


class ScriptedModel:
    """The backend. `exchanges` holds what came, `left` what was not played."""

    def __init__(self, scenario: Scenario, models: Sequence[str] = (MODEL,)):
        self.exchanges: list[Exchange] = []
        self._scenario = scenario
        self._models = list(models)
        self._played = 0
        self._lock = threading.Lock()

    @property
    def problems(self) -> list[str]:
        """What was wrong with requests, in the API's words."""
        return [exchange.problem for exchange in self.exchanges if exchange.problem is not None]

    @property
    def requests(self) -> list[Any]:
        """The bodies of the requests that kept the contract, in order."""
        return [exchange.body for exchange in self.exchanges if exchange.problem is None]

    @property
    def left(self) -> int:
        """How many turns were not played."""
        return 0 if callable(self._scenario) else len(self._scenario) - self._played

    def observe(self, body: bytes, headers: dict[str, str], problem: ApiError | None) -> None:
        """Record a request; secrets in headers are not kept."""
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = body[:1000].decode("utf-8", "replace")
        kept = {name: value for name, value in headers.items() if name not in ("x-api-key", "authorization")}
        with self._lock:
            self.exchanges.append(Exchange(data, kept, time.monotonic(), problem.message if problem else None))

    def models(self) -> list[str]:
        """The names that requests may give."""
        return self._models

    def count(self, request: Request) -> int:
        """A stand-in for a tokenizer: a token for every four characters of the body, the same on every machine."""
        return max(1, len(request.model_dump_json()) // 4)

    def respond(self, request: Request) -> Iterator[Part]:
        """The next turn of the scenario."""
        turn = self._next(request)
        if isinstance(turn, Fault):
            raise ApiError(turn.kind, turn.message, retry_after=turn.retry_after)
        return self._play(turn)

    def _next(self, request: Request) -> Turn:
        if callable(self._scenario):
            return self._scenario(request)
        with self._lock:
            if self._played >= len(self._scenario):
                raise ApiError("invalid_request_error", "The scenario has ended: no further request was expected.")
            self._played += 1
            return self._scenario[self._played - 1]

    def _play(self, reply: Reply) -> Iterator[Part]:
        time.sleep(reply.seconds)
        for number, part in enumerate(reply.parts):
            if number == reply.cut_after:
                yield Cut()
            yield part
        if reply.cut_after is not None and reply.cut_after >= len(reply.parts):
            yield Cut()
        calls = any(isinstance(part, ToolUse) for part in reply.parts)
        reason = reply.stop_reason or ("tool_use" if calls else "end_turn")
        yield End(reason, reply.input_tokens, reply.output_tokens, reply.stop_sequence)


def scripted_application(model: ScriptedModel, *, key: str | None = None) -> Any:
    """The ASGI application that plays the model's scenario and records."""
    return application(model, key=key, observe=model.observe)

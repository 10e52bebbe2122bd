"""The backend that answers with the local model: text as it is decoded, and calls under the request's own schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from roadmap import artifacts

from . import bridge
from .engine import Done, Engine, EngineError, Sampling
from .messages.contract import Request, ToolResultBlock
from .messages.errors import ApiError, invalid
from .messages.parts import End, Part, StopReason, Text
from .prompting import encode, turns_of

MODEL = artifacts.DEFAULT_MODEL
ARTIFACT = f"{MODEL}-gguf"
_CALL_TOKENS = 256  # what a list of calls may take
_REASONS: dict[str, StopReason] = {"eos": "end_turn", "limit": "max_tokens", "word": "stop_sequence"}


class LocalModel:
    """SmolLM2 through llama.cpp. Without a temperature it is greedy, so that equal requests have equal answers."""

    def __init__(self, engine: Engine | None = None):
        self._engine = engine or Engine(artifacts.path(ARTIFACT))

    def __enter__(self) -> LocalModel:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def models(self) -> list[str]:
        """The names that requests may give."""
        return [MODEL]

    def count(self, request: Request) -> int:
        """Tokens of the request's prompt."""
        return len(self._prompt(request))

    def respond(self, request: Request) -> Iterator[Part]:
        """Calls, if tools are offered and the model makes any; text otherwise."""
        prompt = self._prompt(request)
        room = self._engine.context - len(prompt)
        if room < 1:
            raise invalid(f"prompt is too long: {len(prompt)} tokens > {self._engine.context} maximum")
        return self._answer(request, prompt, min(request.max_tokens, room))

    def _prompt(self, request: Request) -> list[int]:
        tools = bridge.told(request.tools) if request.tools and bridge.offered(request) else ""
        return encode(turns_of(request, tools), self._engine.tokenize)

    def _answer(self, request: Request, prompt: list[int], most: int) -> Iterator[Part]:
        spent = 0
        if bridge.offered(request) and not _has_results(request):
            *pieces, done = self._complete(request, prompt, min(most, _CALL_TOKENS), bridge.calls_schema(request))
            assert isinstance(done, Done)
            spent = done.tokens
            calls = bridge.read_calls("".join(map(str, pieces)))
            if calls:
                yield from calls
                yield End("tool_use", len(prompt), spent)
                return
            if bridge.must_call(request):
                yield End("max_tokens", len(prompt), spent)
                return
            prompt = encode(turns_of(request), self._engine.tokenize)  # no call: the answer needs no tools in sight
        form = request.output_config.format if request.output_config else None
        schema = form.schema_ if form else None
        for piece in self._complete(request, prompt, most, schema, stop=request.stop_sequences):
            if isinstance(piece, Done):
                yield End(_REASONS[piece.reason], len(prompt), spent + piece.tokens, piece.word or None)
            else:
                yield Text(piece)

    def _complete(
        self,
        request: Request,
        prompt: list[int],
        most: int,
        schema: dict[str, Any] | None,
        stop: Sequence[str] = (),
    ) -> Iterator[str | Done]:
        """The engine's completion, drawn as the request asks; its failures as the API's."""
        try:
            yield from self._engine.complete(
                prompt, max_tokens=most, stop=stop, sampling=_sampling(request), schema=schema
            )
        except EngineError as error:
            raise ApiError("api_error", str(error)) from None


def _has_results(request: Request) -> bool:
    """Whether the last turn brings results: then it is time to answer."""
    return any(isinstance(block, ToolResultBlock) for block in request.turns[-1].blocks)


def _sampling(request: Request) -> Sampling:
    return Sampling(
        temperature=float(request.temperature or 0),
        top_p=1.0 if request.top_p is None else float(request.top_p),
        top_k=request.top_k or 0,
    )

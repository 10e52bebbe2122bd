"""The backend that answers with the local model: text as it is decoded, and calls under the request's own grammar.

Two names are served from one engine. `smollm2-135m-instruct` is the model as it was published, its calls held to the
tools' schemas. `smollm2-135m-tools` is the same with the course's adapter for calls and for answers from results: calls
are held to what the request says, answers to what the tools returned. Where no tools are involved both say the same.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadmap import artifacts

from . import adapter_file, bridge, channel, choosing, reporting, search, spans
from .engine import Done, Engine, EngineError, Sampling, Step
from .grammar import Grammar, without_doubles, without_repeats
from .messages.contract import Request, TextBlock, ToolResultBlock
from .messages.errors import ApiError, invalid
from .messages.parts import Begun, End, Part, StopReason, Text, ToolUse
from .prompting import encode, turns_of

MODEL = artifacts.DEFAULT_MODEL
TOOLS_MODEL = "smollm2-135m-tools"
ARTIFACT = f"{MODEL}-gguf"
_CALL_TOKENS = 256  # what a list of calls may take
_CHOICE_TOKENS = 48  # what a tool's name may take
_LIKELIEST = 40  # tokens that are seen at each step of a choice
_REPEAT_PENALTY = 1.1  # on an assistant's own words: greedy, the model says "I'm sorry" until the room is used up
_REASONS: dict[str, StopReason] = {"eos": "end_turn", "limit": "max_tokens", "word": "stop_sequence"}


@dataclass(frozen=True)
class Way:
    """How a served name calls tools: with the adapter or without, under the request's spans or the bare schemas.

    `margin` is by how many nats a tool must beat no call; `checked` holds answers to the results they report, and keeps
    the model's own words from going round in circles.
    """

    adapted: bool = False
    spans: bool = False
    checked: bool = False
    margin: float = 0.0


PLAIN = Way()
FULL = Way(adapted=True, spans=True, checked=True)


class LocalModel:
    """SmolLM2 through llama.cpp. Without a temperature it is greedy: equal requests, equal answers but for rounding.

    (What the engine still knows of a prompt is not computed again, and where two tokens are about as likely that can
    decide between them.)

    `ways` are the served names, the first one first in the list; by default both, or only the plain one where the
    course's adapter is not there.
    """

    def __init__(self, engine: Engine | None = None, ways: Mapping[str, Way] | None = None):
        self._engine = engine or start()
        default = {TOOLS_MODEL: FULL, MODEL: PLAIN} if self._engine.has_adapter else {MODEL: PLAIN}
        self._ways = dict(ways if ways is not None else default)

    def __enter__(self) -> LocalModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def models(self) -> list[str]:
        """The names that requests may give."""
        return list(self._ways)

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

    def _way(self, request: Request) -> Way:
        return self._ways.get(request.model, PLAIN)

    def _prompt(self, request: Request) -> list[int]:
        shown = bool(bridge.offered(request))
        if self._way(request).adapted and not _calls(request):
            shown = False  # it was taught to report results without the tools in sight
        return encode(turns_of(request, bridge.told(request.tools) if shown else ""), self._engine.tokenize)

    def _answer(self, request: Request, prompt: list[int], most: int) -> Iterator[Part]:
        way, counted = self._way(request), len(prompt)
        yield Begun(counted)
        if _calls(request):
            text, done = self._written_calls(request, prompt, min(most, _CALL_TOKENS), way)
            calls = bridge.read_calls(text)
            if way.spans:
                calls = _without_doubles(calls, request)
            if calls:
                yield from calls
                yield End("tool_use", counted, done.tokens)
                return
            if bridge.must_call(request) or (done.reason == "limit" and text != "[]"):
                yield End("max_tokens", counted, done.tokens)  # cut off within a call: a half call is no call
                return
            prompt = encode(turns_of(request), self._engine.tokenize)  # no call: the answer needs no tools in sight
        results = reporting.outcomes(request) if way.checked else []
        if results and not (request.output_config and request.output_config.format):
            yield from self._report(request, prompt, most, results, counted)
            return
        form = request.output_config.format if request.output_config else None
        for piece in self._complete(
            request,
            prompt,
            most,
            schema=form.schema_ if form else None,
            stop=request.stop_sequences,
            adapted=way.adapted and _has_results(request),
            penalty=_REPEAT_PENALTY if way.checked and form is None else 1.0,
        ):
            if isinstance(piece, Done):
                yield End(_REASONS[piece.reason], counted, piece.tokens, piece.word or None)
            else:
                yield Text(piece)

    def _written_calls(self, request: Request, prompt: list[int], most: int, way: Way) -> tuple[str, Done]:
        """The list of calls as the model wrote it."""
        if not way.spans:
            return self._whole(request, prompt, most, schema=bridge.calls_schema(request), adapted=way.adapted)
        tools = bridge.offered(request)
        grammar = Grammar(tools, spans.read(_words_of(request, last=True)))
        if len(grammar.tools) < len(tools):  # a follow-up: what it leaves out was said before
            wider = Grammar(tools, spans.read(_words_of(request, last=False)))
            grammar = grammar if grammar.tools else wider
        must = bridge.must_call(request)
        if not grammar.tools:
            if must:  # a call is demanded that the request cannot fill: only its form can be held to something
                return self._whole(request, prompt, most, schema=bridge.calls_schema(request), adapted=way.adapted)
            return "[]", Done("eos", "", len(prompt), 1)
        tool = self._choose(prompt, grammar, way, none=not must)
        if tool is None:
            return "[]", Done("eos", "", len(prompt), 1)
        calls = 1 if bridge.single(request) else bridge.MOST_CALLS
        grammar = self._meant(grammar, [tool])
        if request.temperature:
            written = grammar.calls(tool, most=calls)
            return self._whole(request, prompt, most, grammar=written, adapted=way.adapted)
        write = functools.partial(self._steps, prompt, most=most, adapted=way.adapted)
        steps = search.likeliest(grammar, tool, calls, write)
        others = {call.name for call in bridge.read_calls(search.text_of(steps))} - {tool}
        resolved = self._meant(grammar, sorted(others))
        if resolved is not grammar:
            steps = search.likeliest(resolved, tool, calls, write)
        text = search.text_of(steps)
        return text, Done("eos" if bridge.read_calls(text) else "limit", "", len(prompt), len(steps))

    def _meant(self, grammar: Grammar, names: Sequence[str]) -> Grammar:
        """The grammar with what the request means of the named tools' enums, where it names no member of them."""
        tools = channel.resolved(grammar.tools, names, grammar.said, self._likelihood)
        return grammar if tools == grammar.tools else Grammar(tools, grammar.said)

    def _likelihood(self, before: str, text: str) -> float:
        """The log-probability of a text after another, to the model as it was published."""
        prompt, tokens = self._engine.tokenize(before), self._engine.tokenize(text)
        # By tokens, not by letters: greedy under letters, it would spell words in pieces that no text has.
        form = "root ::= " + " ".join(f"<[{token}]>" for token in tokens)
        steps = self._steps(prompt, form, most=len(tokens), adapted=False)
        return sum(step.logprob for step in steps)

    def _steps(self, prompt: list[int], grammar: str, *, most: int, adapted: bool, likeliest: int = 1) -> list[Step]:
        """The engine's greedy steps; its failures as the API's."""
        try:
            return self._engine.steps(prompt, grammar=grammar, most=most, adapted=adapted, likeliest=likeliest)
        except EngineError as error:
            raise _refused(error) from None

    def _choose(self, prompt: list[int], grammar: Grammar, way: Way, *, none: bool) -> str | None:
        """The tool that the model would call first, or None."""
        form, options = grammar.choice(none=none)
        if len(options) == 1:
            return next(iter(options.values()))
        steps = self._steps(prompt, form, most=_CHOICE_TOKENS, adapted=way.adapted, likeliest=_LIKELIEST)
        scores = choosing.weigh(steps, options)
        best = max(
            options, key=lambda option: scores[option] - (way.margin if options[option] is not None and none else 0)
        )
        return options[best]

    def _report(
        self, request: Request, prompt: list[int], most: int, results: list[reporting.Outcome], counted: int
    ) -> Iterator[Part]:
        """The answer from results, written whole and checked before any of it leaves."""
        text, done = self._whole(request, prompt, most, stop=request.stop_sequences, adapted=True)
        wrong = done.reason == "eos" and not reporting.holds(text, results, request)
        if wrong or reporting.in_circles(text):
            told = _ended(reporting.labelled(results), request.stop_sequences)
            tokens = self._engine.tokenize(told.text)
            while told.text and len(tokens) > most:
                told = _Told(told.text[: len(told.text) * most // len(tokens)].rpartition(" ")[0], "limit", "")
                tokens = self._engine.tokenize(told.text)
            text, done = told.text, Done(told.reason, told.word, done.prompt_tokens, len(tokens))
        for piece in re.findall(r"\S+\s*|\s+", text):
            yield Text(piece)
        yield End(_REASONS[done.reason], counted, done.tokens, done.word or None)

    def _whole(self, request: Request, prompt: list[int], most: int, **more: Any) -> tuple[str, Done]:
        *pieces, done = self._complete(request, prompt, most, **more)
        assert isinstance(done, Done)
        return "".join(map(str, pieces)), done

    def _complete(
        self,
        request: Request,
        prompt: list[int],
        most: int,
        *,
        schema: dict[str, Any] | None = None,
        grammar: str | None = None,
        stop: Sequence[str] = (),
        adapted: bool = False,
        penalty: float = 1.0,
    ) -> Iterator[str | Done]:
        """The engine's completion, drawn as the request asks; its failures as the API's."""
        try:
            yield from self._engine.complete(
                prompt,
                max_tokens=most,
                stop=stop,
                sampling=_sampling(request, penalty),
                schema=schema,
                grammar=grammar,
                adapted=adapted,
            )
        except EngineError as error:
            raise _refused(error) from None


def start(*, threads: int = 1, adapter: Path | None = None) -> Engine:
    """The engine with the model, and with the course's adapter where it is there; raises ArtifactError."""
    return Engine(artifacts.path(ARTIFACT), adapter=adapter or adapter_file.find(), threads=threads)


@dataclass(frozen=True)
class _Told:
    text: str
    reason: Any
    word: str


def _ended(text: str, stops: Sequence[str]) -> _Told:
    """A text up to the first of the stop strings in it."""
    found = [(text.index(stop), stop) for stop in stops if stop in text]
    if not found:
        return _Told(text, "eos", "")
    place, stop = min(found)
    return _Told(text[:place], "word", stop)


def _refused(error: EngineError) -> ApiError:
    return ApiError("api_error", str(error))


def _calls(request: Request) -> bool:
    """Whether this turn may call: tools are offered, and it is not yet time to answer, or a call is demanded."""
    return bool(bridge.offered(request)) and (bridge.must_call(request) or not _has_results(request))


def _has_results(request: Request) -> bool:
    """Whether the last turn brings results: then it is time to answer."""
    return any(isinstance(block, ToolResultBlock) for block in request.turns[-1].blocks)


def _without_doubles(calls: Sequence[ToolUse], request: Request) -> list[ToolUse]:
    """The calls, each without what it says twice, and none that has another's values in other places."""
    schemas, words = {tool.name: tool.input_schema for tool in request.tools}, _words_of(request, last=False)
    kept = [ToolUse(call.name, without_doubles(call.input, schemas[call.name], words)) for call in calls]
    return without_repeats(kept, words)


def _words_of(request: Request, *, last: bool) -> str:
    """What the user said: in the last turn, or in all of them."""
    turns = [turn for turn in request.turns if turn.role == "user"]
    return "\n".join(
        block.text for turn in (turns[-1:] if last else turns) for block in turn.blocks if isinstance(block, TextBlock)
    )


def _sampling(request: Request, penalty: float) -> Sampling:
    return Sampling(
        temperature=float(request.temperature or 0),
        top_p=1.0 if request.top_p is None else float(request.top_p),
        top_k=request.top_k or 0,
        repeat_penalty=penalty,
    )

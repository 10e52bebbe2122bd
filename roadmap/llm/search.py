"""The likeliest list of calls near the greedy one.

Under a grammar the likeliest next token can lead where nothing likely follows: having begun an optional argument, the
model has to make something of it. So where a token of the greedy list was very unlikely, the list is written again
without the optional argument or the further call in which it stands, and the likeliest list as a whole is kept.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .engine import Step
from .grammar import Grammar
from .messages.contract import Tool

DOUBTFUL = -3.0  # log-probability below which a token is doubted: one in twenty
MOST_TRIES = 4  # lists that are written beside the first


@dataclass(frozen=True)
class Plan:
    """How many calls a list may have, and which arguments are left out: each a tool and a name."""

    most: int
    left_out: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Place:
    """Where in a written list, in bytes, a tool's name (without `key`) or the value of an argument stands."""

    begin: int
    end: int
    call: int
    tool: str
    key: str | None = None


def likeliest(grammar: Grammar, first: str, most: int, write: Callable[[str], list[Step]]) -> list[Step]:
    """The steps of the likeliest list of up to `most` calls whose first is of the tool `first`.

    `write` makes the greedy list under a grammar.
    """
    plan = Plan(most)
    best = write(grammar.calls(first, most=most))
    seen = {plan}
    for _ in range(MOST_TRIES):
        other = next((one for one in _without_doubts(best, plan, grammar) if one not in seen), None)
        if other is None:
            break
        seen.add(other)
        lessened = Grammar(_lessened(grammar.tools, other.left_out), grammar.said)
        written = write(lessened.calls(first, most=other.most))
        if _score(written) > _score(best):
            best, plan = written, other
    return best


def text_of(steps: Sequence[Step]) -> str:
    """What was written."""
    return b"".join(step.data for step in steps).decode("utf-8", "replace")


def _score(steps: Sequence[Step]) -> float:
    return sum(step.logprob for step in steps)


def _without_doubts(steps: Sequence[Step], plan: Plan, grammar: Grammar) -> Iterator[Plan]:
    """Plans without what a doubtful token stands in, the most doubtful first."""
    try:
        places = list(_places(text_of(steps)))
    except ValueError:  # cut off
        return
    ends = list(itertools.accumulate(len(step.data) for step in steps))
    doubts = sorted(
        (step.logprob, end - len(step.data), end)
        for step, end in zip(steps, ends, strict=True)
        if step.logprob < DOUBTFUL
    )
    for _, begin, end in doubts:
        place = next((one for one in places if one.begin < end and begin < one.end), None)
        if place is not None and place.key is not None and grammar.dispensable(place.tool, place.key):
            yield Plan(plan.most, plan.left_out | {(place.tool, place.key)})
        if place is not None and place.call:
            yield Plan(place.call, plan.left_out)


def _places(text: str) -> Iterator[Place]:
    """The tools' names and the arguments' values of a list of calls; ValueError where it is not whole."""
    json.loads(text)
    decoder, at = json.JSONDecoder(), 1

    def place(begin: int, end: int, call: int, tool: str, key: str | None = None) -> Place:
        return Place(len(text[:begin].encode()), len(text[:end].encode()), call, tool, key)

    for call in itertools.count():
        begin = at + len('{"tool": ')
        tool, at = decoder.raw_decode(text, begin)
        yield place(begin, at, call, tool)
        at += len(', "arguments": ')
        arguments, end = decoder.raw_decode(text, at)
        for key in arguments:
            name = f"{json.dumps(key, ensure_ascii=False)}: "
            begin = text.index(name, at) + len(name)
            _, at = decoder.raw_decode(text, begin)
            yield place(begin, at, call, tool, key)
        at = end + len("}")
        if text[at] == "]":
            return
        at += len(", ")


def _lessened(tools: Sequence[Tool], left_out: frozenset[tuple[str, str]]) -> list[Tool]:
    """The tools, their schemas without the arguments that are left out."""
    changed = []
    for tool in tools:
        schema = tool.input_schema
        properties = {key: sub for key, sub in schema.get("properties", {}).items() if (tool.name, key) not in left_out}
        changed.append(tool.model_copy(update={"input_schema": {**schema, "properties": properties}}))
    return changed

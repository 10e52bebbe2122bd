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
from typing import Any

from .bridge import properties
from .engine import Step
from .grammar import Grammar
from .messages.contract import Tool

DOUBTFUL = -3.0  # log-probability below which a token is doubted: one in twenty
MOST_TRIES = 4  # lists that are written beside the first
MOST_SPREAD = 3  # calls whose values are given out: four have 24 ways
MOST_LESS = 5.0  # nats by which a list with the values given out may be less likely


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
    if plan.left_out:
        grammar = Grammar(_lessened(grammar.tools, plan.left_out), grammar.said)
    return _spread(best, grammar, write)


def _spread(steps: list[Step], grammar: Grammar, write: Callable[[str], list[Step]]) -> list[Step]:
    """The steps of a list whose calls of one tool each have another of the values that the request says for them.

    "lid.stl in plastic, hinge.stl in nylon" are not two calls with nylon: where calls of a tool have a value in common,
    and the request says as many as there are calls, each once, the likeliest way to give them out is kept, unless it is
    much less likely.
    """
    try:
        calls = json.loads(text_of(steps))
    except ValueError:  # cut off
        return steps
    if not 1 < len(calls) <= MOST_SPREAD or any(call["tool"] != calls[0]["tool"] for call in calls):
        return steps
    best, tool = steps, next(one for one in grammar.tools if one.name == calls[0]["tool"])
    fixed: list[dict[str, Any]] = [{} for _ in calls]
    for key in properties(tool.input_schema):
        given = [call["arguments"].get(key) for call in calls]
        values = grammar.said_for(tool, key)
        if len(values) != len(calls) or any(one not in values for one in given):
            continue
        if all(one in given for one in values):
            continue
        ways = []
        for order in itertools.permutations(values):
            plan = [{**before, key: value} for before, value in zip(fixed, order, strict=True)]
            ways.append((write(_fixed(grammar, tool, plan)), plan))
        likeliest_way, plan = max(ways, key=lambda way: _score(way[0]))
        if _score(likeliest_way) > _score(best) - MOST_LESS:
            best, fixed = likeliest_way, plan
    return best


def _fixed(grammar: Grammar, tool: Tool, plan: Sequence[dict[str, Any]]) -> str:
    """A grammar of calls of a tool, as many as in the plan, each with the values that it gives."""
    schema = tool.input_schema
    copies = []
    for values in plan:
        given = {
            key: {**sub, "const": values[key]} if key in values else sub for key, sub in properties(schema).items()
        }
        required = [*schema.get("required", []), *(key for key in values if key not in schema.get("required", []))]
        copies.append(tool.model_copy(update={"input_schema": {**schema, "properties": given, "required": required}}))
    return Grammar(copies, grammar.said).sequence()


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
        kept = {key: sub for key, sub in properties(schema).items() if (tool.name, key) not in left_out}
        changed.append(tool.model_copy(update={"input_schema": {**schema, "properties": kept}}))
    return changed

"""The likeliest list of calls: what the model doubted is left out where the whole is likelier so."""

from __future__ import annotations

import json
from typing import Any

from roadmap.llm import search, spans
from roadmap.llm.engine import Step
from roadmap.llm.grammar import Grammar
from roadmap.llm.messages.contract import Tool
from tests.llm.test_grammar import accepts, tool, written

CUT = tool("cut", ["day"], day={"type": "string"}, stylist={"type": "string"})
DYE = tool("dye", colour={"type": "string"})
SAID = spans.read("A trim on Friday, I look like a sheepdog, São Paulo red")


class Writer:
    """Writes the first of its lists that a grammar allows; tokens are words, doubted ones are given."""

    def __init__(self, *lists: tuple[str, dict[str, float]]):
        self.lists = lists
        self.asked = 0

    def __call__(self, grammar: str) -> list[Step]:
        self.asked += 1
        for text, doubts in self.lists:
            if accepts(grammar, text):
                return [_step(piece, doubts) for piece in text.replace(" ", "\0 ").split("\0")]
        raise AssertionError("the grammar allows none of the lists")


def _step(piece: str, doubts: dict[str, float]) -> Step:
    logprob = next((value for word, value in doubts.items() if word in piece), -0.1)
    return Step(piece, logprob, (), piece.encode())


def _likeliest(writer: Writer, tools: list[Tool], first: str) -> Any:
    steps = search.likeliest(Grammar(tools, SAID), first, 4, writer)
    return [(call["tool"], call["arguments"]) for call in json.loads(search.text_of(steps))]


def test_an_optional_argument_that_leads_nowhere_is_left_out() -> None:
    bare = ("cut", {"day": "Friday"})
    writer = Writer((written(("cut", {"day": "Friday", "stylist": "sheepdog"})), {"sheepdog": -9}), (written(bare), {}))
    assert _likeliest(writer, [CUT], "cut") == [bare]
    assert writer.asked == 2


def test_it_is_kept_where_leaving_it_out_is_less_likely_still() -> None:
    full = ("cut", {"day": "Friday", "stylist": "sheepdog"})
    writer = Writer((written(full), {"sheepdog": -4}), (written(("cut", {"day": "Friday"})), {"Friday": -6}))
    assert _likeliest(writer, [CUT], "cut") == [full]


def test_a_further_call_that_leads_nowhere_is_left_out() -> None:
    first, second = ("cut", {"day": "São Paulo"}), ("dye", {"colour": "sheepdog"})
    writer = Writer((written(first, second), {"sheepdog": -7}), (written(first), {}))
    assert _likeliest(writer, [CUT, DYE], "cut") == [first]


def test_what_must_be_there_is_not_written_again() -> None:
    only = ("dye", {"colour": "sheepdog"})
    writer = Writer((written(only), {"sheepdog": -9}))
    assert _likeliest(writer, [DYE], "dye") == [only]
    assert writer.asked == 1


def test_a_list_that_was_cut_off_stays_as_it_is() -> None:
    steps = [Step('[{"tool": "c', -5.0, (), b'[{"tool": "c')]
    assert search.likeliest(Grammar([CUT], SAID), "cut", 4, lambda grammar: steps) == steps


PRINT = tool("print", ["file"], file={"type": "string"}, material={"enum": ["plastic", "nylon"]})
BOTH = spans.read("lid.stl in plastic, hinge.stl in nylon")


def _prints(*materials: str) -> str:
    files = ("lid.stl", "hinge.stl")
    return written(*(("print", {"file": file, "material": one}) for file, one in zip(files, materials, strict=True)))


def _printed(*lists: tuple[str, dict[str, float]]) -> str:
    return search.text_of(search.likeliest(Grammar([PRINT], BOTH), "print", 4, Writer(*lists)))


def test_calls_of_one_tool_have_each_another_of_the_values_that_were_said() -> None:
    twice = (_prints("nylon", "nylon"), {})
    right, wrong = (_prints("plastic", "nylon"), {"plastic": -2}), (_prints("nylon", "plastic"), {"plastic": -3})
    assert _printed(twice, right, wrong) == right[0]
    assert _printed(twice, wrong, right) == right[0]


def test_they_share_one_where_anything_else_is_much_less_likely() -> None:
    twice = (_prints("nylon", "nylon"), {})
    others = [(_prints(*order), {"plastic": -20}) for order in (("plastic", "nylon"), ("nylon", "plastic"))]
    assert _printed(twice, *others) == twice[0]


def test_lists_that_are_said_for_nobody_stay_as_they_are() -> None:
    odd = tool("odd", rows={"enum": [["lid"], ["nylon"]]}, kinds={"type": "array", "items": {"type": "string"}})
    call = ("odd", {"rows": ["lid"], "kinds": ["plastic"]})
    other = ("odd", {"rows": ["lid"], "kinds": ["nylon"]})
    steps = search.likeliest(Grammar([odd], BOTH), "odd", 4, Writer((written(call, other), {})))
    assert search.text_of(steps) == written(call, other)


def test_a_tool_without_arguments_is_written_as_it_is() -> None:
    bare = Tool(name="bare", input_schema={"type": "object", "properties": None})
    steps = search.likeliest(Grammar([bare], BOTH), "bare", 4, Writer((written(("bare", {}), ("bare", {})), {})))
    assert search.text_of(steps) == written(("bare", {}), ("bare", {}))

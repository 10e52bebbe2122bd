"""The grammar of calls, recognised byte by byte: what it lets through is a call that the request supports."""

from __future__ import annotations

import json
from typing import Any

import llguidance
import pytest
from llguidance.gbnf_to_lark import any_to_lark

from roadmap.llm import spans
from roadmap.llm.grammar import Grammar, without_doubles, without_repeats
from roadmap.llm.messages.contract import Tool
from roadmap.llm.messages.parts import ToolUse


def tool(name: str, required: list[str] | None = None, /, **properties: Any) -> Tool:
    """A tool; all its arguments are required unless `required` says which are."""
    needed = list(properties) if required is None else required
    return Tool(name=name, input_schema={"type": "object", "properties": properties, "required": needed})


WEATHER = tool("weather", ["city"], city={"type": "string"}, day={"enum": ["today", "tomorrow"]})
STOCK = tool("stock", symbol={"type": "string", "pattern": "^[A-Z]{1,5}$"})
TIMER = tool("timer", minutes={"type": "integer", "maximum": 60})
SUM = tool("sum", expression={"type": "string"})


def accepts(grammar: str, text: str) -> bool:
    """Whether a text is in a grammar."""
    lark = llguidance.LLMatcher.grammar_from_lark(any_to_lark(grammar))
    matcher = llguidance.LLMatcher(llguidance.LLTokenizer("byte"), lark)
    assert not matcher.get_error(), matcher.get_error()
    data = list(text.encode())
    return matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting()


def written(*calls: tuple[str, dict[str, Any]]) -> str:
    """Calls as the model writes them."""
    return json.dumps([{"tool": name, "arguments": arguments} for name, arguments in calls], ensure_ascii=False)


@pytest.mark.parametrize(
    ("words", "arguments", "right"),
    [
        ("Weather in San José tomorrow?", {"city": "San José", "day": "tomorrow"}, True),
        ("Weather in San José tomorrow?", {"city": "San José"}, False),  # what was said outright is not left out
        ("Weather in San José?", {"city": "San José"}, True),
        ("Weather in San José tomorrow?", {"city": "Paris"}, False),
        ("Weather in San José tomorrow?", {"city": "San José", "day": "today"}, False),
        ("Weather in San José tomorrow?", {"day": "tomorrow"}, False),
        ('Say "he\\"y"', {"city": "Say"}, True),
    ],
)
def test_strings_are_spans_and_optional_members_are_mentioned(words: str, arguments: Any, right: bool) -> None:
    grammar = Grammar([WEATHER], spans.read(words)).calls("weather", most=1)
    assert accepts(grammar, written(("weather", arguments))) == right


QUOTE = tool(
    "quote",
    ["symbol"],
    symbol={"type": "string", "description": "the ticker symbol"},
    date={"anyOf": [{"type": "string"}, {"type": "null"}], "description": "a past day, as YYYY-MM-DD"},
)


@pytest.mark.parametrize(
    ("words", "arguments", "right"),
    [
        ("I hold some Microsoft.", {"symbol": "MSFT"}, True),
        ("I hold some Microsoft.", {"symbol": "Microsoft"}, False),
        ("I hold some Microsoft.", {"symbol": "I"}, False),
        ("The price of Foo Works?", {"symbol": "Foo Works"}, True),  # no ticker was said: a description is no rule
        ("IBM on 4 January 2013?", {"symbol": "IBM", "date": "2013-01-04"}, True),
        ("IBM on 4 January 2013?", {"symbol": "IBM"}, False),  # what was said outright is not left out
        ("IBM on the day after?", {"symbol": "IBM", "date": "the day"}, False),
        ("IBM on the day after?", {"symbol": "IBM"}, True),
        ("How many euros is Microsoft?", {"symbol": "EUR"}, False),  # a code, but not of the kind
    ],
)
def test_a_description_that_names_a_form_is_heeded(words: str, arguments: Any, right: bool) -> None:
    grammar = Grammar([QUOTE], spans.read(words)).calls("quote", most=1)
    assert accepts(grammar, written(("quote", arguments))) == right


def test_a_number_said_once_fills_one_argument() -> None:
    dice = tool("dice", ["count"], count={"type": "integer"}, sides={"type": "integer"})
    once, twice = (Grammar([dice], spans.read(words)).calls("dice", most=1) for words in ("Roll 6", "Roll 2 of 6"))
    assert accepts(once, written(("dice", {"count": 6})))
    assert not accepts(once, written(("dice", {"count": 6, "sides": 6})))
    assert accepts(twice, written(("dice", {"count": 2, "sides": 6})))


def test_no_value_is_given_to_two_arguments() -> None:
    code = {"type": "string", "pattern": "^[A-Z]{3}$"}
    money = tool("money", **{"amount": {"type": "number"}, "from": code, "to": code})
    grammar = Grammar([money], spans.read("What are 40,000 won in Canadian dollars?")).calls("money", most=1)
    assert accepts(grammar, written(("money", {"amount": 40000, "from": "KRW", "to": "CAD"})))
    assert accepts(grammar, written(("money", {"amount": 40000, "from": "CAD", "to": "KRW"})))
    assert not accepts(grammar, written(("money", {"amount": 40000, "from": "KRW", "to": "KRW"})))
    assert not accepts(grammar, written(("money", {"amount": 40000, "from": "KRW", "to": "USD"})))
    assert not Grammar([money], spans.read("5 euros, how much is that?")).tools  # only one code was said
    dice = tool("dice", count={"type": "integer"}, sides={"type": "integer"})
    for words, count, sides, right in [
        ("2 twenty-sided dice", 2, 20, True),
        ("2 twenty-sided dice", 2, 2, False),
        ("six dice of 6 sides", 6, 6, True),  # said twice
    ]:
        grammar = Grammar([dice], spans.read(words)).calls("dice", most=1)
        assert accepts(grammar, written(("dice", {"count": count, "sides": sides}))) == right, words


def test_many_numbers_and_many_arguments_make_no_endless_grammar() -> None:
    wide = tool("wide", **{f"n{place}": {"type": "number"} for place in range(8)})
    words = " ".join(str(number) for number in range(1, 30))
    grammar = Grammar([wide], spans.read(words)).calls("wide", most=1)
    assert len(grammar) < 20_000
    assert accepts(grammar, written(("wide", {f"n{place}": place + 1 for place in range(8)})))


def test_an_hour_without_a_mark_fills_a_time_and_is_not_forced_into_one() -> None:
    clock = {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$"}
    meet = tool("meet", ["who"], who={"type": "string"}, when=clock)
    grammar = Grammar([meet], spans.read("Meet Anna at seven")).calls("meet", most=1)
    assert accepts(grammar, written(("meet", {"who": "Anna", "when": "19:00"})))
    assert accepts(grammar, written(("meet", {"who": "Anna"})))
    assert not accepts(grammar, written(("meet", {"who": "Anna", "when": "20:00"})))


def test_patterns_numbers_and_sums() -> None:
    grammar = Grammar([STOCK], spans.read("How is Apple doing?")).calls("stock", most=1)
    assert accepts(grammar, written(("stock", {"symbol": "AAPL"})))
    assert not accepts(grammar, written(("stock", {"symbol": "MSFT"})))
    grammar = Grammar([TIMER], spans.read("twenty minutes, not 90")).calls("timer", most=1)
    assert accepts(grammar, written(("timer", {"minutes": 20})))
    assert not accepts(grammar, written(("timer", {"minutes": 90})))
    grammar = Grammar([SUM], spans.read("17 times 23")).calls("sum", most=1)
    assert accepts(grammar, written(("sum", {"expression": "17 * 23"})))
    assert not accepts(grammar, written(("sum", {"expression": "17 * 24"})))


def test_sums_are_for_tools_that_say_that_they_reckon() -> None:
    said = spans.read("print 3 pieces of hook, filled to 50 percent")
    for name, key, description, allowed in (
        ("print_model", "file", "", False),
        ("get_summary", "file", "", False),
        ("print_model", "file", "the result of a calculation", True),
        ("doMath", "input", "", True),
    ):
        one = tool(name, **{key: {"type": "string", "description": description}})
        assert accepts(Grammar([one], said).calls(name, most=1), written((name, {key: "3 * 50"}))) == allowed


def test_tools_that_cannot_be_filled_drop_out() -> None:
    grammar = Grammar([WEATHER, TIMER, STOCK], spans.read("Is it cold in oslo?"))
    assert [one.name for one in grammar.tools] == ["weather"]
    form, options = grammar.choice(none=True)
    assert set(options.values()) == {"weather", None}
    assert accepts(form, "[]")
    assert accepts(form, '[{"tool": "weather",')
    assert not accepts(form, '[{"tool": "timer",')


def test_a_required_member_that_is_said_rules_out_those_that_are_not() -> None:
    lamp = tool("lamp", ["state"], state={"enum": ["on", "off"]})
    said = Grammar([lamp], spans.read("Lights off!")).calls("lamp", most=1)
    assert accepts(said, written(("lamp", {"state": "off"})))
    assert not accepts(said, written(("lamp", {"state": "on"})))
    silent = Grammar([lamp], spans.read("It is dark in here.")).calls("lamp", most=1)
    assert accepts(silent, written(("lamp", {"state": "on"})))


def test_several_calls_up_to_a_limit() -> None:
    calls = [("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"})]
    offered = Grammar([WEATHER], spans.read("Oslo and Rome"))
    assert accepts(offered.calls("weather", most=2), written(*calls))
    assert not accepts(offered.calls("weather", most=1), written(*calls))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "boolean"}, True),
        ({"type": "array", "items": {"type": "string"}}, ["red", "blue"]),
        ({"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}, {"n": 2.5}),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "red"),
        ({"type": ["number", "null"]}, 2.5),
        ({"type": "string", "format": "date"}, "2013-02-03"),
        ({"const": 'a "quoted" one\n'}, 'a "quoted" one\n'),
        ({"enum": [1, "two", None]}, None),
        ({}, "red"),
        ({"$ref": "#/nowhere"}, 2.5),
        ({"anyOf": 5}, 2.5),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
    ],
)
def test_every_kind_of_schema(schema: Any, value: Any) -> None:
    said = spans.read("red, blue and 2.5 on 3 February 2013")
    grammar = Grammar([tool("f", x=schema)], said).calls("f", most=1)
    assert accepts(grammar, written(("f", {"x": value})))


def test_no_arguments_at_all() -> None:
    grammar = Grammar([tool("coin"), tool("dice", [], sides={"type": "integer"})], spans.read("go"))
    assert accepts(grammar.calls("coin", most=1), written(("coin", {})))
    assert accepts(grammar.calls("dice", most=1), written(("dice", {})))


TRACE = tool(
    "trace",
    ["name", "event"],
    name={"type": "string"},
    event={"enum": ["birth", "death"]},
    town={"type": "string"},
    year={"type": "integer"},
    note={"anyOf": [{"type": "string"}, {"type": "null"}]},
)


@pytest.mark.parametrize(
    ("words", "arguments", "dropped"),
    [
        ("the birth of Ada King, 1815", {"name": "Ada King", "event": "birth", "town": "1815", "year": 1815}, "town"),
        ("the birth of Ada King", {"name": "Ada King", "event": "birth", "town": "King"}, "town"),
        ("the birth of Ada King", {"name": "Ada King", "event": "birth", "town": "birth"}, "town"),
        ("the birth of Ada King in King", {"name": "Ada King", "event": "birth", "town": "King"}, ""),  # said twice
        ("the birth of Ada King in Rome", {"name": "Ada King", "event": "birth", "town": "Rome"}, ""),
        ("birth: Ada, Rome", {"name": "Ada", "event": "birth", "town": "Rome", "note": "Rome"}, "note"),
        ("birth of 1815", {"name": "1815", "event": "birth", "year": 1815}, ""),  # a number stays, and what is required
    ],
)
def test_optional_words_are_not_those_of_another_argument(words: str, arguments: Any, dropped: str) -> None:
    left = {key: value for key, value in arguments.items() if key != dropped}
    assert without_doubles(arguments, TRACE.input_schema, words) == left


def test_an_optional_number_is_not_made_of_a_date() -> None:
    lane = tool("lane", ["date"], date={"type": "string", "format": "date"}, minutes={"type": "integer"})
    for words, minutes, right in [
        ("a lane on 14 February 2026 at 11:00", 14, False),
        ("a lane on 14 February 2026 for 30 minutes", 30, True),
        ("a lane on 14 February 2026 for 30 minutes", 14, False),
    ]:
        grammar = Grammar([lane], spans.read(words)).calls("lane", most=1)
        assert accepts(grammar, written(("lane", {"date": "2026-02-14", "minutes": minutes}))) == right, words
    alarm = tool("alarm", hour={"type": "integer"}, minute={"type": "integer"})
    assert Grammar([alarm], spans.read("wake me at 7:30")).tools  # a required one takes what there is
    assert not Grammar([alarm], spans.read("wake me on 14 February 2026")).tools


@pytest.mark.parametrize(
    ("words", "name", "right"),
    [
        ("EuroMillions 2026-03-06", "EuroMillions", True),
        ("EuroMillions 2026-03-06", "2026-03-06", False),  # the tool has a place for dates
        ("EuroMillions 2026-03-06", "EuroMillions 2026-03-06", False),
        ("draw of 6 49 on 2026-03-06", "6 49", False),
        ("6 aus 49 on 2026-03-06", "6 aus 49", True),
        ("Apollo 13 on 2026-03-06", "Apollo 13", True),
    ],
)
def test_words_are_not_figures_alone_where_figures_have_their_place(words: str, name: str, right: bool) -> None:
    draw = tool("draw", ["name"], name={"type": "string"}, date={"type": "string", "format": "date"})
    grammar = Grammar([draw], spans.read(words)).calls("draw", most=1)
    assert accepts(grammar, written(("draw", {"name": name, "date": "2026-03-06"}))) == right
    label = tool("label", name={"type": "string"})
    assert accepts(Grammar([label], spans.read(words)).calls("label", most=1), written(("label", {"name": name})))


PRINT = tool(
    "print_model",
    ["file", "material"],
    file={"type": "string"},
    material={"enum": ["plastic", "nylon"]},
    owner={"type": "string"},
)


@pytest.mark.parametrize(
    ("words", "arguments", "right"),
    [
        ("lid in nylon", {"file": "lid", "material": "nylon"}, True),
        ("lid in nylon", {"file": "nylon", "material": "nylon"}, False),  # said for the material
        ("nylon, lid", {"file": "nylon, lid", "material": "nylon"}, False),
        ("the nylon lid please", {"file": "nylon lid", "material": "nylon"}, True),
        ("nylon, file lid.stl", {"file": "file lid.stl", "material": "nylon"}, False),  # the argument's own name
        ("nylon, file Lid", {"file": "Lid", "material": "nylon"}, True),
        ("nylon, file Lid", {"file": "file Lid", "material": "nylon"}, False),
        ("print lid-v2.stl in nylon", {"file": "lid-v2.stl", "material": "nylon"}, True),
        ("print lid-v2.stl in nylon", {"file": "print", "material": "nylon"}, False),  # no file's name
        ("print 3 pieces of hook.3mf in nylon", {"file": "3 pieces of hook.3mf", "material": "nylon"}, False),
        ("print 2.5k of lids in nylon", {"file": "lids", "material": "nylon"}, True),
        ("lid in nylon, I need it", {"file": "lid", "material": "nylon", "owner": "I"}, False),
        ("lid in nylon for Ada", {"file": "lid", "material": "nylon", "owner": "Ada"}, True),
    ],
)
def test_strings_are_not_what_was_said_for_something_else(words: str, arguments: Any, right: bool) -> None:
    grammar = Grammar([PRINT], spans.read(words)).calls("print_model", most=1)
    assert accepts(grammar, written(("print_model", arguments))) == right


@pytest.mark.parametrize(
    ("words", "reference", "right"),
    [
        ("Where is KL5530912, the little booklet?", "KL5530912", True),
        ("Where is KL5530912, the little booklet?", "little booklet", False),
        ("Where is the little booklet?", "little booklet", None),  # no figure at all: the tool cannot be filled
        ("Where is 4471, the booklet?", "booklet", True),  # figures alone may be an amount
        ("Where is AB-12/93X?", "AB-12/93X", True),
    ],
)
def test_a_reference_looks_like_one_where_one_was_said(words: str, reference: str, right: bool | None) -> None:
    status = tool("status", reference={"type": "string", "description": "the application's number"})
    grammar = Grammar([status], spans.read(words))
    assert bool(grammar.tools) == (right is not None)
    if right is not None:
        assert accepts(grammar.calls("status", most=1), written(("status", {"reference": reference}))) == right


def test_what_may_be_left_out_is_not_made_of_both_or_a_pair() -> None:
    clean = tool("clean", ["garment"], garment={"type": "string"}, pieces={"type": "integer"})
    count = tool("count", pieces={"type": "integer"})
    for words, pieces, right in (("both kilts", 2, False), ("two kilts", 2, True), ("a pair of kilts, two", 2, True)):
        grammar = Grammar([clean], spans.read(words)).calls("clean", most=1)
        assert accepts(grammar, written(("clean", {"garment": "kilts", "pieces": pieces}))) == right
        assert accepts(grammar, written(("clean", {"garment": "kilts"})))
        needed = Grammar([count], spans.read(words)).calls("count", most=1)
        assert accepts(needed, written(("count", {"pieces": pieces})))


def test_numbers_beside_a_name_that_two_arguments_share_are_anyones() -> None:
    plant = tool("plant", rows={"type": "integer"}, seeds_per_row={"type": "integer"})
    grammar = Grammar([plant], spans.read("4 rows with 9 in each"))
    assert [one.name for one in grammar.tools] == ["plant"]
    assert accepts(grammar.calls("plant", most=1), written(("plant", {"rows": 4, "seeds_per_row": 9})))


@pytest.mark.parametrize(
    ("words", "arguments", "right"),
    [
        ("Hold it from 2026-03-05", {"first": "2026-03-05"}, True),
        ("Hold it from 2026-03-05", {"first": "2026-03-05", "last": "2026-03-05"}, False),
        ("Hold it from 2026-03-05 until 2026-03-09", {"first": "2026-03-05", "last": "2026-03-09"}, True),
        ("Hold it from 2026-03-05 until 2026-03-09", {"first": "2026-03-05"}, False),
    ],
)
def test_one_date_is_enough_where_another_may_be_left_out(words: str, arguments: Any, right: bool) -> None:
    day = {"type": "string", "description": "YYYY-MM-DD"}
    hold = tool("hold", ["first"], first=day, last=day)
    assert accepts(Grammar([hold], spans.read(words)).calls("hold", most=1), written(("hold", arguments))) == right


def test_what_was_tried_for_one_tool_takes_nothing_from_the_next() -> None:
    split = tool("calculate_split", ["expression", "people"], expression={"type": "string"}, people={"type": "integer"})
    never = tool(
        "compute_never", ["expression", "day"], expression={"type": "string"}, day={"format": "date", "type": "string"}
    )
    grammar = Grammar([never, split, SUM], spans.read("17 times 23 for 3 people"))
    assert [one.name for one in grammar.tools] == ["calculate_split", "sum"]
    assert accepts(grammar.calls("sum", most=1), written(("sum", {"expression": "17 * 23"})))


@pytest.mark.parametrize(
    ("words", "arguments", "right"),
    [
        ("pull T-114", {"sample": "T-114"}, True),
        ("pull T-114", {"sample": "T-114", "celsius": 114}, False),  # a code's figures are no temperature
        ("pull bar 22-F", {"sample": "bar 22-F"}, False),
        ("pull L-14, melt 150 kg of brass", {"sample": "L-14", "celsius": 150}, False),
        ("pull L-14 at minus 40 degrees", {"sample": "L-14", "celsius": -40}, True),
        ("pull L-14 for Ada", {"sample": "L-14", "who": "Ada"}, True),
        ("pull L-14 for the boss of Ada", {"sample": "L-14", "who": "boss"}, False),  # names have a capital letter
        ("pull l-14 for ada", {"sample": "l-14", "who": "ada"}, True),  # unless nothing has
        ("pull L-14, see log.txt", {"sample": "L-14", "note": "log.txt"}, False),  # a file is no other string
    ],
)
def test_arguments_that_may_be_left_out_are_made_of_what_is_like_them(words: str, arguments: Any, right: bool) -> None:
    pull = tool(
        "pull",
        ["sample"],
        sample={"type": "string", "description": "sample code"},
        celsius={"type": "integer"},
        who={"type": "string", "description": "person who asked"},
        note={"type": "string"},
    )
    grammar = Grammar([pull], spans.read(words)).calls("pull", most=1)
    assert accepts(grammar, written(("pull", arguments))) == right


MOVE = tool(
    "move",
    ["from_address", "date"],
    from_address={"type": "string", "description": "old address"},
    date={"type": "string", "description": "day, YYYY-MM-DD"},
    helper={"type": "string", "description": "first name"},
    boxes={"type": "integer", "description": "how many"},
    insured={"type": "boolean", "description": "insured or not"},
)


@pytest.mark.parametrize(
    ("words", "arguments", "right"),
    [
        ("Out of 3 Burns Court, 2026-04-18", {"from_address": "3 Burns Court", "date": "2026-04-18"}, True),
        ("Out of 3 Burns Court, 2026-04-18", {"from_address": "Burns Court", "date": "2026-04-18"}, False),
        # The number of a house is no other.
        (
            "Out of 3 Burns Court, 2026-04-18",
            {"from_address": "3 Burns Court", "date": "2026-04-18", "boxes": 3},
            False,
        ),
        (
            "4 boxes out of 3 Burns Court, 2026-04-18",
            {"from_address": "3 Burns Court", "date": "2026-04-18", "boxes": 4},
            True,
        ),
        # No words of dates in a text, nor words of two sentences.
        ("Out of the hut on 2026-04-18", {"from_address": "the hut on 2026-04-18", "date": "2026-04-18"}, False),
        ("2026-04-18. The hut. Be quick.", {"from_address": "hut. Be quick", "date": "2026-04-18"}, False),
        ("2026-04-18, from St. Mary Hall", {"from_address": "St. Mary Hall", "date": "2026-04-18"}, True),
        # What begins a sentence is no name where it is a common word.
        ("Write to Ada: the hut, 2026-04-18", {"from_address": "hut", "date": "2026-04-18", "helper": "Ada"}, True),
        ("Write to Ada: the hut, 2026-04-18", {"from_address": "hut", "date": "2026-04-18", "helper": "Write"}, False),
        # What may be so or not is there where it is said, and as it is said.
        ("The hut, 2026-04-18, insured", {"from_address": "hut", "date": "2026-04-18", "insured": True}, True),
        ("The hut, 2026-04-18, insured", {"from_address": "hut", "date": "2026-04-18", "insured": False}, False),
        ("The hut, 2026-04-18, not insured", {"from_address": "hut", "date": "2026-04-18", "insured": False}, True),
        ("The hut, 2026-04-18", {"from_address": "hut", "date": "2026-04-18", "insured": True}, False),
        # A date that is wanted is not made of any words, unless some are for a day.
        ("Out of the hut", {"from_address": "hut", "date": "hut"}, None),
        ("Out of the hut on Friday", {"from_address": "hut", "date": "Friday"}, True),
    ],
)
def test_arguments_are_made_of_what_looks_like_them(words: str, arguments: Any, right: bool | None) -> None:
    grammar = Grammar([MOVE], spans.read(words))
    assert bool(grammar.tools) == (right is not None)
    if right is not None:
        assert accepts(grammar.calls("move", most=1), written(("move", arguments))) == right


def test_a_number_with_a_unit_is_for_the_argument_that_is_measured_in_it() -> None:
    blow = tool(
        "blow",
        ["speed"],
        speed={"type": "integer", "description": "air speed in m/s"},
        yaw={"type": "number", "description": "yaw angle in degrees"},
    )
    for words, arguments, right in (
        ("Blow at 20 m/s, once at 45 m/s", {"speed": 20, "yaw": 45}, False),
        ("Blow at 20 m/s, once at 45 m/s", {"speed": 45}, True),
        ("Blow at 20 m/s and 6 degrees", {"speed": 20, "yaw": 6}, True),
        ("Blow at 20 m/s and 6 degrees", {"speed": 6, "yaw": 20}, False),
    ):
        grammar = Grammar([blow], spans.read(words)).calls("blow", most=1)
        assert accepts(grammar, written(("blow", arguments))) == right, words


def test_what_is_in_quotation_marks_is_the_text() -> None:
    idea = tool("idea", title={"type": "string", "description": "title of the idea"})
    words = 'improvement "Two-sided printing", anonymous'
    grammar = Grammar([idea], spans.read(words)).calls("idea", most=1)
    assert accepts(grammar, written(("idea", {"title": "Two-sided printing"})))
    assert not accepts(grammar, written(("idea", {"title": "improvement"})))
    card = tool("card", text={"type": "string"})  # the quotation marks may be for either
    both = Grammar([idea, card], spans.read(words)).calls("idea", most=1)
    assert accepts(both, written(("idea", {"title": "improvement"})))


def test_no_call_has_the_values_of_another_in_other_places() -> None:
    there, back, more = (
        ToolUse("ride", {"from": a, "to": b}) for a, b in (("York", "Bath"), ("Bath", "York"), ("Bath", "Hull"))
    )
    assert without_repeats([there, back, more], "from York to Bath, from Bath to Hull") == [there, more]
    assert without_repeats([there, back], "from York to Bath and back") == [there, back]

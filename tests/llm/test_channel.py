"""The member of an enum that a request means without naming one."""

from __future__ import annotations

from roadmap.llm import channel, spans
from roadmap.llm.messages.contract import Tool
from tests.llm.test_grammar import tool

ROLES = ["hero", "side_kick", "villain"]
ADD = tool("add", ["role"], name={"type": "string"}, role={"enum": ROLES}, mood={"enum": ["calm", "wild"]})


def _asked(before: str, text: str) -> float:
    asked.append((before, text))
    return 0.0 if "side kick" in before else -1.0


asked: list[tuple[str, str]] = []


def test_the_member_under_which_the_request_is_likeliest() -> None:
    asked.clear()
    resolved, other = channel.resolved([ADD, tool("other")], ["add"], spans.read("A loyal friend: Jo"), _asked)
    assert resolved.input_schema["properties"]["role"]["enum"] == ["side_kick"]
    assert resolved.input_schema["properties"]["mood"]["enum"] == ["calm", "wild"]  # may be left out
    assert other.name == "other"
    assert [text for _, text in asked] == [" A loyal friend: Jo"] * len(ROLES)
    assert ADD.input_schema["properties"]["role"]["enum"] == ROLES


def test_a_member_that_is_named_is_not_asked_for() -> None:
    asked.clear()
    assert channel.resolved([ADD], ["add"], spans.read("A villain: Jo"), _asked) == [ADD]
    assert channel.resolved([ADD], [], spans.read("A friend: Jo"), _asked) == [ADD]
    assert not asked


def test_tools_of_any_form_are_left_as_they_are() -> None:
    asked.clear()
    odd = [
        Tool(name="none", input_schema={"type": "object", "properties": None}),
        Tool(
            name="lists", input_schema={"type": "object", "properties": {"a": {"enum": [[1], [2]]}}, "required": ["a"]}
        ),
        Tool(name="absent", input_schema={"type": "object", "properties": {"a": True}, "required": ["a", "b"]}),
    ]
    assert channel.resolved(odd, ["none", "lists", "absent"], spans.read("words"), _asked) == odd
    assert not asked


def test_of_a_long_request_the_end_is_weighed() -> None:
    asked.clear()
    channel.meant(ADD, "role", ROLES, "word " * 500 + "end", _asked)
    assert len(asked[0][1].split()) == channel.MOST_WORDS
    assert asked[0][1].endswith("end")

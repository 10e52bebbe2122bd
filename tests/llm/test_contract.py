"""What the Messages API refuses, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roadmap.llm.messages import ApiError, parse

USER = {"role": "user", "content": "Hi"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}
TOOL = {"name": "f", "description": "F.", "input_schema": {"type": "object", "properties": {}}}


def request(*messages: Any, **more: Any) -> dict[str, Any]:
    """A request with these messages, or one that is right."""
    return {"model": "m", "max_tokens": 9, "messages": list(messages) or [USER], **more}


def turn(role: str, *blocks: Any) -> dict[str, Any]:
    """One message of blocks."""
    return {"role": role, "content": list(blocks)}


def text(words: str) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words}


def test_a_plain_request() -> None:
    parsed = parse(json.dumps(request(system=[text("a"), text("b")], stop_sequences=["x"], temperature=0)).encode())
    assert (parsed.system_text, parsed.stream, parsed.messages[0].blocks[0].text) == ("a\nb", False, "Hi")  # type: ignore[union-attr]


def test_neighbours_of_one_role_are_one_turn() -> None:
    parsed = parse(request(USER, USER, turn("assistant", text("a")), USER))
    assert [len(turn.blocks) for turn in parsed.turns] == [2, 1, 1]


def test_calls_and_results_that_fit() -> None:
    second = CALL | {"id": "toolu_2"}
    answers = [RESULT | {"tool_use_id": "toolu_2", "content": [text("2")], "is_error": True}, RESULT]
    parse(
        request(USER, turn("assistant", text("I look."), CALL, second), turn("user", *answers, text("?")), tools=[TOOL])
    )
    # Results may come in two messages of one role: they are one turn.
    parse(
        request(USER, turn("assistant", CALL, second), turn("user", answers[0]), turn("user", answers[1]), tools=[TOOL])
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"max_tokens": NaN}', "not valid JSON"),
        (rb'{"model": "\ud800"}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        ({"model": "m", "messages": [USER]}, "max_tokens: Field required"),
        ({"max_tokens": 5, "messages": [USER]}, "model: Field required"),
        (request(max_tokens=0), "max_tokens: Input should be greater than or equal to 1"),
        (request(max_tokens="9"), "max_tokens: Input should be a valid integer"),
        (request(max_tokens=True), "max_tokens: Input should be a valid integer"),
        (request(temperature=1.5), "temperature: Input should be less than or equal to 1"),
        (request(colour="red"), "colour: Extra inputs are not permitted"),
        (request({**USER, "name": "x"}), "messages.0.name: Extra inputs are not permitted"),
        (request({"role": "system", "content": "x"}), 'Unexpected role "system"'),
        (request({"role": "tool", "content": "x"}), "messages.0.role: Input should be 'user' or 'assistant'"),
        (request({"role": "user", "content": 5}), "messages.0.content: Input should be a valid list"),
        (request(turn("user", {"type": "text"})), "messages.0.content.0.text.text: Field required"),
        (request(turn("user", {"type": "image", "source": {}})), "messages.0.content.0: Input tag 'image'"),
        (request(turn("assistant", text("x"))), 'first message must use the "user" role'),
        (request({"role": "user", "content": ""}), "must have non-empty content"),
        (request(turn("user", text(""))), "text content blocks must be non-empty"),
        (request(turn("user", text(" \n"))), "must contain non-whitespace text"),
        (request(system=[text("")]), "system: text content blocks must be non-empty"),
        (request(stop_sequences=[" "]), "must contain non-whitespace"),
        (request(stop_sequences=[""]), "stop_sequences.0: String should have at least 1 character"),
        (request(tools=[TOOL | {"colour": "red"}]), "tools.0.colour: Extra inputs are not permitted"),
        (request(tools=[TOOL], tool_choice={"type": "all"}), "tool_choice: Input tag 'all'"),
        (
            request(turn("user", *[text("x") | {"cache_control": {"type": "ephemeral"}}] * 5)),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            request(
                USER,
                turn("assistant", CALL),
                turn("user", RESULT | {"content": "", "is_error": True}),
                tools=[TOOL],
            ),
            "content cannot be empty if `is_error` is true",
        ),
        (request(USER, turn("assistant", text("so "))), "cannot end with trailing whitespace"),
        (request(tools=[TOOL, TOOL]), "Tool names must be unique"),
        (request(tools=[TOOL | {"name": "no spaces"}]), "tools.0.name: String should match pattern"),
        (request(tools=[TOOL | {"input_schema": {}}]), "tools.0.custom.input_schema.type"),
        (
            request(tools=[TOOL | {"input_schema": {"type": "object", "required": "x"}}]),
            "must match JSON Schema draft 2020-12",
        ),
        (request(tool_choice={"type": "auto"}), "may only be specified while providing tools"),
        (request(tools=[TOOL], tool_choice={"type": "tool", "name": "g"}), "Tool 'g' not found"),
        (request(tools=[TOOL], tool_choice={"type": "tool"}), "tool_choice.tool.name: Field required"),
        (request(thinking={"type": "enabled", "budget_tokens": 2000}), "thinking.type: Input should be 'disabled'"),
        (request(USER, turn("assistant", CALL), turn("user", RESULT)), "must define tools"),
        (
            request(USER, turn("assistant", CALL), tools=[TOOL]),
            "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
        ),
        (request(USER, turn("assistant", CALL), USER, tools=[TOOL]), "without `tool_result` blocks"),
        (
            request(USER, turn("assistant", CALL), turn("user", text("here:"), RESULT), tools=[TOOL]),
            "without `tool_result` blocks",
        ),
        (
            request(turn("user", RESULT), tools=[TOOL]),
            "unexpected `tool_use_id` found in `tool_result` blocks",
        ),
        (
            request(USER, turn("assistant", CALL), turn("user", RESULT, RESULT), tools=[TOOL]),
            "must have a single result",
        ),
        (
            request(USER, turn("assistant", CALL, CALL), turn("user", RESULT), tools=[TOOL]),
            "`tool_use` ids must be unique",
        ),
        (request(turn("user", CALL), tools=[TOOL]), "`tool_use` blocks can only be in `assistant` messages"),
        (
            request(USER, turn("assistant", RESULT), USER, tools=[TOOL]),
            "`tool_result` blocks can only be in `user` messages",
        ),
    ],
)
def test_what_is_refused(body: Any, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse(body)
    assert caught.value.status == 400
    assert message in caught.value.message


def test_a_body_that_is_too_large() -> None:
    with pytest.raises(ApiError) as caught:
        parse(b" " * (32 * 1024 * 1024 + 1))
    assert (caught.value.status, caught.value.kind) == (413, "request_too_large")

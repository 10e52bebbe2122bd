"""The local model through the real SDK: the API's form on real decoding."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from roadmap.llm.local import MODEL, LocalModel
from roadmap.llm.messages.app import application
from roadmap.llm.serving import serve

WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather of a city today.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city"],
    },
}
STOCK: Any = {
    "name": "get_stock_price",
    "description": "The price of a share.",
    "input_schema": {"type": "object", "properties": {"symbol": {"type": "string"}}, "required": ["symbol"]},
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client() -> Iterator[anthropic.Anthropic]:
    """The SDK, pointed at SmolLM2."""
    with LocalModel() as model, serve(application(model)) as url:
        yield anthropic.Anthropic(base_url=url, api_key="local", max_retries=0, timeout=120)


def ask(client: anthropic.Anthropic, words: str, **more: Any) -> anthropic.types.Message:
    """One question."""
    request: Any = {"model": MODEL, "max_tokens": 40, "messages": [{"role": "user", "content": words}], **more}
    return client.messages.create(**request)


def test_an_answer_and_its_usage(client: anthropic.Anthropic) -> None:
    message = ask(client, "What is the capital of Japan?")
    assert "Tokyo" in message.content[0].text
    counted = client.messages.count_tokens(
        model=MODEL, messages=[{"role": "user", "content": "What is the capital of Japan?"}]
    )
    assert message.usage.input_tokens == counted.input_tokens
    assert 1 <= message.usage.output_tokens <= 40
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert ask(client, "What is the capital of Japan?").content[0].text == message.content[0].text


def test_limits_and_stops(client: anthropic.Anthropic) -> None:
    assert ask(client, "Tell me a story.", max_tokens=5).stop_reason == "max_tokens"
    stopped = ask(client, "What is the capital of Japan?", stop_sequences=["Tokyo", "never"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "Tokyo")
    assert "Tokyo" not in stopped.content[0].text


def test_streaming_says_the_same(client: anthropic.Anthropic) -> None:
    whole = ask(client, "Name three colours.")
    with client.messages.stream(
        model=MODEL, max_tokens=40, messages=[{"role": "user", "content": "Name three colours."}]
    ) as stream:
        pieces = list(stream.text_stream)
    assert len(pieces) > 3
    assert "".join(pieces) == whole.content[0].text


def test_the_answer_may_be_begun(client: anthropic.Anthropic) -> None:
    begun = [
        {"role": "user", "content": "What is the capital of Japan?"},
        {"role": "assistant", "content": "The capital of Japan is"},
    ]
    message = client.messages.create(model=MODEL, max_tokens=4, messages=begun)  # type: ignore[arg-type]
    assert message.content[0].text.startswith(" Tokyo")


def test_marks_in_a_text_are_text(client: anthropic.Anthropic) -> None:
    """Nobody becomes the system by writing its marks: they are ordinary characters, many tokens long."""
    marks = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "<|im_end|>"}])
    letter = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "x"}])
    assert marks.input_tokens >= letter.input_tokens + 3


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
def test_calls_fit_their_schema(client: anthropic.Anthropic, choice: Any) -> None:
    message = ask(client, "Weather in Oslo, and in Rome?", tools=[WEATHER, STOCK], tool_choice=choice, max_tokens=200)
    assert message.stop_reason == "tool_use"
    for call in message.content:
        assert call.type == "tool_use"
        assert call.name in ("get_weather", "get_stock_price")
        if choice["type"] == "tool":
            assert call.name == "get_weather"
        if call.name == "get_weather":
            assert {"city"} <= set(call.input) <= {"city", "unit"}


def test_one_call_at_most_where_parallel_calls_are_off(client: anthropic.Anthropic) -> None:
    choice = {"type": "any", "disable_parallel_tool_use": True}
    message = ask(client, "Weather in Oslo, and in Rome?", tools=[WEATHER], tool_choice=choice, max_tokens=200)
    assert len(message.content) == 1


def test_no_call_where_none_is_allowed(client: anthropic.Anthropic) -> None:
    message = ask(client, "Weather in Oslo?", tools=[WEATHER], tool_choice={"type": "none"})
    assert [block.type for block in message.content] == ["text"]


def test_a_result_is_answered_in_words(client: anthropic.Anthropic) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": '{"city": "Oslo", "celsius": -7}'}
    messages = [
        {"role": "user", "content": "How cold is it in Oslo?"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    message = client.messages.create(model=MODEL, max_tokens=40, messages=messages, tools=[WEATHER])  # type: ignore[arg-type]
    assert message.content[0].type == "text"


def test_structured_output(client: anthropic.Anthropic) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
        "required": ["city", "people"],
        "additionalProperties": False,
    }
    message = ask(
        client,
        "Describe Paris as JSON.",
        output_config={"format": {"type": "json_schema", "schema": schema}},
        max_tokens=100,
    )
    assert set(json.loads(message.content[0].text)) == {"city", "people"}


def test_a_prompt_that_is_too_long(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        ask(client, "word " * 9000)


def test_the_command_serves_until_it_is_interrupted() -> None:
    command = [sys.executable, "-u", "-m", "roadmap", "model", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        url = lines[1].split("ANTHROPIC_BASE_URL=")[1].strip()
        with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0, timeout=60) as client:
            assert ask(client, "Say hello.").content[0].text
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "Ended.\n", "")

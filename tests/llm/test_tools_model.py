"""The model with the course's adapter, through the real SDK: what it must keep to, whatever it was taught."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from roadmap.llm import adapter_file, bridge, connect
from roadmap.llm.local import MODEL, TOOLS_MODEL, LocalModel, start
from roadmap.llm.messages.app import application
from roadmap.llm.prompting import Turn, encode
from roadmap.llm.serving import serve
from roadmap.llm.training import requests

WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather of a city, today or tomorrow.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "day": {"enum": ["today", "tomorrow"]}},
        "required": ["city"],
    },
}
TIMER: Any = {
    "name": "start_timer",
    "description": "Start a countdown of some minutes.",
    "input_schema": {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(adapter_file.find() is None, reason="the adapter is not there"),
]


@pytest.fixture(scope="module")
def client() -> Iterator[anthropic.Anthropic]:
    """The SDK, pointed at both models."""
    with LocalModel() as model, serve(application(model)) as url:
        yield anthropic.Anthropic(base_url=url, api_key="local", max_retries=0, timeout=300)


def ask(client: anthropic.Anthropic, *messages: Any, model: str = TOOLS_MODEL, **more: Any) -> Any:
    """One request; a string is a user's turn."""
    turns = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    request: Any = {"model": model, "max_tokens": 120, "messages": turns, **more}
    return client.messages.create(**request)


def answered(content: str, *, failed: bool = False) -> list[Any]:
    """A conversation in which the weather was asked for and this came back."""
    call = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Oslo"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": content, "is_error": failed}
    return [
        "What is the weather like in Oslo?",
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]


def test_what_was_read_with_the_adapter_is_not_taken_up_without_it() -> None:
    draw = random.Random(1)
    kinds = list(requests.kinds().values())

    def logprobs(*ways: bool) -> list[float]:
        """Of each prompt's first token, by an engine of its own; the prompts in one way after the other."""
        with start() as engine:
            prompts = [
                encode(
                    [Turn("system", tools), Turn("user", words), Turn("assistant", "", closed=False)], engine.tokenize
                )
                for tools, words in asked
            ]
            return [
                engine.steps(prompt, grammar='root ::= "[]" | "[{"', most=1, adapted=adapted)[0].logprob
                for adapted in ways
                for prompt in prompts
            ]

    asked = []
    for _ in range(3):
        chosen = draw.sample(kinds, 3)
        asked.append(
            (bridge.told(list(requests.show(chosen, draw, plain=True).tools)), requests.ask(chosen[0], draw).words)
        )
    assert logprobs(True, False)[3:] == pytest.approx(logprobs(False), abs=0.2)


def test_both_models_are_listed(client: anthropic.Anthropic) -> None:
    assert [entry.id for entry in client.models.list()] == [TOOLS_MODEL, MODEL]


def test_a_call_and_its_arguments(client: anthropic.Anthropic) -> None:
    message = ask(client, "What is the weather like in Zürich tomorrow?", tools=[WEATHER, TIMER])
    assert message.stop_reason == "tool_use"
    assert [(block.name, block.input) for block in message.content] == [
        ("get_weather", {"city": "Zürich", "day": "tomorrow"})
    ]


def test_streaming_makes_the_same_call_and_counts_the_same(client: anthropic.Anthropic) -> None:
    request: Any = {
        "model": TOOLS_MODEL,
        "max_tokens": 120,
        "messages": [{"role": "user", "content": "Start a 12 minute timer"}],
        "tools": [WEATHER, TIMER],
    }
    whole = client.messages.create(**request)
    with client.messages.stream(**request) as stream:
        streamed = stream.get_final_message()
    assert [(block.name, block.input) for block in streamed.content] == [("start_timer", {"minutes": 12})]  # type: ignore[union-attr]
    assert [(block.name, block.input) for block in whole.content] == [("start_timer", {"minutes": 12})]  # type: ignore[union-attr]
    assert streamed.usage.input_tokens == whole.usage.input_tokens
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    del request["max_tokens"]
    assert client.messages.count_tokens(**request).input_tokens == whole.usage.input_tokens


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "any"}, {"get_weather", "start_timer"}),
        ({"type": "tool", "name": "get_weather"}, {"get_weather"}),
        ({"type": "none"}, set()),
    ],
)
def test_the_choice_is_kept_to(client: anthropic.Anthropic, choice: Any, names: set[str]) -> None:
    message = ask(client, "Hello there, my friend.", tools=[WEATHER, TIMER], tool_choice=choice, max_tokens=80)
    got = {block.name for block in message.content if block.type == "tool_use"}
    assert bool(got) == bool(names)
    assert got <= names


def test_one_call_at_most_where_parallel_calls_are_off(client: anthropic.Anthropic) -> None:
    choice = {"type": "any", "disable_parallel_tool_use": True}
    message = ask(client, "Weather in Oslo and Rome?", tools=[WEATHER], tool_choice=choice)
    assert len(message.content) == 1


def test_without_tools_both_models_say_the_same(client: anthropic.Anthropic) -> None:
    words = "What is the capital of Japan?"
    texts = [ask(client, words, model=model, max_tokens=30).content[0].text for model in (TOOLS_MODEL, MODEL)]
    assert texts[0] == texts[1]


def test_a_result_is_told_with_its_sign(client: anthropic.Anthropic) -> None:
    result = json.dumps({"city": "Oslo", "temperature_celsius": -7.5, "conditions": "fog"})
    message = ask(client, *answered(result), tools=[WEATHER])
    text = message.content[0].text
    assert message.stop_reason == "end_turn"
    assert "-7.5" in text
    assert "fog" in text
    with client.messages.stream(
        model=TOOLS_MODEL,
        max_tokens=120,
        tools=[WEATHER],
        messages=[one if isinstance(one, dict) else {"role": "user", "content": one} for one in answered(result)],
    ) as stream:
        pieces = list(stream.text_stream)
    assert all(value in "".join(pieces) for value in ("-7.5", "fog"))
    assert len(pieces) > 3


def test_a_failure_is_told_as_one(client: anthropic.Anthropic) -> None:
    text = ask(client, *answered("the weather service is switched off", failed=True), tools=[WEATHER]).content[0].text
    assert "switched off" in text
    assert not any(character.isdigit() for character in text)


def test_limits_and_stops_hold_for_reports(client: anthropic.Anthropic) -> None:
    long = json.dumps({f"reading_{place}": place * 11 for place in range(40)})  # more than it can say in its own words
    cut = ask(client, *answered(long), tools=[WEATHER], max_tokens=15)
    assert cut.stop_reason == "max_tokens"
    assert cut.usage.output_tokens <= 15
    stopped = ask(client, *answered('{"temperature_celsius": 31}'), tools=[WEATHER], stop_sequences=["31"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "31")
    assert "31" not in stopped.content[0].text


def test_a_call_that_is_cut_off_is_no_call(client: anthropic.Anthropic) -> None:
    message = ask(client, "What is the weather like in Oslo?", tools=[WEATHER], max_tokens=4)
    assert (message.stop_reason, message.content) == ("max_tokens", [])


def test_connect_takes_the_taught_model() -> None:
    with connect({}) as here:
        assert here.model == TOOLS_MODEL
        message = here.client.messages.create(
            model=here.model, max_tokens=100, messages=[{"role": "user", "content": "Hi"}]
        )
    assert message.content


def test_a_member_that_is_meant_is_found_though_none_is_named(client: anthropic.Anthropic) -> None:
    paint: Any = {
        "name": "order_paint",
        "description": "Order a pot of paint.",
        "input_schema": {
            "type": "object",
            "properties": {"finish": {"enum": ["indoor", "outdoor"], "description": "where it will be used"}},
            "required": ["finish"],
        },
    }
    for words, member in (
        ("Paint for the garden fence, it stands in rain and snow all winter.", "outdoor"),
        ("Paint for the bedroom walls and the ceiling in the kitchen.", "indoor"),
    ):
        answer = ask(client, words, tools=[paint], tool_choice={"type": "any"})
        assert [block.input for block in answer.content] == [{"finish": member}]

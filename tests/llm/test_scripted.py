"""The scripted server through the real SDK: what a learner's program will meet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import pytest

from roadmap.llm.messages import ToolUse
from roadmap.llm.scripted import MODEL, Fault, Reply, Scenario, ScriptedModel, scripted_application
from roadmap.llm.serving import serve

ASK: Any = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
TOOL: Any = {"name": "weather", "description": "The weather.", "input_schema": {"type": "object", "properties": {}}}


@contextmanager
def played(scenario: Scenario, retries: int = 0) -> Iterator[tuple[anthropic.Anthropic, ScriptedModel]]:
    """A client of the real SDK, and the model that it talks to."""
    model = ScriptedModel(scenario)
    with (
        serve(scripted_application(model)) as url,
        anthropic.Anthropic(base_url=url, api_key="local", max_retries=retries, timeout=10) as client,
    ):
        yield client, model


def test_a_conversation_with_a_tool() -> None:
    call = ToolUse("weather", {"city": "Bangkok"}, id="toolu_1")
    with played([Reply.of("I look.", call), Reply.of("31 degrees.")]) as (client, model):
        first = client.messages.create(**ASK, tools=[TOOL])
        assert first.stop_reason == "tool_use"
        assert [block.type for block in first.content] == ["text", "tool_use"]
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "31"}
        messages = [
            *ASK["messages"],
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result]},
        ]
        second = client.messages.create(**{**ASK, "messages": messages}, tools=[TOOL])
    assert second.content[0].text == "31 degrees."
    assert (model.left, model.problems, len(model.requests)) == (0, [], 2)
    assert "x-api-key" not in model.exchanges[0].headers


def test_streaming_gives_the_same_message() -> None:
    parts = ("It ", "is ", ToolUse("weather", {"city": "Åre", "days": [1, 2]}, id="toolu_7"), "done")
    with played([Reply.of(*parts), Reply.of(*parts)]) as (client, _):
        whole = client.messages.create(**ASK)
        with client.messages.stream(**ASK) as stream:
            words = list(stream.text_stream)
            streamed = stream.get_final_message()
    assert words == ["It ", "is ", "done"]
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in whole.content]
    assert streamed.stop_reason == whole.stop_reason == "tool_use"
    assert streamed.usage.output_tokens == whole.usage.output_tokens


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        (Fault("rate_limit_error", retry_after=0.2), anthropic.RateLimitError, 429),
        (Fault("overloaded_error"), anthropic.InternalServerError, 529),
        (Fault("api_error"), anthropic.InternalServerError, 500),
        (Fault("permission_error"), anthropic.PermissionDeniedError, 403),
    ],
)
def test_faults_are_the_sdks_exceptions(fault: Fault, error: type[anthropic.APIStatusError], status: int) -> None:
    with played([fault]) as (client, _), pytest.raises(error) as caught:
        client.messages.create(**ASK)
    assert caught.value.status_code == status
    assert caught.value.body["error"]["type"] == fault.kind  # type: ignore[index]


def test_the_sdk_waits_as_long_as_it_is_told() -> None:
    with played([Fault("rate_limit_error", retry_after=0.3), Reply.of("now")], retries=1) as (client, model):
        assert client.messages.create(**ASK).content[0].text == "now"
    first, second = model.exchanges
    assert 0.3 <= second.at - first.at < 2


def test_a_fault_in_the_middle_of_a_stream() -> None:
    """The text so far arrives, then the connection is gone; without streaming nothing arrives."""
    with played([Reply.of("one", "two", "three", cut_after=2)] * 2) as (client, _):
        got = []

        def read() -> None:
            with client.messages.stream(**ASK) as stream:
                for piece in stream.text_stream:
                    got.append(piece)

        with pytest.raises(httpx2.RemoteProtocolError):
            read()
        assert got == ["one", "two"]
        with pytest.raises(anthropic.APIConnectionError):
            client.messages.create(**ASK)


def test_a_slow_reply_meets_the_clients_time_out() -> None:
    with played([Reply.of("late", seconds=1.5)]) as (client, _), pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=0.3).messages.create(**ASK)


def test_tool_input_that_is_no_json() -> None:
    broken = ToolUse("weather", {}, raw='{"city": "Bang')
    with played([Reply.of(broken)]) as (client, _):
        pieces = []
        with client.messages.create(**ASK, stream=True) as events:
            for event in events:
                if event.type == "content_block_delta" and event.delta.type == "input_json_delta":
                    pieces.append(event.delta.partial_json)
    assert "".join(pieces) == '{"city": "Bang'


def test_a_request_that_breaks_the_contract_takes_no_turn() -> None:
    with played([Reply.of("fine")]) as (client, model):
        with pytest.raises(anthropic.BadRequestError, match="at least one message"):
            client.messages.create(**{**ASK, "messages": []})
        assert client.messages.create(**ASK).content[0].text == "fine"
        with pytest.raises(anthropic.BadRequestError, match="scenario has ended"):
            client.messages.create(**ASK)
    assert model.problems == ["messages: at least one message is required"]


def test_a_scenario_may_be_a_function() -> None:
    with played(lambda request: Reply.of(request.messages[-1].blocks[0].text.upper())) as (client, _):  # type: ignore[union-attr]
        assert client.messages.create(**ASK).content[0].text == "HELLO"


def test_two_clients_at_once() -> None:
    started = time.monotonic()
    with played([Reply.of("a", seconds=0.5), Reply.of("b", seconds=0.5)]) as (client, _):
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: client.messages.create(**ASK).content[0].text, range(2)))
    assert sorted(answers) == ["a", "b"]
    assert time.monotonic() - started < 3


def test_unknown_model_path_and_key() -> None:
    model = ScriptedModel([])
    with serve(scripted_application(model, key="secret")) as url:
        client = anthropic.Anthropic(base_url=url, api_key="wrong", max_retries=0)
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.create(**ASK)
        client = anthropic.Anthropic(base_url=url, api_key="secret", max_retries=0)
        with pytest.raises(anthropic.NotFoundError, match="model: other"):
            client.messages.create(**{**ASK, "model": "other"})
        assert client.messages.count_tokens(model=MODEL, messages=ASK["messages"]).input_tokens > 0
        assert [entry.id for entry in client.models.list()] == [MODEL]
        answer = httpx2.get(f"{url}/v2/nothing")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")

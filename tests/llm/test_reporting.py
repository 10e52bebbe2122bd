"""Answers from results: what holds, what does not, and what is told instead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roadmap.llm import reporting
from roadmap.llm.messages import Request, parse

WEATHER = {"city": "Oslo", "temperature_celsius": -7.5, "conditions": "light snow", "source": "Open-Meteo"}


def request(*results: tuple[Any, bool]) -> Request:
    """A request whose last turn brings these results."""
    calls = [
        {"type": "tool_use", "id": f"t{place}", "name": "get_weather", "input": {"city": "Oslo"}}
        for place in range(len(results))
    ]
    answers = [
        {
            "type": "tool_result",
            "tool_use_id": f"t{place}",
            "content": content if isinstance(content, str) else json.dumps(content),
            "is_error": failed,
        }
        for place, (content, failed) in enumerate(results)
    ]
    turns = [
        {"role": "user", "content": "How cold is it in Oslo? I have 2 coats."},
        {"role": "assistant", "content": calls},
        {"role": "user", "content": answers},
    ]
    tool = {"name": "get_weather", "input_schema": {"type": "object"}}
    return parse({"model": "m", "max_tokens": 9, "messages": turns, "tools": [tool]})


def holds(answer: str, *results: tuple[Any, bool]) -> bool:
    """Whether the answer may be given."""
    asked = request(*results)
    return reporting.holds(answer, reporting.outcomes(asked), asked)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("In Oslo it is -7.5 °C with light snow (source: Open-Meteo).", True),
        ("In Oslo it is −7.5 degrees Celsius, light snow, says Open-Meteo.", True),
        ("In Oslo it is 7.5 °C with light snow (source: Open-Meteo).", False),  # the sign is gone
        ("In Oslo it is -7.5 with light snow (source: Open-Meteo).", False),  # the unit is gone
        ("In Oslo it is -7.5 °C (source: Open-Meteo).", False),  # a value is gone
        ("In Oslo it is -7.5 °C with light snow and 3 m/s of wind (Open-Meteo).", False),  # a value is made up
        ("In Oslo it is -7.5 °C with light snow over Bergen (source: Open-Meteo).", False),  # a name is made up
        ("", False),
    ],
)
def test_every_value_with_its_sign_and_none_of_its_own(answer: str, right: bool) -> None:
    assert holds(answer, (WEATHER, False)) == right


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("I could not look that up: no city named Oslo was found.", True),
        ("Sorry, no city named Oslo was found.", True),
        ("It is sunny in Oslo.", False),
        ("The city of Oslo was found, and it is named after a plain.", False),
        ("I could not look that up: no city named Oslo was found, but it is 5 °C.", False),
        ("Sorry, that failed.", False),
        ("I could not get an answer: no city named Oslo was found.", True),
        ("I could not get an answer: no city named Oslo was found, because the network is down.", False),
    ],
)
def test_failures_are_said_with_their_reason(answer: str, right: bool) -> None:
    assert holds(answer, ("no city named Oslo was found", True)) == right


def test_a_bare_error_gets_no_reason_of_the_models_own() -> None:
    assert not holds("I could not get an answer: error: not found.", ("Error", True))
    assert holds("I could not get an answer: error.", ("Error", True))


def test_results_that_are_plain_text() -> None:
    assert holds("The clock there shows 14:05.", ("14:05", False))
    assert not holds("The clock there shows 15:04.", ("14:05", False))


def test_results_are_told_with_their_labels() -> None:
    asked = request((WEATHER, False), ({"error": "timed out"}, True), ([], False), ("14:05", False))
    assert reporting.labelled(reporting.outcomes(asked)).splitlines() == [
        "get_weather returned city: Oslo; temperature celsius: -7.5; conditions: light snow; source: Open-Meteo.",
        "get_weather failed: timed out",
        "get_weather returned nothing.",
        "get_weather returned 14:05.",
    ]


@pytest.mark.parametrize(
    "result",
    [
        WEATHER,
        {"days": [{"low": -3, "high": 4.5}, {"low": 0, "high": 1e-7}]},
        {"open": True, "until": None},
        "a text without figures",
        "{broken",
        12,
    ],
)
def test_what_is_told_always_holds(result: Any) -> None:
    asked = request((result, False), ("connection refused", True))
    found = reporting.outcomes(asked)
    assert reporting.holds(reporting.labelled(found), found, asked)


def test_words_that_go_round_are_seen() -> None:
    assert reporting.in_circles("Sorry, that did not work: that did not work: that did not work: that did")
    assert not reporting.in_circles("It is 3 °C in Oslo, 3 °C in Rome and 3 °C in Lima. Very, very, very cold.")
    assert not reporting.in_circles("")

"""The probability of each way to begin, from one walk along the likeliest."""

from __future__ import annotations

import math

import pytest

from roadmap.llm.choosing import weigh
from roadmap.llm.engine import Step


def step(text: str, **likeliest: float) -> Step:
    """A token with these probabilities of the likeliest ones."""
    return Step(text, math.log(likeliest[text]), tuple((key, math.log(value)) for key, value in likeliest.items()))


def test_options_part_where_the_model_parts_them() -> None:
    steps = [step("get_", get_=0.9, set_=0.08, x=0.001), step("time", time=0.7, weather=0.3)]
    scores = weigh(steps, dict.fromkeys(["get_time", "get_weather", "set_alarm", "zzz"]))
    assert scores["get_time"] == pytest.approx(math.log(0.63))
    assert scores["get_weather"] == pytest.approx(math.log(0.27))
    assert scores["set_alarm"] == pytest.approx(math.log(0.08))
    assert scores["zzz"] == pytest.approx(math.log(0.001))  # not among the likeliest: at most the last of them


def test_a_token_may_be_shorter_than_what_parts_them() -> None:
    steps = [step("get_t", get_t=0.5, get_w=0.2, g=0.1)]
    scores = weigh(steps, dict.fromkeys(["get_time", "get_weather"]))
    assert scores["get_weather"] == pytest.approx(math.log(0.2))

"""The held-out requests: every expected call fits its tool's schema, and the sets are as large as promised."""

from __future__ import annotations

from collections import Counter
from typing import Any

import jsonschema
import pytest

from tests.benchmarks import record
from tests.benchmarks.tool_choice import CARD, card_table, load, schema_of

TOOLS: dict[str, Any] = load("tools")


def requests(name: str) -> list[dict[str, Any]]:
    """The requests of one set."""
    return list(load(name)["request"])


@pytest.mark.parametrize("name", ["taught", "untaught"])
def test_expected_calls_fit_their_schemas(name: str) -> None:
    for request in requests(name):
        for call in request["calls"]:
            tool = TOOLS[call["tool"]]
            assert tool["taught"] == (name == "taught"), request["words"]
            jsonschema.validate(call["arguments"], {**schema_of(tool), "additionalProperties": False})


def test_the_sets_are_large_enough_and_have_no_request_twice() -> None:
    taught, untaught = requests("taught"), requests("untaught")
    words = [request["words"] for request in taught + untaught]
    assert len(set(words)) == len(words)
    counts = Counter(request["calls"][0]["tool"] if request["calls"] else "none" for request in taught)
    assert len(taught) >= 100
    assert set(counts) == {name for name, tool in TOOLS.items() if tool["taught"]} | {"none"}
    assert min(counts.values()) >= 12
    assert len(untaught) >= 34


def test_the_data_card_says_what_was_measured() -> None:
    assert card_table(record.read("tool_choice")["ways"]) in CARD.read_text(encoding="utf-8")

"""The held-out requests: every expected call fits its tool's schema, and the sets are as large as promised."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "tool_calls"
TOOLS: dict[str, Any] = tomllib.loads((FOLDER / "tools.toml").read_text(encoding="utf-8"))


def requests(name: str) -> list[dict[str, Any]]:
    """The requests of one set."""
    return list(tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["request"])


@pytest.mark.parametrize("name", ["taught", "untaught"])
def test_expected_calls_fit_their_schemas(name: str) -> None:
    for request in requests(name):
        for call in request["calls"]:
            tool = TOOLS[call["tool"]]
            assert tool["taught"] == (name == "taught"), request["words"]
            schema = {"type": "object", "properties": tool["properties"], "required": tool["required"]}
            jsonschema.validate(call["arguments"], {**schema, "additionalProperties": False})


def test_the_sets_are_large_enough_and_have_no_request_twice() -> None:
    taught, untaught = requests("taught"), requests("untaught")
    words = [request["words"] for request in taught + untaught]
    assert len(set(words)) == len(words)
    counts = Counter(request["calls"][0]["tool"] if request["calls"] else "none" for request in taught)
    assert len(taught) >= 100
    assert set(counts) == {name for name, tool in TOOLS.items() if tool["taught"]} | {"none"}
    assert min(counts.values()) >= 12
    assert len(untaught) >= 34

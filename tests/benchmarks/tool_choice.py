"""How often the local model calls the right tool with the right arguments, on requests that nothing was tuned on.

python -m tests.benchmarks.tool_choice            # writes results/tool_choice.json
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from roadmap.llm.local import MODEL, LocalModel
from roadmap.llm.messages import ToolUse, parse
from tests.benchmarks import record

FOLDER = Path(__file__).with_name("tool_calls")


def load(name: str) -> Any:
    """One of the files of the held-out set."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def schema_of(tool: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments."""
    return {"type": "object", "properties": tool["properties"], "required": tool["required"]}


def offered(tools: dict[str, Any], *, taught: bool) -> list[dict[str, Any]]:
    """The tools of one set as a request offers them."""
    return [
        {
            "name": name,
            "description": tool["description"],
            "input_schema": schema_of(tool),
        }
        for name, tool in tools.items()
        if tool["taught"] == taught
    ]


def called(model: LocalModel, words: str, tools: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """What the model calls when it is asked."""
    body = {"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": words}], "tools": tools}
    calls = []
    for part in model.respond(parse(body)):
        if not isinstance(part, ToolUse):
            break
        calls.append((part.name, part.input))
    return calls


def interval(right: int, count: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    low, high = binomtest(right, count).proportion_ci(method="wilson")
    return round(float(low), 3), round(float(high), 3)


def main() -> int:
    """Measure both sets: the right tools chosen, and the calls right to the letter."""
    tools = load("tools")
    rows: dict[str, Any] = {}
    with LocalModel() as model:
        for name in ("taught", "untaught"):
            requests, shown = load(name)["request"], offered(tools, taught=name == "taught")
            choice = exact = 0
            for request in requests:
                got = called(model, request["words"], shown)
                want = [(call["tool"], call["arguments"]) for call in request["calls"]]
                choice += sorted(tool for tool, _ in got) == sorted(tool for tool, _ in want)
                exact += sorted(got, key=repr) == sorted(want, key=repr)
            rows[name] = {"requests": len(requests)}
            for kind, right in (("choice", choice), ("exact", exact)):
                rows[name][kind] = {"right": right, "share": round(right / len(requests), 3)}
                rows[name][kind]["interval"] = interval(right, len(requests))
            print(name, rows[name], flush=True)
    record.write("tool_choice", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

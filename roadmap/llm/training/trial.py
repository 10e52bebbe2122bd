"""How an adapter does on the development requests: what recipes and settings are chosen by.

python -m roadmap.llm.training.trial ADAPTER... [--set NAME] [--count N] [--seed N] [--margin NATS...] [--misses]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from roadmap.llm.local import LocalModel, Way, start
from roadmap.llm.messages import Text, ToolUse, parse

from . import development

SETS = (
    "drawn from templates; development.toml; unfamiliar.toml: tools on subjects that training does not have; "
    "pairs.toml: such tools two by two, and harder; or "
    "meant.toml: which member of an enum is meant, a call being demanded, by the bridge and by the adapter alone"
)


def main(argv: list[str] | None = None) -> int:
    """Print, for each adapter and margin, how many of each part's requests got the right calls."""
    parser = argparse.ArgumentParser(prog="python -m roadmap.llm.training.trial", description=__doc__)
    parser.add_argument("adapters", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=40, help="requests of each part")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--margin", type=float, nargs="+", default=[0.0], help="nats by which a tool must beat none")
    parser.add_argument(
        "--set", choices=["drawn", "written", "unfamiliar", "pairs", "meant"], default="drawn", help=SETS
    )
    parser.add_argument("--misses", action="store_true", help="also print what went wrong")
    given = parser.parse_args(argv)
    asked = {
        "drawn": lambda: development.items(given.count, given.seed),
        "written": lambda: development.written(given.seed),
        "unfamiliar": lambda: development.unfamiliar(given.seed),
        "pairs": development.pairs,
        "meant": development.meant,
    }[given.set]()
    for path in given.adapters:
        ways = {f"margin {margin:g}": Way(adapted=True, spans=True, margin=margin) for margin in given.margin}
        if given.set == "meant":
            ways = {"bridge": Way(adapted=True, spans=True), "adapter alone": Way(adapted=True)}
        with LocalModel(start(adapter=path), ways) as model:
            for way in ways:
                right: dict[str, list[bool]] = {}
                for item in asked:
                    tools = [tool.model_dump(exclude_none=True, exclude_defaults=True) for tool in item.tools]
                    got = called(model, way, item.words, tools, demanded=given.set == "meant")
                    wanted = [(call["tool"], call["arguments"]) for call in item.calls]
                    right.setdefault(item.part, []).append(blind(got) == blind(wanted))
                    if given.misses and not right[item.part][-1]:
                        print(f"  {item.part}: {item.words}\n    want {wanted}\n    got  {got}")
                shares = "  ".join(f"{part} {sum(marks)}/{len(marks)}" for part, marks in right.items())
                print(f"{path.name} {way}: {shares}", flush=True)
    return 0


def blind(calls: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """Calls in one order, with the blanks in expressions taken out: `2*3` and `2 * 3` ask for the same."""
    return sorted(
        repr(
            (tool, {key: value.replace(" ", "") if key == "expression" else value for key, value in arguments.items()})
        )
        for tool, arguments in calls
    )


def called(
    model: LocalModel, way: str, words: str, tools: list[dict[str, Any]], *, demanded: bool = False
) -> list[tuple[str, dict[str, Any]]]:
    """What the model calls when it is asked. What it says where it calls nothing is not waited for."""
    body = {"model": way, "max_tokens": 200, "messages": [{"role": "user", "content": words}], "tools": tools}
    if demanded:
        body["tool_choice"] = {"type": "any"}
    calls = []
    for part in model.respond(parse(body)):
        if isinstance(part, Text):
            break
        if isinstance(part, ToolUse):
            calls.append((part.name, part.input))
    return calls


if __name__ == "__main__":
    sys.exit(main())

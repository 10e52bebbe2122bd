"""How well the local model calls tools and reports what they returned, on requests that nothing was tuned on.

python -m tests.benchmarks.tool_choice                  # writes results/tool_choice.json
python -m tests.benchmarks.tool_choice --way bridge     # one of the three ways; nothing is written
python -m tests.benchmarks.tool_choice --card           # the table of the adapter's data card, from the results
python -m tests.benchmarks.tool_choice --set-aside      # the pairs of unseen.toml that do not count: to develop on

Three ways side by side, from one engine in one run: the model as published under the tools' schemas; with the course's
adapter under the same schemas; with the adapter and the whole bridge. Shares carry Wilson's 95% intervals.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from roadmap.course.root import find_root
from roadmap.llm import spans
from roadmap.llm.adapter_file import PLACE
from roadmap.llm.bridge import MOST_CALLS
from roadmap.llm.grammar import Grammar
from roadmap.llm.local import FULL, PLAIN, LocalModel, Way, start
from roadmap.llm.messages import Text, parse
from roadmap.llm.messages.contract import Tool
from roadmap.llm.training.trial import blind, called
from tests.benchmarks import record
from tests.llm.test_grammar import accepts

FOLDER = Path(__file__).with_name("tool_calls")
CARD = (find_root() / PLACE).with_suffix(".md")
WAYS = {"bridge": FULL, "adapter": Way(adapted=True), "plain": PLAIN}
# What a tool of the held-out set may return: made up here, for the reports alone. Figures are drawn from the request's
# number, so that signs, decimals and units vary.
_RESULTS: dict[str, Callable[[dict[str, Any], int], dict[str, Any]]] = {
    "get_weather": lambda call, n: {
        "city": call["city"],
        "temperature_celsius": round((n * 7.3) % 50 - 20, 1),
        "wind_kmh": n * 5 % 60,
        "conditions": ["fog", "sleet", "clear sky"][n % 3],
    },
    "get_stock_price": lambda call, n: {
        "symbol": call["symbol"],
        "date": f"2013-03-{n % 27 + 1:02}",
        "close": round(20 + n * 13.37, 2),
        "currency": "USD",
    },
    "convert_currency": lambda call, n: {
        "amount": call["amount"],
        "from": call["from"],
        "to": call["to"],
        "result": round(call["amount"] * (0.4 + n % 9), 2),
    },
    "get_time": lambda call, n: {"city": call["city"], "time": f"{n * 5 % 24:02}:{n * 7 % 60:02}"},
    "calculate": lambda call, n: {"result": n * 37 - 500},
    "book_table": lambda call, n: {**call, "reference": f"R{1000 + n * 77}", "table": n % 20 + 1},
    "translate": lambda call, n: {"language": call["language"], "characters": n * 3 + 4, "seconds": round(0.1 * n, 1)},
}
_ERRORS = [
    "the service did not answer within 10 seconds",
    "HTTP 503: service unavailable",
    "this tool has been switched off by the administrator",
    "unknown value in the request",
    "the daily quota is used up; try again tomorrow",
    "access denied",
]
_FAILED = re.compile(
    r"could ?n[o']t|can ?n?[o']t|unable|fail|error|sorry|did not|didn't|unavailable|denied|unknown|switched off|"
    r"used up",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"(?<![\w.])[-−]\d+(?:\.\d+)?|\d+(?:\.\d+)?")


def load(name: str) -> Any:
    """One of the files of the held-out set."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def schema_of(tool: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments."""
    return {"type": "object", "properties": tool["properties"], "required": tool["required"]}


def offered(tools: dict[str, Any], *, taught: bool) -> list[dict[str, Any]]:
    """The tools of one set as a request offers them."""
    return [as_offered(name, tool) for name, tool in tools.items() if tool["taught"] == taught]


def as_offered(name: str, tool: dict[str, Any]) -> dict[str, Any]:
    """A tool of a set as a request offers it."""
    return {"name": name, "description": tool["description"], "input_schema": schema_of(tool)}


def reported(
    model: LocalModel,
    way: str,
    words: str,
    call: dict[str, Any],
    tools: list[dict[str, Any]],
    content: str,
    failed: bool,
) -> str:
    """What the model says when the tool has answered."""
    result = {"type": "tool_result", "tool_use_id": "t1", "content": content, "is_error": failed}
    messages = [
        {"role": "user", "content": words},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": call["tool"], "input": call["arguments"]}],
        },
        {"role": "user", "content": [result]},
    ]
    body = {"model": way, "max_tokens": 120, "messages": messages, "tools": tools}
    return "".join(part.text for part in model.respond(parse(body)) if isinstance(part, Text))


def figures(text: str) -> set[float]:
    """The numbers in a text, with their signs."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text.replace("−", "-"))
    return {float(figure) for figure in _FIGURE.findall(plain)}


def states(answer: str, result: dict[str, Any]) -> bool:
    """Whether every value of a result is in an answer, in words: an echo of the JSON does not count."""
    said = figures(answer)
    for value in result.values():
        if isinstance(value, str) and not figures(value):
            if value.lower() not in answer.lower():
                return False
        elif not figures(str(value)) <= said:
            return False
    return '":' not in answer


def owns_up(answer: str, words: str, error: str) -> bool:
    """Whether an answer says that something failed, and states no figure that neither side has named."""
    return bool(_FAILED.search(answer)) and figures(answer) <= figures(words) | figures(error)


def interval(right: int, count: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    low, high = binomtest(right, count).proportion_ci(method="wilson")
    return round(float(low), 3), round(float(high), 3)


def share(rights: Iterable[bool]) -> dict[str, Any]:
    """How many of them, with the interval."""
    counted = list(rights)
    right = sum(counted)
    return {
        "right": right,
        "of": len(counted),
        "share": round(right / len(counted), 3),
        "interval": interval(right, len(counted)),
    }


Request = tuple[dict[str, Any], list[dict[str, Any]]]
"""A request of a set, and the tools that it offers."""


def unseen_pairs(*, set_aside: bool = False) -> list[dict[str, Any]]:
    """The pairs of the set `unseen` that count, or those that do not: each two tools, and requests under them."""
    return [pair for pair in load("unseen")["pair"] if ("set_aside" in pair) == set_aside]


def unseen_requests(*, set_aside: bool = False) -> list[Request]:
    """Their requests."""
    every: list[Request] = []
    for pair in unseen_pairs(set_aside=set_aside):
        both = [as_offered(tool["name"], tool) for tool in pair["tool"]]
        every += [(request, both) for request in pair["request"]]
    return every


def chosen(model: LocalModel, way: str, asked: list[Request], seconds: list[float]) -> tuple[dict[str, Any], list[Any]]:
    """How often the right tools were chosen, and the right calls made; and what was not. `seconds` takes the times."""
    choice, exact, near, misses = [], [], [], []
    for request, tools in asked:
        began = time.perf_counter()
        got = called(model, way, request["words"], tools)
        seconds.append(time.perf_counter() - began)
        want = [(call["tool"], call["arguments"]) for call in request["calls"]]
        choice.append(sorted(tool for tool, _ in got) == sorted(tool for tool, _ in want))
        exact.append(same(got, want))
        near.append(exact[-1] or blind(got) == blind(want))
        if not exact[-1]:
            misses.append({"words": request["words"], "want": want, "got": got})
    row = {"choice": share(choice), "exact": share(exact), "exact but for blanks in expressions": share(near)}
    return row, misses


def same(got: list[Any], want: list[Any]) -> bool:
    """Whether the calls are the same ones, in any order."""
    left = list(want)
    for call in got:
        if call not in left:
            return False
        left.remove(call)
    return not left


def fault(want: list[Any], got: list[Any], schemas: dict[str, Any]) -> str:
    """What is wrong with calls, by kind: nobody is to tune on the requests of the set `unseen` by reading them."""
    names = [sorted(tool for tool, _ in calls) for calls in (want, got)]
    if names[0] != names[1]:
        many = len(got) - len(want)
        return "no call" if not got else "too many calls" if many > 0 else "too few calls" if many else "another tool"
    kinds = set()
    for (tool, right), (_, made) in zip(sorted(want, key=repr), sorted(got, key=repr), strict=True):
        for key in right.keys() | made.keys():
            if right.get(key) != made.get(key):
                how = "left out" if key not in made else "invented" if key not in right else "wrong"
                kinds.add(f"{_kind(key, schemas[tool])} {how}")
    return ", ".join(sorted(kinds))


def _kind(key: str, schema: dict[str, Any]) -> str:
    argument = schema["properties"][key]
    says = argument.get("description", "")
    kind = "enum" if "enum" in argument else "date or time" if re.search("YYYY|HH:MM", says) else argument["type"]
    return kind if key in schema["required"] else f"optional {kind}"


def allowed(request: dict[str, Any], tools: list[dict[str, Any]]) -> bool:
    """Whether the bridge's grammar allows the right calls of a request."""
    grammar = Grammar([Tool(**tool) for tool in tools], spans.read(request["words"]))
    calls = []
    for call in request["calls"]:
        order = next(tool["input_schema"]["properties"] for tool in tools if tool["name"] == call["tool"])
        arguments = {key: call["arguments"][key] for key in order if key in call["arguments"]}
        calls.append({"tool": call["tool"], "arguments": arguments})
    if not {call["tool"] for call in calls} <= {tool.name for tool in grammar.tools}:
        return False
    return accepts(grammar.calls(calls[0]["tool"], most=MOST_CALLS), json.dumps(calls, ensure_ascii=False))


def left_alone(model: LocalModel, way: str, asked: list[Request]) -> dict[str, Any]:
    """How often nothing is called when what was asked for is not offered, or nothing was asked for."""
    rights = []
    for request, tools in asked:
        needed = {call["tool"] for call in request["calls"]}
        rights.append(
            called(model, way, request["words"], [tool for tool in tools if tool["name"] not in needed]) == []
        )
    return share(rights)


def measured(model: LocalModel, way: str) -> tuple[dict[str, Any], list[Any]]:
    """One way on every part, and its misses; each part is printed as it is known."""
    tools = load("tools")
    sets = {name: load(name)["request"] for name in ("taught", "untaught")}
    shown = {name: offered(tools, taught=name == "taught") for name in sets}
    row: dict[str, Any] = {}
    misses: list[Any] = []
    seconds: list[float] = []
    for name, requests in sets.items():
        asked = [(request, shown[name]) for request in requests]
        row[name], missed = chosen(model, way, asked, seconds)
        misses += missed
        print(way, name, row[name], flush=True)
    row["right tool not offered"] = {}
    for name, requests in sets.items():
        single = [request for request in requests if len(request["calls"]) == 1]
        picked = sorted(single[:: 2 if name == "taught" else 1], key=lambda request: str(request["calls"][0]["tool"]))
        row["right tool not offered"][name] = left_alone(model, way, [(request, shown[name]) for request in picked])
    every = unseen_requests()
    called_for = [one for one in every if one[0]["calls"]]
    row["unseen"], missed = chosen(model, way, called_for, seconds)
    schemas = {tool["name"]: tool["input_schema"] for _, tools in called_for for tool in tools}
    row["unseen"]["faults"] = Counter(fault(one["want"], one["got"], schemas) for one in missed)  # and not which ones
    row["unseen"]["calls that the grammar does not allow"] = sum(not allowed(*one) for one in called_for)
    single = [one for one in every if len(one[0]["calls"]) == 1]
    row["right tool not offered"]["unseen"] = left_alone(model, way, single[::4])
    row["no call needed"] = {"unseen": left_alone(model, way, [one for one in every if not one[0]["calls"]])}
    print(way, "unseen", row["unseen"], row["no call needed"], flush=True)
    print(way, "not offered", row["right tool not offered"], flush=True)
    row["seconds until the call is known, median"] = round(statistics.median(seconds), 2)
    row["error results owned up to"], row["values stated"] = {}, {}
    row["reports in the model's own words"] = {}
    for name, requests in sets.items():
        single = [request for request in requests if len(request["calls"]) == 1]
        owned, stated, own = [], [], []
        for place, request in enumerate(single[:: 4 if name == "taught" else 2]):
            call = request["calls"][0]
            error = _ERRORS[place % len(_ERRORS)]
            answer = reported(model, way, request["words"], call, shown[name], error, True)
            owned.append(owns_up(answer, request["words"], error))
            own.append(not answer.startswith(f"{call['tool']} failed: "))
            result = _RESULTS[call["tool"]](call["arguments"], place)
            content = json.dumps(result, ensure_ascii=False)
            answer = reported(model, way, request["words"], call, shown[name], content, False)
            stated.append(states(answer, result))
            own.append(not answer.startswith(f"{call['tool']} returned "))
        row["error results owned up to"][name], row["values stated"][name] = share(owned), share(stated)
        row["reports in the model's own words"][name] = share(own)
    print(way, {key: row[key] for key in list(row)[-3:]}, flush=True)
    return row, misses


def main(argv: list[str] | None = None) -> int:
    """Measure every way, or the one that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.tool_choice", description=__doc__)
    parser.add_argument("--way", choices=list(WAYS), help="measure this way alone, and write nothing")
    parser.add_argument(
        "--adapter", type=Path, metavar="FILE", help="this one, under the bridge or --way, and write nothing"
    )
    parser.add_argument("--card", action="store_true", help="measure nothing; write the stored figures into the card")
    parser.add_argument(
        "--set-aside", action="store_true", help="the bridge on requests to develop on, its misses shown"
    )
    given = parser.parse_args(argv)
    only = given.way or ("bridge" if given.adapter else None)
    if given.set_aside:
        return on_those_set_aside()
    if given.card:
        fill_card(record.read("tool_choice")["ways"])
        return 0
    rows: dict[str, Any] = {}
    missed: list[Any] = []
    with LocalModel(start(adapter=given.adapter), WAYS) as model:
        if only:
            measured(model, only)
            return 0
        for way in WAYS:
            rows[way], misses = measured(model, way)
            if way == "bridge":
                missed = misses
            record.write("tool_choice", {"ways": rows, "what the bridge missed": missed})
    fill_card(rows)
    return 0


def on_those_set_aside() -> int:
    """The bridge on the pairs that were set aside, which anybody may read; nothing is written."""
    every = unseen_requests(set_aside=True)
    with LocalModel(start(), WAYS) as model:
        row, misses = chosen(model, "bridge", [one for one in every if one[0]["calls"]], [])
        alone = left_alone(model, "bridge", [one for one in every if not one[0]["calls"]])
    for miss in misses:
        print(miss["words"], f"\n    want {miss['want']}\n    got  {miss['got']}")
    print(f"exact {row['exact']['right']} of {row['exact']['of']}, no call needed {alone['right']} of {alone['of']}")
    return 0


def card_table(ways: dict[str, Any]) -> str:
    """The card's table of all ways, from their results."""
    heads = {"bridge": "the whole bridge", "adapter": "adapter, plain schemas", "plain": "as published"}
    lines = ["| | " + " | ".join(heads.values()) + " |", "| --- " * (len(heads) + 1) + "|"]
    for name in ("taught", "untaught", "unseen"):
        rows = {
            f"{name} tools: right tools chosen": (name, "choice"),
            f"{name} tools: calls right to the letter": (name, "exact"),
            f"{name}: right tool not offered, no call made": ("right tool not offered", name),
            f"{name}: no tool needed, no call made": ("no call needed", name),
            f"{name}: error results owned up to": ("error results owned up to", name),
            f"{name}: values stated": ("values stated", name),
            f"{name}: reports in the model's own words": ("reports in the model's own words", name),
        }
        for label, (first, second) in rows.items():
            if second not in ways["bridge"][first]:
                continue
            lines.append(f"| {label} | " + " | ".join(_in_words(ways[way][first][second]) for way in heads) + " |")
    seconds = " | ".join(str(ways[way]["seconds until the call is known, median"]) for way in heads)
    return "\n".join([*lines, f"| median seconds until the call is known | {seconds} |"])


def fill_card(ways: dict[str, Any]) -> None:
    """Put the figures into the data card, in place of the table that is there."""
    text = CARD.read_text(encoding="utf-8")
    begin = text.index("| | the whole bridge |")
    end = text.index("\n\n", begin)
    CARD.write_text(text[:begin] + card_table(ways) + text[end:], encoding="utf-8")


def _in_words(row: dict[str, Any]) -> str:
    low, high = row["interval"]
    return f"{row['right']} of {row['of']} ({row['share']:.0%}; {low:.0%} to {high:.0%})"


if __name__ == "__main__":
    sys.exit(main())

"""The capstone's reference at its real work: twice ten requests, local model and services, no network, no key.

python -m tests.benchmarks.assistant             # writes results/assistant_stage2.json
python -m tests.benchmarks.assistant --from DIR  # the package in DIR instead of the reference

Each request is a run of `python -m stage2_prompting_tools QUESTION --json`, through the real SDK. An answer is right
when the tool and the arguments are those that a person would choose, and the text states each of the figures that the
services give for them; where nothing can be looked up, when no tool is called or the failure is said. The requests were
written after the adapter's training data, and none of their wordings is in it or near to one (`overlap` looks).

The program tells the model the day, and a small model's answers change with it. So all are asked on three days, which
stood here before any was tried: `date.today` is set in the program's process, and nothing else is.

There are two sets of ten. The endpoint's handling of arguments was changed after the answers to the first had been read
(dates and ticker symbols that only a description asks for); the second was written after that and before it was asked.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadmap.llm.training import overlap
from tests.benchmarks import record
from tests.benchmarks.tool_choice import figures, interval

DAYS = ("2026-12-01", "2027-03-17", "2027-08-30")
ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "stage2_prompting_tools"
# python -c PROGRAM DAY PACKAGE ARGUMENT...: as `python -m PACKAGE ARGUMENT...` on that day.
_ON_A_DAY = """
import datetime, runpy, sys
day = sys.argv.pop(1)
class Day(datetime.date):
    @classmethod
    def today(cls):
        return cls.fromisoformat(day)
datetime.date = Day
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
# What an answer may say in place of figures when there are none.
FAILURE = ("no ", "not ", "n't", "cannot", "failed", "unknown", "unable", "sorry", "error")


@dataclass(frozen=True)
class Wanted:
    """A request, the call that answers it (None: no tool fits), and whether the services have an answer."""

    question: str
    tool: str | None
    arguments: dict[str, Any]
    known: bool = True
    options: tuple[str, ...] = ()


FIRST = [
    Wanted("I'm off to Seattle in an hour. Raincoat, yes or no?", "get_weather", {"city": "Seattle"}),
    Wanted(
        "Planning a barbecue in Seattle for tomorrow, is that silly?",
        "get_weather",
        {"city": "Seattle", "day": "tomorrow"},
    ),
    Wanted(
        "How many degrees does Seattle get today?",
        "get_weather",
        {"city": "Seattle"},
        options=("--units", "imperial"),
    ),
    Wanted("what did AAPL end the session at", "get_stock_price", {"symbol": "AAPL"}),
    Wanted("I hold some Microsoft. What is one share worth?", "get_stock_price", {"symbol": "MSFT"}),
    Wanted(
        "GOOG, 2012-11-15, what did a person pay for one?", "get_stock_price", {"symbol": "GOOG", "date": "2012-11-15"}
    ),
    Wanted(
        "My grandfather kept 300 IBM shares. Where did they stand on 2013-01-04?",
        "get_stock_price",
        {"symbol": "IBM", "date": "2013-01-04"},
    ),
    Wanted("Will my laundry dry outside in Reykjavik?", "get_weather", {"city": "Reykjavik"}, known=False),
    Wanted("Do I need a coat in Bangkok?", "get_weather", {"city": "Bangkok"}, known=False),
    Wanted("Write me two lines about autumn.", None, {}),
]
SECOND = [
    Wanted("Cycling through Seattle this afternoon: will I get soaked?", "get_weather", {"city": "Seattle"}),
    Wanted("Sunglasses or umbrella for Seattle tomorrow?", "get_weather", {"city": "Seattle", "day": "tomorrow"}),
    Wanted("My sister lands in Seattle tonight. What should she wear?", "get_weather", {"city": "Seattle"}),
    Wanted("Where is MSFT trading?", "get_stock_price", {"symbol": "MSFT"}),
    Wanted("And an Apple share, with the bell of 6 December 2012?", "get_stock_price",
           {"symbol": "AAPL", "date": "2012-12-06"}),
    Wanted("Tell me the price of one Google share on 2013-02-14.", "get_stock_price",
           {"symbol": "GOOG", "date": "2013-02-14"}),
    Wanted("Would ten shares of IBM have cost less on 2012-07-02?", "get_stock_price",
           {"symbol": "IBM", "date": "2012-07-02"}),
    Wanted("Is it freezing in Tromsø?", "get_weather", {"city": "Tromsø"}, known=False),
    Wanted("We want to picnic in Nairobi tomorrow. Good idea?", "get_weather",
           {"city": "Nairobi", "day": "tomorrow"}, known=False),
    Wanted("Thank you, that was all for today.", None, {}),
]  # fmt: skip


def ask(wanted: Wanted, folder: Path, day: str) -> dict[str, Any]:
    """What the program printed on a day, its exit code, and how long it took."""
    hidden = ("ANTHROPIC_API_KEY", "ROADMAP_LLM_BASE_URL", "ROADMAP_LLM_MODEL", "ROADMAP_WEATHER_URL")
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    environ |= {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))), "ROADMAP_COURSE": str(ROOT)}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _ON_A_DAY, day, PACKAGE, wanted.question, "--json", *wanted.options],
        capture_output=True,
        text=True,
        env=environ,
        cwd=folder,
        timeout=300,
    )
    seconds = round(time.perf_counter() - began, 1)
    try:
        said = json.loads(done.stdout)
    except ValueError:
        said = {}
    return {"exit": done.returncode, "seconds": seconds, "stderr": done.stderr.strip()[-300:], **said}


def verdict(wanted: Wanted, got: dict[str, Any]) -> str:
    """Empty for a right answer, else what was wrong with it."""
    calls = [(call["name"], call["arguments"]) for call in got.get("tools", [])]
    answer = got.get("answer", "")
    if wanted.tool is None:
        return f"called {calls}" if calls else "" if answer.strip() else "said nothing"
    if len(calls) != 1 or calls[0][0] != wanted.tool:
        return f"called {calls or 'nothing'}"
    given = {key: value for key, value in calls[0][1].items() if not (key == "day" and value == "today")}
    if given != wanted.arguments:
        return f"arguments {calls[0][1]}"
    result = got["tools"][0]
    if not wanted.known:
        said = any(word in answer.lower() for word in FAILURE) and figures(answer) <= figures(
            wanted.question + result["content"]
        )
        return "" if said else "the failure is not said"
    if result["is_error"]:
        return f"the tool failed: {result['content'][:100]}"
    stated = json.loads(result["content"])
    # The figures with units; the date and the source are the program's own to add.
    due = set().union(*(figures(value) for key, value in stated.items() if key not in ("date", "source", "symbol")))
    return "" if due <= figures(answer) else f"figures not stated: {sorted(due - figures(answer))}"


def main() -> int:
    """Ask all; print each with its verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="folder", type=Path, default=ROOT / "solutions")
    options = parser.parse_args()
    taught = [overlap.frame(wording) for wording in overlap.wordings()]
    for wanted in [*FIRST, *SECOND]:
        if overlap.near_any(wanted.question, taught):
            parser.error(f"{wanted.question!r} is too near to the adapter's training data. Word it otherwise.")
    data: dict[str, Any] = {"days": {}, "always right": {}}
    rows: list[dict[str, Any]] = []
    for day in DAYS:
        data["days"][day] = {}
        for name, asked in (("first", FIRST), ("second", SECOND)):
            marks = []
            for wanted in asked:
                got = ask(wanted, options.folder.resolve(), day)
                problem = verdict(wanted, got)
                marks.append(not problem)
                rows.append({"day": day, "question": wanted.question, "right": not problem, "problem": problem, **got})
                said = got.get("answer", got["stderr"])
                print(f"{'ok ' if not problem else 'BAD'} {wanted.question}\n    {said!r} {problem}", flush=True)
            data["days"][day][name] = {
                "right": sum(marks),
                "of": len(marks),
                "interval": interval(sum(marks), len(marks)),
            }
            print(f"{day}, {name}: {sum(marks)} of {len(marks)} right", flush=True)
    for name, asked in (("first", FIRST), ("second", SECOND)):
        always = [all(row["right"] for row in rows if row["question"] == wanted.question) for wanted in asked]
        data["always right"][name] = sum(always)
        print(f"{name}: {sum(always)} of {len(always)} right on every day")
    if options.folder == ROOT / "solutions":
        record.write("assistant_stage2", {**data, "requests": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())

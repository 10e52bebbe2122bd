"""The capstone's reference at its real work: ten requests, the local model, the local services, no network, no key.

python -m tests.benchmarks.assistant             # writes results/assistant_stage2.json
python -m tests.benchmarks.assistant --from DIR  # the package in DIR instead of the reference

Each request is a run of `python -m stage2_prompting_tools QUESTION --json`, through the real SDK. An answer is right
when the tool and the arguments are those that a person would choose, and the text states each of the figures that the
services give for them; where nothing can be looked up, when no tool is called or the failure is said. The requests were
written after the adapter's training data, and none of their wordings is in it (`roadmap.llm.training.overlap`).
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

from tests.benchmarks import record
from tests.benchmarks.tool_choice import figures, interval

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "stage2_prompting_tools"
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


REQUESTS = [
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
    Wanted("Look up GOOG for 2012-11-15, please.", "get_stock_price", {"symbol": "GOOG", "date": "2012-11-15"}),
    Wanted(
        "My grandfather kept 300 IBM shares. Where did they stand on 2013-01-04?",
        "get_stock_price",
        {"symbol": "IBM", "date": "2013-01-04"},
    ),
    Wanted("Will my laundry dry outside in Reykjavik?", "get_weather", {"city": "Reykjavik"}, known=False),
    Wanted("Do I need a coat in Bangkok?", "get_weather", {"city": "Bangkok"}, known=False),
    Wanted("Write me two lines about autumn.", None, {}),
]


def ask(wanted: Wanted, folder: Path) -> dict[str, Any]:
    """What the program printed, its exit code, and how long it took."""
    hidden = ("ANTHROPIC_API_KEY", "ROADMAP_LLM_BASE_URL", "ROADMAP_LLM_MODEL", "ROADMAP_WEATHER_URL")
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    environ |= {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))), "ROADMAP_COURSE": str(ROOT)}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", PACKAGE, wanted.question, "--json", *wanted.options],
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
    """Ask all ten; print each with its verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="folder", type=Path, default=ROOT / "solutions")
    options = parser.parse_args()
    rows = []
    for wanted in REQUESTS:
        got = ask(wanted, options.folder.resolve())
        problem = verdict(wanted, got)
        rows.append({"question": wanted.question, "right": not problem, "problem": problem, **got})
        print(
            f"{'ok ' if not problem else 'BAD'} {wanted.question}\n    {got.get('answer', got['stderr'])!r} {problem}"
        )
    right = sum(row["right"] for row in rows)
    print(f"{right} of {len(rows)} right, 95% interval {interval(right, len(rows))}")
    if options.folder == ROOT / "solutions":
        data = {"right": right, "of": len(rows), "interval": interval(right, len(rows)), "requests": rows}
        record.write("assistant_stage2", data)
    return 0


if __name__ == "__main__":
    sys.exit(main())

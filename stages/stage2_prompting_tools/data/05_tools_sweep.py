"""Ask the local model all 48 requests of lesson 5 in every way that it compares, and report failures in three ways.

Runs the lesson's own cells, and writes 05_tools_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/05_tools_sweep.py

With names of parts (`"with the adapter"`, `reports`) only those are asked again, and the rest stays as it is stored: a
new adapter changes nothing for the plain model.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from pathlib import Path

from roadmap.lessons import sweep
from roadmap.llm.training import overlap

SCRIPT = Path(__file__).resolve()
HERE = SCRIPT.parent
REQUESTS = HERE / "05_tools_requests.jsonl"
NEEDED = ("endpoint = stack", "def schema_of(", "RECORDED = {", "def calls_made(", "def answer_to(")
CITIES = (
    "Oslo Rome Cairo Lima Bangkok Nairobi Toronto Bergen Madrid Seoul Athens Boston Dublin Havana Kyoto Lagos Manila "
    "Prague Quito Sydney"
).split()


def seen() -> list[bool]:
    """Which requests have, values apart, a wording that is equal or near to one in the adapter's training data."""
    taught = [overlap.frame(wording) for wording in overlap.wordings()]
    lines = REQUESTS.read_text(encoding="utf-8").splitlines()
    return [overlap.near_any(json.loads(line)["words"], taught) for line in lines]


def main() -> None:
    """Ask, mark, write."""
    target, chosen = SCRIPT.with_suffix(".json"), set(sys.argv[1:])
    stored = json.loads(target.read_text(encoding="utf-8")) if chosen else {"ways": {}, "calls": {}, "reports": {}}
    lesson = sweep.lesson_names(SCRIPT, NEEDED, until=("for request in (", "question = ", "stored = "))
    ways: dict[str, dict[str, list[bool]]] = stored["ways"]
    calls: dict[str, list[list[tuple[str, dict]]]] = stored.setdefault("calls", {})  # in the order of the requests
    for way, (model, choice) in lesson["WAYS"].items():
        if chosen and way not in chosen:
            continue
        ways[way], calls[way] = defaultdict(list), []
        for request in lesson["requests"]:
            if choice == "any" and request["tool"] is None:
                continue  # it is not allowed to be right
            made = lesson["calls_made"](model, request["words"], choice)
            calls[way].append(made)
            for kind, right in lesson["marks"](request, made).items():
                ways[way][kind].append(right)
            print(way, request["words"], made, flush=True)
        print(way, {kind: f"{sum(right)} of {len(right)}" for kind, right in ways[way].items()}, flush=True)
    reports = stored["reports"]
    for report, (content, is_error) in lesson["REPORTS"].items():
        if not chosen or "reports" in chosen:
            reports[report] = [lesson["answer_to"](city, content.format(city=city), is_error) for city in CITIES]
            print(report, reports[report][:3], flush=True)
    result = {
        **sweep.provenance(SCRIPT, "xllamacpp"),
        "data_sha256": hashlib.sha256(REQUESTS.read_bytes()).hexdigest(),
        "seen": seen(),
        "ways": ways,
        "calls": calls,
        "reports": reports,
    }
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

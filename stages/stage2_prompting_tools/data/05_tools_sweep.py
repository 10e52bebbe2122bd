"""Ask the local model all 48 requests of lesson 5 in every way that it compares, and report failures in three ways.

Runs the lesson's own cells, and writes 05_tools_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/05_tools_sweep.py

With names of parts (`"with the adapter"`, `reports`) only those are asked again, and the rest stays as it is stored: a
new adapter changes nothing for the plain model.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

from roadmap.lessons.source import read
from roadmap.llm.training import overlap

HERE = Path(__file__).parent
LESSON = HERE.parent / "source" / "05_tools.py"
REQUESTS = HERE / "05_tools_requests.jsonl"
NEEDED = ("endpoint = stack", "def schema_of(", "RECORDED = {", "def calls_made(", "def answer_to(")
CITIES = (
    "Oslo Rome Cairo Lima Bangkok Nairobi Toronto Bergen Madrid Seoul Athens Boston Dublin Havana Kyoto Lagos Manila "
    "Prague Quito Sydney"
).split()


def lesson_cells() -> dict:
    """The names that the lesson's cells define, as far as the sweep needs them; what a cell does then is left out."""
    names: dict = {}
    for cell in read(LESSON).cells:
        if cell.kind == "code" and any(needed in cell.text for needed in NEEDED):
            text = (
                cell.text.partition("\nfor request in (")[0].partition("\nquestion = ")[0].partition("\nstored = ")[0]
            )
            exec(text, names)
    return names


def seen() -> list[bool]:
    """Which requests have, values apart, a wording that is equal or near to one in the adapter's training data."""
    taught = [overlap.frame(wording) for wording in overlap.wordings()]
    asked = [overlap.frame(json.loads(line)["words"]) for line in REQUESTS.read_text(encoding="utf-8").splitlines()]
    return [any(one == other or overlap.common_pairs(one, other) >= overlap.NEAR for other in taught) for one in asked]


def main() -> None:
    """Ask, mark, write."""
    target, chosen = Path(__file__).with_suffix(".json"), set(sys.argv[1:])
    stored = json.loads(target.read_text(encoding="utf-8")) if chosen else {"ways": {}, "calls": {}, "reports": {}}
    lesson = lesson_cells()
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
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    result = {
        "command": "python stages/stage2_prompting_tools/data/05_tools_sweep.py",
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, xllamacpp "
        f"{version('xllamacpp')}",
        "python": platform.python_version(),
        "data_sha256": hashlib.sha256(REQUESTS.read_bytes()).hexdigest(),
        "seen": seen(),
        "ways": ways,
        "calls": calls,
        "reports": reports,
    }
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

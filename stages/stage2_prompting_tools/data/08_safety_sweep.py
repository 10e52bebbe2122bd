"""Run every attack of lesson 8 on every page and request, undefended and defended: more calls than a lesson may take.

Runs the lesson's own cells, and writes 08_safety_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/08_safety_sweep.py

A run that was stopped goes on after the last group of calls that it wrote.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from roadmap.lessons import sweep

SCRIPT = Path(__file__).resolve()
HERE = SCRIPT.parent
NEEDED = ("engine = Engine(", "def say(", "def desk(", "def reads(", "def clerk(", "def cites(")
FUTILE = ("command", "note")  # attacks that never worked undefended
DATA = ("08_safety_pages.jsonl", "08_safety_requests.jsonl")


def groups(lesson: dict) -> Iterator[tuple[str, Callable[[], list]]]:
    """Every group of calls by its name, in the order in which they are made."""
    pages, requests = lesson["pages"], lesson["rows"]("requests")
    for prompt in lesson["PROMPTS"]:
        for name in ("prying", "honest"):
            asked = lesson[name.upper()]
            yield f"{prompt} / {name}", lambda a=asked, p=prompt: [lesson["desk"](question, p) for question in a]
    extras = {"clean": lambda page: "", "harmless note": lambda page: page["note"]}
    extras |= {name: lambda page, text=text: text for name, text in lesson["ATTACKS"].items()}
    for way in lesson["WAYS"]:
        for name, extra in extras.items():
            if way == "none" or name not in FUTILE:
                yield f"{way} / {name}", lambda e=extra, w=way: [lesson["reads"](page, e(page), w) for page in pages]
    for how in lesson["JAILBREAKS"]:
        other = [row["request"] for row in requests if row["about"] == "other"]
        yield f"clerk / {how}", lambda h=how, r=other: [lesson["clerk"](request, h) for request in r]
    ferry = [row["request"] for row in requests if row["about"] == "ferry"]
    yield "clerk / about ferries", lambda: [lesson["clerk"](request) for request in ferry]
    for question in ("question", "unanswered"):
        yield f"free / {question}", lambda q=question: [lesson["answers"](page, page[q]) for page in pages]
        yield f"cited / {question}", lambda q=question: [lesson["cites"](page, page[q]) for page in pages]


def main() -> None:
    """Ask, and write after each group: what stands in the file from the same cells and data is not asked again."""
    lesson, file = sweep.lesson_names(SCRIPT, NEEDED), SCRIPT.with_suffix(".json")
    files = [HERE / name for name in DATA]
    result = {
        **sweep.provenance(SCRIPT, "xllamacpp"),
        "data_sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "cells_sha256": hashlib.sha256("\n".join(sweep.cell_texts(SCRIPT, NEEDED)[1:]).encode()).hexdigest(),
        "answers": {},
    }
    before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if all(before.get(key) == result[key] for key in ("data_sha256", "cells_sha256", "machine")):
        result = before
    for name, ask in groups(lesson):
        if name not in result["answers"]:
            result["answers"][name] = ask()
            file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(name, result["answers"][name][:2], flush=True)


if __name__ == "__main__":
    main()

"""Compile and measure the router of lesson 7 over five seeds and three adapters: more calls than a lesson may take.

Runs the lesson's own cells, and writes 07_dspy_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/07_dspy_sweep.py

What is done is kept in 07_dspy_sweep.partial.json until all is: a run that was stopped goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from roadmap.lessons.source import read

HERE = Path(__file__).parent
LESSON = HERE.parent / "source" / "07_dspy.py"
PARTIAL = HERE / "07_dspy_sweep.partial.json"
NEEDED = (
    "engine = Engine(",
    "class LocalEngine",
    "def triage(",
    "class Router(",
    "class PlainAdapter(",
    "def wilson(",
    "def metric(",
    "def marks(",
    "def canonical(",
    "def compiled(",
    "class Climb(",
)
SEEDS = range(5)
ADAPTER_REQUESTS = 24


def lesson_cells() -> dict:
    """The names that the lesson's cells define, as far as the sweep needs them."""
    names: dict = {}
    for cell in read(LESSON).cells:
        if cell.kind == "code" and any(needed in cell.text for needed in NEEDED):
            exec(cell.text, names)
    return names


def through_adapters(lesson: dict) -> dict:
    """Adapter, then number of demos: for each request whether its answer parsed and was right."""
    train, validation, _ = lesson["split"](lesson["EXAMPLES"], 0)
    programs = {
        "0": lesson["Router"](lesson["Triage"]),
        "8": lesson["compiled"](lesson["OPTIMISERS"]["labelled"](), train),
    }
    found: dict = {}
    for name, adapter in lesson["ADAPTERS"].items():
        found[name] = {}
        for demos, program in programs.items():
            with lesson["dspy"].context(adapter=adapter):
                answers = [(example, program(request=example.request)) for example in validation[:ADAPTER_REQUESTS]]
            found[name][demos] = [
                {
                    "parsed": answer.desk is not None,
                    "right": bool(lesson["metric"](example, answer)),
                    "desk": answer.desk,
                    "wanted": example.desk,
                }
                for example, answer in answers
            ]
            print(name, demos, sum(one["right"] for one in found[name][demos]), flush=True)
    return found


def compiled_with(lesson: dict, seed: int) -> dict:
    """One seed: every candidate's demos, and its marks on validation and test; and the path of the climb."""
    train, validation, test = lesson["split"](lesson["EXAMPLES"], seed)
    marks = lesson["marks"]
    candidates = {"zero-shot": lesson["Router"](lesson["Triage"])}
    climb: list = []
    for name, optimiser in lesson["OPTIMISERS"].items():
        made = optimiser()
        candidates[name] = lesson["compiled"](made, train)
        for share, kept, program in getattr(made, "path", ()):
            climb.append({"inner": share, "kept": kept, "test": marks(program, test) if kept else None})
    measured = {
        name: {
            "demos": [demo["desk"] for demo in program.predict.demos],
            "validation": marks(program, validation),
            "test": marks(program, test),
        }
        for name, program in candidates.items()
    }
    for name, one in measured.items():
        print(seed, name, *(f"{sum(one[part])} of {len(one[part])}" for part in ("validation", "test")), flush=True)
    return {"seed": seed, "sizes": [len(train), len(validation), len(test)], "candidates": measured, "climb": climb}


def main() -> None:
    """Ask, mark, write."""
    lesson = lesson_cells()
    lesson["dspy"].configure(adapter=lesson["ADAPTERS"]["plain"])
    done = json.loads(PARTIAL.read_text(encoding="utf-8")) if PARTIAL.is_file() else {"seeds": []}
    for seed in SEEDS:
        if seed >= len(done["seeds"]):
            done["seeds"].append(compiled_with(lesson, seed))
            PARTIAL.write_text(json.dumps(done), encoding="utf-8")
    if "adapters" not in done:
        done["adapters"] = through_adapters(lesson)
        PARTIAL.write_text(json.dumps(done), encoding="utf-8")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    result = {
        "command": "python stages/stage2_prompting_tools/data/07_dspy_sweep.py",
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"xllamacpp {version('xllamacpp')}, dspy {version('dspy')}",
        "python": platform.python_version(),
        "data_sha256": hashlib.sha256((HERE / "07_dspy_requests.jsonl").read_bytes()).hexdigest(),
        **done,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    PARTIAL.unlink()


if __name__ == "__main__":
    main()

"""Answer all 48 orders of lesson 4 in every way that it compares: more calls than a lesson may take.

Runs the lesson's own cells, and writes 04_structure_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/04_structure_sweep.py
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
LESSON = HERE.parent / "source" / "04_structure.py"
NEEDED = (
    "engine = Engine(",
    "ORDER = {",
    "def say(",
    "def first_value(",
    "def problems(",
    "def faults(",
    "def marked(",
)
RETRIES = 3


def lesson_cells() -> dict:
    """The names that the lesson's cells define, as far as the sweep needs them."""
    names: dict = {}
    for cell in read(LESSON).cells:
        if cell.kind == "code" and any(needed in cell.text for needed in NEEDED):
            exec(cell.text, names)
    return names


def main() -> None:
    """Ask, mark, write."""
    lesson = lesson_cells()
    say, conversation, faults, marked = (lesson[name] for name in ("say", "conversation", "faults", "marked"))
    loops = {
        "repair, T 0": lambda message, answer: lesson["repaired"](message, answer, RETRIES),
        "repair, T 0.5": lambda message, answer: lesson["repaired"](message, answer, RETRIES, 0.5),
        "draw again, T 0.5": lambda message, answer: lesson["drawn_again"](message, answer, RETRIES),
    }
    ways: dict[str, list] = {way: [] for way in lesson["WAYS"]}
    first_valid: dict[str, list] = {name: [] for name in loops}
    all_right: dict[str, list] = {name: [] for name in loops}
    copies = 0
    for number, entry in enumerate(lesson["orders"]):
        message = entry["message"]
        for way, schema in lesson["WAYS"].items():
            answer = say(conversation(message), schema=schema(message))
            ways[way].append(marked(answer, entry["order"]))
            if way == "free":
                first = answer
        for name, loop in loops.items():
            answers = loop(message, first)
            valid = not faults(answers[-1], message)
            first_valid[name].append(len(answers) - 1 if valid else None)
            all_right[name].append(marked(answers[-1], entry["order"])["all"])
            copies += name == "repair, T 0" and len(answers) > 1 and answers[1] == answers[0]
        print(number, {way: rows[-1]["all"] for way, rows in ways.items()}, flush=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    result = {
        "command": "python stages/stage2_prompting_tools/data/04_structure_sweep.py",
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"xllamacpp {version('xllamacpp')}",
        "python": platform.python_version(),
        "data_sha256": hashlib.sha256((HERE / "04_structure_orders.jsonl").read_bytes()).hexdigest(),
        "retries": RETRIES,
        "ways": ways,
        "loops": first_valid,
        "loops_all_right": all_right,
        "repairs_that_copy": copies,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Answer all 48 orders of lesson 4 in every way that it compares: more calls than a lesson may take.

Runs the lesson's own cells, and writes 04_structure_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/04_structure_sweep.py
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from roadmap.lessons import sweep

SCRIPT = Path(__file__).resolve()
HERE = SCRIPT.parent
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


def main() -> None:
    """Ask, mark, write."""
    lesson = sweep.lesson_names(SCRIPT, NEEDED)
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
    result = {
        **sweep.provenance(SCRIPT, "xllamacpp"),
        "data_sha256": hashlib.sha256((HERE / "04_structure_orders.jsonl").read_bytes()).hexdigest(),
        "retries": RETRIES,
        "ways": ways,
        "loops": first_valid,
        "loops_all_right": all_right,
        "repairs_that_copy": copies,
    }
    SCRIPT.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

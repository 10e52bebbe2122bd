"""Answer the problems of lesson 3 in every way that it compares, many times, and search its puzzles.

Runs the lesson's own cells, and writes 03_reasoning_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/03_reasoning_sweep.py
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from roadmap.lessons import sweep

SCRIPT = Path(__file__).resolve()
NEEDED = ("engine = Engine(", "def ask(", "def moves(", "def search(")
SAMPLES = {"0.7": 15, "0.3": 5, "1.1": 5}  # temperature: answers to each problem
SAMPLED = 40  # problems
BUDGET = 39  # proposals: the whole tree of three a state


def main() -> None:
    """Ask, search, write."""
    lesson = sweep.lesson_names(SCRIPT, NEEDED)
    ask, problems, puzzles = lesson["ask"], lesson["PROBLEMS"], lesson["puzzles"]
    ways = {way: [ask(way, question, steps) for question, steps, _ in problems] for way in lesson["WAYS"]}
    answers = [answer for _, _, answer in problems]
    for way, outputs in ways.items():
        print(way, sum(lesson["marked_number"](t) == a for (t, _), a in zip(outputs, answers, strict=True)), flush=True)
    searches: dict[str, list] = {"depth first": [], "breadth first": []}
    for number, puzzle in enumerate(puzzles):
        propose = lesson["model_proposals"]()
        for order, found in searches.items():
            found.append(lesson["search"](puzzle, propose, order, BUDGET))
        print("puzzle", number, {order: found[-1] for order, found in searches.items()}, flush=True)
    samples: dict[str, list] = {temperature: [] for temperature in SAMPLES}
    for temperature, count in SAMPLES.items():
        for number, (question, steps, _) in enumerate(problems[:SAMPLED]):
            seeds = range(1000 * number, 1000 * number + count)
            draws = [ask("chain", question, steps, temperature=float(temperature), seed=seed) for seed in seeds]
            samples[temperature].append(draws)
            print("sampled", temperature, number, flush=True)
    data = json.dumps([problems, [list(map(str, puzzle)) for puzzle in puzzles]])
    result = {
        **sweep.provenance(SCRIPT, "xllamacpp"),
        "data_sha256": hashlib.sha256(data.encode()).hexdigest(),
        "budget": BUDGET,
        "ways": ways,
        "samples": samples,
        "searches": searches,
    }
    SCRIPT.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

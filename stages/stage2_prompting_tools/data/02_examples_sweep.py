"""Label the test requests of lesson 2 with many choices and orders of examples: more calls than a lesson may take.

Runs the lesson's own cells, and writes 02_examples_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/02_examples_sweep.py
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import subprocess
from importlib.metadata import version
from pathlib import Path

from roadmap.lessons.source import read

HERE = Path(__file__).parent
LESSON = HERE.parent / "source" / "02_examples.py"
NEEDED = ("engine = Engine(", "LABELS = [", "def nearest(", "SIX = [")
DRAWS = 3  # random choices of six examples
ORDERS = 24  # of the same six examples
ORDERED = 30  # requests that every order answers


def lesson_cells() -> dict:
    """The names that the lesson's cells define, as far as the sweep needs them."""
    names: dict = {}
    for cell in read(LESSON).cells:
        if cell.kind == "code" and any(needed in cell.text for needed in NEEDED):
            exec(cell.text, names)
    return names


def main() -> None:
    """Score, and write every probability."""
    lesson = lesson_cells()
    pool, test, free = lesson["POOL"], lesson["TEST"], lesson["CONTENT_FREE"]

    def row(examples: list[dict], request: str) -> list[float]:
        return [round(float(p), 5) for p in lesson["score"](examples, request)]

    rng = random.Random(11)
    ways: dict[str, list] = {"none": [row([], item["request"]) for item in test]}
    for draw in range(DRAWS):
        examples = rng.sample(pool, 6)
        ways[f"random 6, draw {draw}"] = [row(examples, item["request"]) for item in test]
        print(draw, flush=True)
    for k in (1, 3, 6):
        chosen = [[pool[j] for j in lesson["nearest"](i, k)] for i in range(len(test))]  # the most similar last
        ways[f"similar {k}"] = [row(examples, item["request"]) for examples, item in zip(chosen, test, strict=True)]
        print("similar", k, flush=True)
    ways["similar 6, most similar first"] = [
        row(examples[::-1], item["request"]) for examples, item in zip(chosen, test, strict=True)
    ]
    six = lesson["SIX"]
    orders = [list(range(6))] + [rng.sample(range(6), 6) for _ in range(ORDERS - 1)]
    scored, content_free = [], []
    for order in orders:
        examples = [six[j] for j in order]
        scored.append([row(examples, item["request"]) for item in test[:ORDERED]])
        content_free.append([row(examples, text) for text in free])
        print(order, content_free[-1][0], flush=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    result = {
        "command": "python stages/stage2_prompting_tools/data/02_examples_sweep.py",
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"xllamacpp {version('xllamacpp')}",
        "python": platform.python_version(),
        "data_sha256": hashlib.sha256((HERE / "02_examples_requests.jsonl").read_bytes()).hexdigest(),
        "ways": ways,
        "orders": orders,
        "by_order": scored,
        "content_free_by_order": content_free,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

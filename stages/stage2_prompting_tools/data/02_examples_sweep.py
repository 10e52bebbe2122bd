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
ORDERS = 16  # of the same six examples
ORDERED = 30  # requests that every order answers


def lesson_cells() -> dict:
    """The names that the lesson's cells define, as far as the sweep needs them."""
    names: dict = {}
    for cell in read(LESSON).cells:
        if cell.kind == "code" and any(needed in cell.text for needed in NEEDED):
            exec(cell.text, names)
    return names


class Kept:
    """Rows kept on disk as they come, so that a sweep that was interrupted goes on where it stopped.

    A row's key is the hash of all prompts in it: another wording or another choice of examples is asked anew.
    """

    def __init__(self, path: Path, lesson: dict) -> None:
        self.path, self.lesson = path, lesson
        self.rows: dict[str, list] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def scored(self, name: str, asked: list[tuple[list[dict], str]]) -> list[list[float]]:
        """The probabilities of the labels for each pair of examples and request."""
        said = [[f"{turn.role}: {turn.text}" for turn in self.lesson["turns"](*pair)] for pair in asked]
        key = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        if key not in self.rows:
            self.rows[key] = [[round(float(p), 5) for p in self.lesson["score"](*pair)] for pair in asked]
            written = self.path.with_suffix(".new")
            written.write_text(json.dumps(self.rows), encoding="utf-8")
            written.replace(self.path)  # whole, or not at all, however the sweep is interrupted
            print(name, self.rows[key][0], flush=True)
        return self.rows[key]


def main() -> None:
    """Score, and write every probability."""
    lesson = lesson_cells()
    pool, test, free, turned = (lesson[name] for name in ("POOL", "TEST", "CONTENT_FREE", "turned"))
    asked = [item["request"] for item in test]
    kept = Kept(Path(__file__).with_suffix(".partial.json"), lesson)
    rng = random.Random(11)
    shown: dict[str, list[list[dict]]] = {"none": [[]] * len(test)}  # way: the examples for each request
    for draw in range(DRAWS):
        shown[f"random 6, draw {draw}"] = [rng.sample(pool, 6)] * len(test)
    for k in (1, 3, 6):
        shown[f"similar {k}"] = [[pool[j] for j in lesson["nearest"](i, k)] for i in range(len(test))]
    near, six = shown["similar 6"], lesson["SIX"]
    shown["similar 6, most similar first"] = [examples[::-1] for examples in near]
    shown["similar 6, wrong labels"] = [turned(examples) for examples in near]
    shown["the six of section 3"] = [six] * len(test)
    shown["the six, wrong labels"] = [turned(six)] * len(test)
    ways = {name: kept.scored(name, list(zip(chosen, asked, strict=True))) for name, chosen in shown.items()}
    orders = [list(range(6))] + [rng.sample(range(6), 6) for _ in range(ORDERS - 1)]
    scored, content_free = [], []
    for order in orders:
        examples = [six[j] for j in order]
        scored.append(kept.scored(f"order {order}", [(examples, request) for request in asked[:ORDERED]]))
        content_free.append(kept.scored(f"order {order}, no content", [(examples, text) for text in free]))
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
    kept.path.unlink()


if __name__ == "__main__":
    main()

"""Label the test requests of lesson 2 with many choices and orders of examples: more calls than a lesson may take.

Runs the lesson's own cells, and writes 02_examples_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/02_examples_sweep.py
"""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

from roadmap.lessons import sweep

SCRIPT = Path(__file__).resolve()
HERE = SCRIPT.parent
NEEDED = ("engine = Engine(", "LABELS = [", "def nearest(", "SIX = [")
DRAWS = 3  # random choices of six examples
ORDERS = 16  # of the same six examples
ORDERED = 30  # requests that every order answers


def scored(kept: sweep.Kept, lesson: dict, name: str, asked: list[tuple[list[dict], str]]) -> list[list[float]]:
    """The probabilities of the labels for each pair of examples and request.

    A row's key is the hash of all prompts in it: another wording or another choice of examples is asked anew.
    """
    said = [[f"{turn.role}: {turn.text}" for turn in lesson["turns"](*pair)] for pair in asked]
    key = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    return kept.row(key, lambda: [[round(float(p), 5) for p in lesson["score"](*pair)] for pair in asked], name)


def main() -> None:
    """Score, and write every probability."""
    lesson = sweep.lesson_names(SCRIPT, NEEDED)
    pool, test, free, turned = (lesson[name] for name in ("POOL", "TEST", "CONTENT_FREE", "turned"))
    asked = [item["request"] for item in test]
    kept = sweep.Kept(SCRIPT.with_suffix(".partial.json"))
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
    ways = {name: scored(kept, lesson, name, list(zip(chosen, asked, strict=True))) for name, chosen in shown.items()}
    orders = [list(range(6))] + [rng.sample(range(6), 6) for _ in range(ORDERS - 1)]
    by_order, content_free = [], []
    for order in orders:
        examples = [six[j] for j in order]
        by_order.append(scored(kept, lesson, f"order {order}", [(examples, request) for request in asked[:ORDERED]]))
        content_free.append(scored(kept, lesson, f"order {order}, no content", [(examples, text) for text in free]))
    result = {
        **sweep.provenance(SCRIPT, "xllamacpp"),
        "data_sha256": hashlib.sha256((HERE / "02_examples_requests.jsonl").read_bytes()).hexdigest(),
        "ways": ways,
        "orders": orders,
        "by_order": by_order,
        "content_free_by_order": content_free,
    }
    SCRIPT.with_suffix(".json").write_text(json.dumps(result) + "\n", encoding="utf-8")
    kept.path.unlink()


if __name__ == "__main__":
    main()

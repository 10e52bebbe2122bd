"""Train the tiny models of lesson 8 longer than a lesson may: four ways to know positions, two seeds each.

Runs the lesson's own cells, and writes 08_positions_sweep.json beside this file. In the course's root:

    python stages/stage1_foundations/data/08_positions_sweep.py
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from importlib import resources
from pathlib import Path

import torch
from torch.nn import functional

from roadmap.lessons import sweep

SCRIPT = Path(__file__).resolve()
STEPS, SEEDS = 1200, (0, 1)
NEEDED = ("def sinusoids(", "def turn(", "def alibi(", "def background(", "class Tiny(")


def main() -> None:
    """Train, measure, write."""
    torch.set_num_threads(1)
    given = {"json": json, "math": math, "re": re, "resources": resources, "torch": torch, "functional": functional}
    lesson = sweep.lesson_names(SCRIPT, NEEDED, given=given)
    curves = {kind: [] for kind in ("none", "sinusoidal", "rope", "alibi")}
    for kind in curves:
        for seed in SEEDS:
            curve = lesson["loss_by_position"](lesson["trained"](kind, STEPS, seed))
            curves[kind].append([round(value, 4) for value in curve.tolist()])
            print(kind, seed, curves[kind][-1][:3], curves[kind][-1][-1], flush=True)
    result = {
        **sweep.provenance(SCRIPT, "torch"),
        "data_sha256": hashlib.sha256(bytes(lesson["corpus_bytes"].tolist())).hexdigest(),
        "steps": STEPS,
        "curves": curves,
    }
    file = SCRIPT.with_suffix(".json")
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

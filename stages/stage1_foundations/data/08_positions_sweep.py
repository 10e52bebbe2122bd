"""Train the tiny models of lesson 8 longer than a lesson may: four ways to know positions, two seeds each.

Runs the lesson's own cells, and writes 08_positions_sweep.json beside this file. In the course's root:

    python stages/stage1_foundations/data/08_positions_sweep.py
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import torch
from torch.nn import functional

from roadmap.lessons.source import read

LESSON = Path(__file__).parents[1] / "source" / "08_positions.py"
STEPS, SEEDS = 1200, (0, 1)
NEEDED = ("def sinusoids(", "def turn(", "def alibi(", "def background(", "class Tiny(")


def lesson_cells() -> dict:
    """The names that the lesson's cells define, up to the tiny model; what the real model needs is left out."""
    names = {"json": json, "math": math, "re": re, "resources": resources, "torch": torch, "functional": functional}
    for cell in read(LESSON).cells:
        if any(needed in cell.text for needed in NEEDED) and cell.kind == "code":
            exec(cell.text, names)
    return names


def main() -> None:
    """Train, measure, write."""
    torch.set_num_threads(1)
    lesson = lesson_cells()
    curves = {kind: [] for kind in ("none", "sinusoidal", "rope", "alibi")}
    for kind in curves:
        for seed in SEEDS:
            curve = lesson["loss_by_position"](lesson["trained"](kind, STEPS, seed))
            curves[kind].append([round(value, 4) for value in curve.tolist()])
            print(kind, seed, curves[kind][-1][:3], curves[kind][-1][-1], flush=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    result = {
        "command": "python stages/stage1_foundations/data/08_positions_sweep.py",
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "python": sys.version.split()[0],
        "data_sha256": hashlib.sha256(bytes(lesson["corpus_bytes"].tolist())).hexdigest(),
        "steps": STEPS,
        "curves": curves,
    }
    file = Path(__file__).with_suffix(".json")
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

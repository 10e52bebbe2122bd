"""Compile and measure the router of lesson 7 over five seeds and three adapters: more calls than a lesson may take.

Runs the lesson's own cells, and writes 07_dspy_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/07_dspy_sweep.py

Every answer of the model is kept in 07_dspy_sweep.partial.json until all are there: a run that was stopped goes on from
it. `--seconds N` stops by itself after N seconds.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

from roadmap.lessons import sweep
from roadmap.llm.engine import Done, Engine

SCRIPT = Path(__file__).resolve()
HERE = SCRIPT.parent
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


class OutOfTime(BaseException):
    """The seconds are used up. No Exception: optimisers take those for wrong answers."""


class Remembering:
    """An engine that asks each question once, and keeps the answers in a file."""

    def __init__(self, engine: Engine, seconds: float):
        self.engine, self.tokenize = engine, functools.cache(engine.tokenize)
        self.until = time.monotonic() + seconds
        self.known: dict = json.loads(PARTIAL.read_text(encoding="utf-8")) if PARTIAL.is_file() else {}

    def complete(self, prompt: list[int], *, max_tokens: int, schema: dict | None) -> Iterator[str | Done]:
        """As `Engine.complete`. Raises OutOfTime."""
        key = hashlib.sha256(json.dumps([prompt, max_tokens, schema]).encode()).hexdigest()[:24]
        if key not in self.known:
            if time.monotonic() > self.until:
                raise OutOfTime
            *pieces, done = self.engine.complete(prompt, max_tokens=max_tokens, schema=schema)
            self.known[key] = ["".join(pieces), done.reason, done.word, done.prompt_tokens, done.tokens]
        text, *rest = self.known[key]
        yield text
        yield Done(*rest)

    def save(self) -> None:
        """Write what is known."""
        PARTIAL.write_text(json.dumps(self.known), encoding="utf-8")


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
    """One seed: every candidate's demos, and its marks on validation and test; the path of the climb, and its start."""
    train, validation, test = lesson["split"](lesson["EXAMPLES"], seed)
    marks = lesson["marks"]
    candidates = {"zero-shot": lesson["Router"](lesson["Triage"])}
    climb: list = []
    first: list = []
    for name, optimiser in lesson["OPTIMISERS"].items():
        made = optimiser()
        candidates[name] = lesson["compiled"](made, train)
        if path := getattr(made, "path", ()):
            climb = [{"inner": share, "kept": kept} for share, kept, _ in path]
            first = marks(path[0][2], test)  # with the demos that the climb began with
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
    return {
        "seed": seed,
        "sizes": [len(train), len(validation), len(test)],
        "candidates": measured,
        "climb": climb,
        "first": first,
    }


def main() -> None:
    """Ask, mark, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=float("inf"))
    lesson = sweep.lesson_names(SCRIPT, NEEDED)
    lesson["engine"] = engine = Remembering(lesson["engine"], parser.parse_args().seconds)
    lesson["dspy"].configure(adapter=lesson["ADAPTERS"]["plain"])
    try:
        done = {
            "seeds": [compiled_with(lesson, seed) for seed in SEEDS],
            "adapters": through_adapters(lesson),
        }
    except OutOfTime:
        print(f"Out of time after {len(engine.known)} answers. Run again to go on.")
        return
    finally:
        engine.save()
    result = {
        **sweep.provenance(SCRIPT, "xllamacpp", "dspy"),
        "data_sha256": hashlib.sha256((HERE / "07_dspy_requests.jsonl").read_bytes()).hexdigest(),
        **done,
    }
    SCRIPT.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    PARTIAL.unlink()


if __name__ == "__main__":
    main()

"""Answer every request of lesson 1 under every prompt that it compares: more calls than a lesson may take.

Runs the lesson's own cells, and writes 01_prompts_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/01_prompts_sweep.py
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from roadmap.lessons import sweep

SCRIPT = Path(__file__).resolve()
HERE = SCRIPT.parent
NEEDED = ("engine = Engine(", "RULES = {", "class Version", "VERSIONS = {", "SUM_VERSIONS = {")
TESTED = ("clear", "begun")  # on the test part as well


def wanted(item: dict, name: str, every: bool) -> bool:
    """Whether a version is asked an item: `every` one for development, or only those with one city."""
    return name in TESTED if item["part"] == "test" else every or item["kind"] == "one"


def main() -> None:
    """Ask, and write every answer."""
    lesson = sweep.lesson_names(SCRIPT, NEEDED)
    ask, say_begun = lesson["ask"], lesson["say_begun"]
    requests = (HERE / "01_prompts_requests.jsonl").read_bytes()
    items = [json.loads(line) for line in requests.splitlines()]
    kept = sweep.Kept(SCRIPT.with_suffix(".partial.json"))
    answers: dict[str, list[str | None]] = {}
    for name, prompt in lesson["VERSIONS"].items():
        every = bool(prompt.begin) or name == "bare"
        asked = [item["request"] if wanted(item, name, every) else None for item in items]
        answers[name] = kept.row(f"{name} {prompt.mark}", lambda p=prompt, a=asked: [r and ask(p, r) for r in a])
    for name in lesson["FRAMES"]:
        asked = [item["request"] if wanted(item, name, False) else None for item in items]
        answers[name] = kept.row(name, lambda n=name, a=asked: [r and lesson["framed"](n, r) for r in a])
    rules: dict[str, dict[str, list[str]]] = {}
    for rule in lesson["RULES"]:
        rules[rule] = {
            place: kept.row(
                f"{rule} {place}",
                lambda r=rule, p=place: [lesson["answer_under"](r, p, question) for question in lesson["QUESTIONS"]],
            )
            for place in lesson["PLACES"]
        }
    sums = {
        name: kept.row(
            f"sum {name} {prompt.mark}",
            lambda n=name, p=prompt: [
                say_begun(p, f"{a} + {b}", 80 if n == "steps" else 32) for a, b in lesson["SUMS"]
            ],
        )
        for name, prompt in lesson["SUM_VERSIONS"].items()
    }
    winds = {
        name: kept.row(
            f"wind {name}", lambda v=version_of: [lesson["say"](v(place), place, 12) for place in lesson["WINDS"]]
        )
        for name, version_of in lesson["WIND_VERSIONS"].items()
    }
    result = {
        **sweep.provenance(SCRIPT, "xllamacpp"),
        "data_sha256": hashlib.sha256(requests).hexdigest(),
        "prompts": {name: prompt.mark for name, prompt in lesson["VERSIONS"].items()},
        "answers": answers,
        "rules": rules,
        "sums": sums,
        "winds": winds,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    SCRIPT.with_suffix(".json").write_text(text, encoding="utf-8")
    kept.path.unlink()


if __name__ == "__main__":
    main()

"""Answer every request of lesson 1 under every prompt that it compares: more calls than a lesson may take.

Runs the lesson's own cells, and writes 01_prompts_sweep.json beside this file. In the course's root:

    python stages/stage2_prompting_tools/data/01_prompts_sweep.py
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from roadmap.lessons.source import read

HERE = Path(__file__).parent
LESSON = HERE.parent / "source" / "01_prompts.py"
NEEDED = ("engine = Engine(", "RULES = {", "class Version", "VERSIONS = {", "SUM_VERSIONS = {")
TESTED = ("clear", "begun")  # on the test part as well


def lesson_cells() -> dict:
    """The names that the lesson's cells define, as far as the sweep needs them."""
    names: dict = {}
    for cell in read(LESSON).cells:
        if cell.kind == "code" and any(needed in cell.text for needed in NEEDED):
            exec(cell.text, names)
    return names


class Kept:
    """Answers kept on disk as they come, so that a sweep that was interrupted goes on where it stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, list] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def row(self, key: str, ask: Callable[[], list]) -> list:
        """The answers under a key; asked for only if they are not there yet."""
        if key not in self.rows:
            self.rows[key] = ask()
            written = self.path.with_suffix(".new")
            written.write_text(json.dumps(self.rows, ensure_ascii=False), encoding="utf-8")
            written.replace(self.path)  # whole, or not at all, however the sweep is interrupted
            print(key, self.rows[key][:3], flush=True)
        return self.rows[key]


def wanted(item: dict, name: str, every: bool) -> bool:
    """Whether a version is asked an item: `every` one for development, or only those with one city."""
    return name in TESTED if item["part"] == "test" else every or item["kind"] == "one"


def main() -> None:
    """Ask, and write every answer."""
    lesson = lesson_cells()
    ask, say_begun = lesson["ask"], lesson["say_begun"]
    requests = (HERE / "01_prompts_requests.jsonl").read_bytes()
    items = [json.loads(line) for line in requests.splitlines()]
    kept = Kept(Path(__file__).with_suffix(".partial.json"))
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
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    result = {
        "command": "python stages/stage2_prompting_tools/data/01_prompts_sweep.py",
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"xllamacpp {version('xllamacpp')}",
        "python": platform.python_version(),
        "data_sha256": hashlib.sha256(requests).hexdigest(),
        "prompts": {name: prompt.mark for name, prompt in lesson["VERSIONS"].items()},
        "answers": answers,
        "rules": rules,
        "sums": sums,
        "winds": winds,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    Path(__file__).with_suffix(".json").write_text(text, encoding="utf-8")
    kept.path.unlink()


if __name__ == "__main__":
    main()

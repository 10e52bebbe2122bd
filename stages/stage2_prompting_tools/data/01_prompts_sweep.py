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
from importlib.metadata import version
from pathlib import Path

from roadmap.lessons.source import read

HERE = Path(__file__).parent
LESSON = HERE.parent / "source" / "01_prompts.py"
NEEDED = ("engine = Engine(", "RULES = {", "class Version", "VERSIONS = {", "SUM_VERSIONS = {")


def lesson_cells() -> dict:
    """The names that the lesson's cells define, as far as the sweep needs them."""
    names: dict = {}
    for cell in read(LESSON).cells:
        if cell.kind == "code" and any(needed in cell.text for needed in NEEDED):
            exec(cell.text, names)
    return names


def main() -> None:
    """Ask, and write every answer."""
    lesson = lesson_cells()
    ask, ask_begun = lesson["ask"], lesson["ask_begun"]
    requests = (HERE / "01_prompts_requests.jsonl").read_bytes()
    asked = [json.loads(line)["request"] for line in requests.splitlines()]
    answers: dict[str, list[str]] = {}
    for name, prompt in lesson["VERSIONS"].items():
        answers[name] = [ask(prompt, request) for request in asked]
        print(name, answers[name][:3], flush=True)
    for frame in lesson["FRAMES"]:
        answers[frame] = [lesson["framed"](frame, request) for request in asked]
        print(frame, answers[frame][:3], flush=True)
    rules: dict[str, dict[str, list[str]]] = {}
    for rule in lesson["RULES"]:
        rules[rule] = {}
        for place in lesson["PLACES"]:
            rules[rule][place] = [lesson["answer_under"](rule, place, question) for question in lesson["QUESTIONS"]]
            print(rule, place, rules[rule][place][:1], flush=True)
    sums = {
        name: [ask_begun(prompt, f"{a} + {b}", 80 if name == "steps" else 16) for a, b in lesson["SUMS"]]
        for name, prompt in lesson["SUM_VERSIONS"].items()
    }
    winds = {
        name: [ask_begun(prompt, place, 10) for place in lesson["WINDS"]]
        for name, prompt in lesson["WIND_VERSIONS"].items()
    }
    print({name: row[:2] for name, row in (sums | winds).items()})
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


if __name__ == "__main__":
    main()

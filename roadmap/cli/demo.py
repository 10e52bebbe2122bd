"""`roadmap demo`: the real model speaks, and stage 1 is graded."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from roadmap.cli.console import console, load_course
from roadmap.cli.run import run_program
from roadmap.cli.submission import digests, package_root, remember
from roadmap.course.errors import UsageError
from roadmap.course.progress import Progress
from roadmap.course.strip import strip_tree
from roadmap.course.syllabus import Course, Stage
from roadmap.course.wording import number

PROMPT = "Explain what a transformer is:"
TOKENS = 40


def demo() -> int:
    """The real model speaks; then stage 1 is graded.

    In the full repository the reference and the skeleton are graded, in a learner's copy your own work.
    """
    course = load_course()
    stage = course.stage(1)
    reference = course.solutions / stage.name
    own = course.learner_copy or not reference.is_dir()
    if code := _fetch(stage):
        return code
    print(f"{_model(stage)} answers: {PROMPT}", flush=True)
    started = time.perf_counter()
    if own:
        _speak(stage)
    else:
        code = run_program(stage, course.solutions, [PROMPT, "--max-new-tokens", str(TOKENS)])
        if code:
            raise UsageError(f"The reference program ended with exit code {code}.", "Run `roadmap doctor`.")
    print(f"\n\n{TOKENS} tokens at most, {time.perf_counter() - started:.1f} s with loading.\n", flush=True)
    return _grade_own(course, stage) if own else _grade_pair(course, stage)


def _fetch(stage: Stage) -> int:
    from roadmap.artifacts import is_present

    missing = [name for name in stage.models if not is_present(name)]
    if not missing:
        return 0
    from roadmap.cli.fetch import fetch

    return fetch(missing)


def _model(stage: Stage) -> str:
    return stage.models[0]


def _speak(stage: Stage) -> None:
    """Greedy generation through transformers, token by token."""
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is imported
    from roadmap.artifacts import load_causal_lm

    tokenizer, model = load_causal_lm(_model(stage))
    from transformers import TextStreamer

    inputs = tokenizer(PROMPT, return_tensors="pt")
    streamer = TextStreamer(tokenizer, skip_prompt=True)
    generate: Any = model.generate
    generate(**inputs, max_new_tokens=TOKENS, do_sample=False, streamer=streamer)


def _grade_pair(course: Course, stage: Stage) -> int:
    from roadmap.grading.report.terminal import LiveProgress, show
    from roadmap.grading.session import Grader

    wrong = []
    with tempfile.TemporaryDirectory(prefix="roadmap-demo-") as folder, Grader(course, stage) as grader:
        # Stripped afresh: projects/ may hold somebody's work.
        skeleton = Path(folder) / "projects"
        strip_tree(course.solutions / stage.name, skeleton / stage.name, stage)
        for name, root in (("reference", course.solutions), ("skeleton", skeleton)):
            with LiveProgress(console(stderr=True)) as live:
                report = grader.check(root, on_event=live)
            if report.grader_failed:
                show(report, console())
                return 3
            if report.score != (stage.points if name == "reference" else 0):
                wrong.append(report)
            counts = f"{len(report.checks)} checks in {report.seconds:.1f} s, isolation {report.isolation}"
            print(f"{name:<10} {number(report.score):>4} of {number(report.max_score)}  ({counts})", flush=True)
    for report in wrong:
        show(report, console())
    if wrong:
        print(
            "The reference should have every point and the skeleton none: this set-up grades wrongly. "
            "Run `roadmap doctor`, and report what stands above.",
            file=sys.stderr,
        )
        return 3
    print("Next: `roadmap next`.")
    return 0


def _grade_own(course: Course, stage: Stage) -> int:
    from roadmap.grading.report.terminal import LiveProgress, show
    from roadmap.grading.report.words import Background
    from roadmap.grading.session import Grader

    root = package_root(course, stage, None)
    before = digests(course, stage, root)
    with LiveProgress(console(stderr=True)) as live, Grader(course, stage) as grader:
        report = grader.check(root, on_event=live)
    remember(Progress(course.root), stage, report, before)
    show(report, console(), Background.of(course, stage))
    return 3 if report.grader_failed else 0

"""Garbage from every function of stage 1: each check must say failed, and none may break on what it got."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from roadmap.course import Course, Stage
from roadmap.grading.session import Grader
from roadmap.grading.verdict import State

ROOT = Path(__file__).resolve().parents[2]
TASKS = ["1.3", "1.4", "1.6", "1.9"]
# What garbage gets right: it leaves its inputs alone.
HARMLESS = {"test_the_given_logits_are_not_changed"}
GARBAGE = {
    "None": "None",
    "an empty list": "[]",
    "text": "'text'",
    "a dictionary": "{'a': [1, None]}",
    "NaN": "float('nan')",
    "a negative number": "-1",
    "a large number": "10 ** 400",
    "an empty tensor": "torch.zeros(0)",
    "NaNs in odd dimensions": "torch.full((1, 2, 3, 1, 1), float('nan'))",
    "complex numbers": "torch.zeros(2, 3, dtype=torch.complex64)",
    "what it was given": "next(iter(args), None)",
    "lists of unlike things": "[[1, 'a'], [torch.ones(2)], None]",
    "itself": "garbage",
}


@pytest.fixture(scope="module")
def stage() -> Stage:
    """The real stage 1."""
    return Course.load(ROOT).stage(1)


@pytest.fixture(scope="module")
def grader(stage: Stage) -> Iterator[Grader]:
    """A warm grader of the real stage 1."""
    with Grader(Course.load(ROOT), stage) as grader:
        grader.prepare(TASKS)
        yield grader


def write(folder: Path, stage: Stage, expression: str) -> Path:
    """A package whose functions and methods all return the same."""
    package = folder / stage.name
    package.mkdir()
    for name in stage.package_files:
        tasks = stage.tasks_of(Path(name).stem)
        lines = ["import torch", "def garbage(*args, **kwargs):", f"    return {expression}"]
        for function in dict.fromkeys(function for task in tasks for function in task.functions):
            owner = function.rpartition(".")[0]
            lines.append(f"{owner} = type('{owner}', (), {{'__init__': lambda self, *a, **k: None}})" if owner else "")
            lines.append(f"{function} = garbage")
        (package / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_fails_and_breaks_nothing(grader: Grader, stage: Stage, tmp_path: Path, kind: str) -> None:
    """No check passes by accident (`what it was given` is right here and there), and none is a grader error."""
    report = grader.check(write(tmp_path, stage, GARBAGE[kind]), tasks=TASKS)
    broken = [(check.id, check.message[:300]) for check in report.checks if check.state is State.GRADER_ERROR]
    assert broken == []
    if kind not in ("what it was given", "None"):
        passed = {check.id.partition("::")[2] for check in report.checks if check.state is State.PASSED}
        assert passed <= HARMLESS

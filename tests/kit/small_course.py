"""A course of two tasks, small enough to read, and a grader that answers at once: what the kit's tests work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from roadmap.course import Course, Stage
from roadmap.grading.verdict import CheckResult, Report, State, TaskResult

SYLLABUS = """
[course]
title = "A small course"

[[stage]]
number = 1
name = "stage1_small"
title = "Small"
goal = "Count words."
complete = false
files = ["__init__.py", "__main__.py"]

[[stage.task]]
id = "1.1"
title = "Count words"
module = "words"
functions = ["count", "Box.put"]
points = 60
minutes = 75
difficulty = 2
lessons = ["01_words#counting"]

[[stage.task]]
id = "1.2"
title = "Take words out again"
module = "words"
functions = ["Box.take"]
points = 20
minutes = 15
difficulty = 1
lessons = ["01_words#counting"]

[[stage.task]]
id = "1.3"
title = "Add sums"
module = "sums"
functions = ["add"]
points = 20
minutes = 30
difficulty = 1
lessons = ["01_words#adding"]

[[stage.lesson]]
id = "L1.01"
slug = "01_words"
title = "Words"
minutes = 40
sections = ["counting", "adding"]

[[stage]]
number = 2
name = "stage2_later"
title = "Later"
goal = "Something else."
complete = false
"""

WORDS = '''"""Words."""

import collections


class Box:
    """Holds words."""

    def __init__(self):
        self.words = []

    def put(self, word):
        """Put a word in."""
        # >>> solution
        self.words.append(word)
        # <<< solution

    def take(self):
        """Take the last word out."""
        # >>> solution
        return self.words.pop()
        # <<< solution


# >>> solution
def _clean(text):
    return text.lower()


# <<< solution
def count(text):
    """Count the words of a text."""
    # >>> solution
    return collections.Counter(_clean(text).split())
    # <<< solution


def given(text):
    """Given to the learner."""
    return text
'''

SUMS = '''"""Sums."""

from .words import count


def add(a, b):
    """Add two numbers."""
    # >>> solution
    return a + b
    # <<< solution
'''

CHECKS = '''"""Checks of words."""

from roadmap.grading import check, expect

SHARED = "Look at the whole text."


@check(
    task="1.1", weight=2, lesson="01_words#counting",
    hints=["Split first.", SHARED + " Twice."], models=["tiny"],
)
def test_counts(learner):
    """Every word is counted.

    More words.
    """
    expect.equal(learner.call("words.count", "a b a"), {"a": 2, "b": 1})


@check(task="1.1", lesson="01_words#counting", hints=["One.", "Two."], needs=["test_counts"])
def test_puts(learner):
    """A word that was put in is there."""
    expect.that(learner.error("words.Box.put", "a") is None, "no")


def test_is_no_check():
    pass


@check(task="1.3", lesson="01_words#adding", hints=["Use +.", "Return it."])
def test_adds(learner):
    """Two numbers are added."""
    expect.equal(learner.call("sums.add", 1, 2), 3)
'''

MISTAKES = """
[counts-letters]
task = "1.1"
says = "Letters were counted where words were asked for."
hint = "Split the text at blanks."
"""


def make_course(root: Path) -> Course:
    """Write the small course to `root`, with skeletons in projects/."""
    from roadmap.course.strip import strip_tree

    files = {
        "stages/course.toml": SYLLABUS,
        "solutions/stage1_small/__init__.py": '"""Small."""\n',
        "solutions/stage1_small/__main__.py": "import sys\n\nprint(sys.argv[1:])\nsys.exit(len(sys.argv) - 1)\n",
        "solutions/stage1_small/words.py": WORDS,
        "solutions/stage1_small/sums.py": SUMS,
        "checks/stage1_small/test_words.py": CHECKS,
        "checks/stage1_small/mistakes.toml": MISTAKES,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    course = Course.load(root)
    strip_tree(course.solutions / "stage1_small", course.projects / "stage1_small")
    return course


def result(id: str, task: str, state: State, points: float, **more: Any) -> CheckResult:
    """A verdict; a passed one earns its points."""
    earned = points if state is State.PASSED else 0.0
    values = {"title": f"Title of {id}.", "lesson": "01_words#counting", "hint": "A hint.", "seconds": 0.25, **more}
    return CheckResult(id=f"test_words.py::{id}", task=task, state=state, points=points, earned=earned, **values)


def report_of(stage: Stage, checks: list[CheckResult], task: str | None = None) -> Report:
    """The report that these verdicts make."""
    chosen = [one for one in stage.tasks if task in (None, one.id)]
    tasks = [
        TaskResult(one.id, one.title, sum(c.earned for c in checks if c.task == one.id), float(one.points))
        for one in chosen
    ]
    score, most = sum(one.score for one in tasks), sum(one.max_score for one in tasks)
    broken = any(check.state is State.GRADER_ERROR for check in checks)
    return Report(
        course="A small course",
        stage=stage.name,
        task=task,
        score=score,
        max_score=most,
        pass_mark=most * 0.7,
        passed=score >= most * 0.7 and not broken,
        seed=7,
        isolation="full",
        models={"tiny": "0" * 64},
        seconds=1.5,
        tasks=tasks,
        checks=checks,
    )


@dataclass
class FakeGrader:
    """Stands in for `roadmap.grading.session.Grader`: gives the verdicts that `verdicts` makes, and remembers calls."""

    verdicts: Callable[[Path], list[CheckResult]]
    calls: list[SimpleNamespace] = field(default_factory=list)
    error: BaseException | None = None
    closed: int = 0

    def __call__(self, course: Course, stage: Stage) -> FakeGrader:
        self.stage = stage
        return self

    def __enter__(self) -> FakeGrader:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    def prepare(self, tasks: Any = None) -> None:
        """Nothing to warm up."""

    def check(
        self, source: Path, tasks: Any = None, seed: Any = None, checks: Any = (), on_event: Any = None
    ) -> Report:
        """Answer at once."""
        self.calls.append(SimpleNamespace(source=source, tasks=tasks, seed=seed, checks=list(checks)))
        if self.error is not None:
            raise self.error
        found = [one for one in self.verdicts(source) if tasks is None or one.task in tasks]
        if on_event is not None:
            on_event(SimpleNamespace(kind="collected", check=None, checks=tuple(found)))
            for one in found:
                on_event(SimpleNamespace(kind="started", check=one, checks=()))
                on_event(SimpleNamespace(kind="finished", check=one, checks=()))
        return report_of(self.stage, found, tasks[0] if tasks and len(tasks) == 1 else None)

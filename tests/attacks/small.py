"""A small course in a folder of its own, so that attacks do not depend on any capstone and take milliseconds.

Stage 1 has two tasks. Hostile code goes into the module `target` (task 1.1); `other` (task 1.2) stays right, so that
its verdicts show whether an attack spread.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from roadmap.course import Course
from roadmap.grading import calibration
from roadmap.grading.session import Grader
from roadmap.grading.verdict import Report

STAGE = "stage1_small"

TORCH_FORBIDDEN = """
    "torch.nn.functional.scaled_dot_product_attention", "torch.nn.functional.cross_entropy", "torch.optim",
"""

SYLLABUS = f'''
[course]
title = "Small"

[[stage]]
number = 1
name = "{STAGE}"
title = "Small"
goal = "Grade it."
complete = false
blocked = ["transformers", "colorsys"]
files = ["__init__.py", "__main__.py"]

[[stage.task]]
id = "1.1"
title = "Totals"
module = "target"
functions = ["total", "scale"]
points = 60
minutes = 10
difficulty = 1
lessons = ["01_small#numbers"]
forbid = ["math.fsum", {TORCH_FORBIDDEN}]

[[stage.task]]
id = "1.2"
title = "Doubles"
module = "other"
functions = ["double"]
points = 40
minutes = 10
difficulty = 1
lessons = ["01_small#numbers"]

[[stage.lesson]]
id = "L1.01"
slug = "01_small"
title = "Small"
minutes = 10
sections = ["numbers"]
'''

CHECKS_TARGET = '''
from checks.stage1_small import oracles
from roadmap.grading import check, expect

HINTS = ["Read the docstring.", "Add them up."]


@check(task="1.1", weight=2, lesson="01_small#numbers", hints=HINTS, seconds=0.05, memory_mb=256)
def test_total_adds_the_numbers(learner, rng):
    """The total is the sum of the numbers."""
    numbers = [int(n) for n in rng.integers(1, 10**9, size=5)]
    expect.equal(learner.call("target.total", numbers), oracles.total(numbers), mistakes={
        "total-leaves-out-the-last": lambda: sum(numbers[:-1]),
    })


@check(task="1.1", lesson="01_small#numbers", hints=HINTS, seconds=0.05, memory_mb=256)
def test_scale_multiplies_the_array(learner, rng):
    """Each value is multiplied by the factor."""
    values = rng.normal(size=(3, 4))
    expect.close(learner.call("target.scale", values, 3.0), values * 3.0)
'''

CHECKS_OTHER = '''
from roadmap.grading import check, expect

HINTS = ["Read the docstring.", "Multiply by two."]


@check(task="1.2", lesson="01_small#numbers", hints=HINTS, seconds=0.05, memory_mb=256)
def test_double_doubles(learner, rng):
    """The double of a number is twice the number."""
    number = int(rng.integers(1, 10**9))
    expect.equal(learner.call("other.double", number), 2 * number)


@check(task="1.2", lesson="01_small#numbers", hints=HINTS, needs=["test_double_doubles"], seconds=0.05, memory_mb=256)
def test_double_of_zero_is_zero(learner):
    """The double of zero is zero."""
    expect.equal(learner.call("other.double", 0), 0)
'''

ORACLES = """
CANARY = "@ORACLE@"


def total(numbers):
    return sum(numbers)
"""

HIDDEN = '''
from roadmap.grading import check, expect

CANARY = "@HIDDEN@"


@check(task="1.1", lesson="01_small#numbers", hints=["Read the docstring.", "Add them up."], seconds=0.05)
def test_total_of_one_large_number(learner, rng):
    """The total of one number is that number."""
    number = 9_000_000_000 + int(rng.integers(0, 1000))
    expect.equal(learner.call("target.total", [number]), number)
'''

MISTAKES = """
[total-leaves-out-the-last]
task = "1.1"
says = "The last number was left out."
hint = "Look at where your loop ends."
"""

COMMON = 'task="1.1", lesson="01_small#numbers", hints=["Look.", "Look again."], seconds=0.05'
CHECKS_HEAD = """
from roadmap.grading import check, expect

"""

RIGHT_TARGET = """
def total(numbers):
    answer = 0
    for number in numbers:
        answer += number
    return answer


def scale(values, factor):
    return values * factor
"""

RIGHT_OTHER = """
def double(number):
    return number + number
"""


def write_course(root: Path, canaries: dict[str, str] | None = None, *, light: bool = False) -> Path:
    """Write the course below `root`, with its reference in `solutions`.

    `canaries` replaces words in oracles and hidden checks;
    `light` forbids nothing of torch, which is then not imported.
    """
    words = {"@ORACLE@": "oracle", "@HIDDEN@": "hidden", **(canaries or {})}
    files = {
        "stages/course.toml": SYLLABUS.replace(TORCH_FORBIDDEN, "") if light else SYLLABUS,
        "checks/__init__.py": "",
        f"checks/{STAGE}/test_target.py": CHECKS_TARGET,
        f"checks/{STAGE}/test_other.py": CHECKS_OTHER,
        f"checks/{STAGE}/oracles.py": ORACLES,
        f"checks/{STAGE}/mistakes.toml": MISTAKES,
        f"checks/{STAGE}/hidden/test_hidden.py": HIDDEN,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for word, canary in words.items():
            text = text.replace(word, canary)
        path.write_text(text.lstrip("\n"), encoding="utf-8")
    # Limits as on the reference machine: attacks that wait for one wait for the shortest.
    known = {"when": time.time(), "factor": 1.0, "reference": calibration.REFERENCE_SECONDS}
    (root / ".roadmap").mkdir(exist_ok=True)
    (root / ".roadmap" / "calibration.json").write_text(json.dumps(known))
    write_submission(root / "solutions")
    return root


@contextlib.contextmanager
def warm_grader(
    root: Path,
    checks: str = "",
    mode: str = "auto",
    libraries: tuple[str, ...] = ("numpy",),
    judge_libraries: tuple[str, ...] = ("numpy",),
) -> Iterator[Grader]:
    """A grader of the small course without torch, written below `root`; `checks` are further checks of task 1.1.

    In `checks`, `**COMMON` stands for the declaration that they share; the catalogue reads literals only. `libraries`
    are warm beside the submission, `judge_libraries` beside the checks.
    """
    write_course(root, light=True)
    if checks:
        (root / "checks" / STAGE / "test_more.py").write_text(
            CHECKS_HEAD + dedent(checks).replace("**COMMON", COMMON), encoding="utf-8"
        )
    old = os.environ.get("ROADMAP_ISOLATION")
    os.environ["ROADMAP_ISOLATION"] = mode
    try:
        course = Course.load(root)
        stage = dataclasses.replace(course.stage(1), libraries=libraries, judge_libraries=judge_libraries)
        with Grader(course, stage) as grader:
            yield grader
    finally:
        os.environ.pop("ROADMAP_ISOLATION")
        if old is not None:
            os.environ["ROADMAP_ISOLATION"] = old


def states(report: Report) -> dict[str, str]:
    """The states of a report by the name of the check, shortened to what follows `test_`."""
    return {check.id.partition("::test_")[2]: str(check.state) for check in report.checks}


def write_submission(root: Path, target: str = RIGHT_TARGET, files: dict[str, str | bytes] | None = None) -> Path:
    """Write a submission: the given `target.py`, everything else right. `files` are further files of the package."""
    package = root / STAGE
    package.mkdir(parents=True, exist_ok=True)
    texts: dict[str, str | bytes] = {"__init__.py": "", "__main__.py": "", "target.py": target, "other.py": RIGHT_OTHER}
    for name, text in {**texts, **(files or {})}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode("utf-8"))
    return root

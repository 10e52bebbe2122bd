"""Every command in a learner's copy: a course without references, lesson sources and tests, in another folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadmap.course import Course
from roadmap.course.root import LEARNER_MARKER

ROOT = Path(__file__).resolve().parents[2]
STAGE = Course.load(ROOT).stage(1)
SOLVED = "sampling.py"  # task 1.6 is done in this copy, the others are stubs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def copy(fetched: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A learner's copy, somewhere in the middle of stage 1."""
    course = tmp_path_factory.mktemp("home") / "my course"
    for part in ("roadmap", "checks", "stages", "projects"):
        shutil.copytree(ROOT / part, course / part, ignore=shutil.ignore_patterns("__pycache__", "source", ".roadmap"))
    shutil.copytree(ROOT / "projects" / STAGE.name, course / "stages" / STAGE.name / "skeleton")
    (course / LEARNER_MARKER).touch()
    shutil.copy(ROOT / "solutions" / STAGE.name / SOLVED, course / "projects" / STAGE.name / SOLVED)
    return course


def environment(course: Path, **more: str) -> dict[str, str]:
    """The kit of the copy, not of the repository."""
    return {**os.environ, "PYTHONPATH": str(course), "NO_COLOR": "1", "COLUMNS": "120", **more}


def roadmap(course: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one command in the copy."""
    command = [sys.executable, "-m", "roadmap", *words]
    return subprocess.run(
        command, cwd=course, env=environment(course, **more), capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("", 0, "Next: 1.1"),
        ("--help", 0, "Usage: roadmap"),
        ("next", 0, "projects/stage1_foundations/tokens.py"),
        ("hint 1.3", 0, "Hint 1 of"),
        ("check 1.6", 0, "10 of 10"),
        ("check 1.4", 1, "Nothing of this is written yet"),
        ("check 1.6 --from projects --quiet", 0, "10 of 10"),
        ("check 9", 2, "The stages are"),
        ("solution 1.6", 2, "no reference solutions"),
        ("run 1 -- hello", 1, "Not written yet: task 1.10"),
        ("lesson", 0, "L1.06"),
        ("lesson 1.6", 0, ".roadmap/lessons/stage1_foundations/06_tokens.ipynb"),
        ("fetch --list", 0, "smollm2-135m-instruct"),
        ("doctor", 0, "isolation"),
        ("reset 1.3", 0, "scaled_dot_product"),
    ],
)
def test_every_command_works(copy: Path, words: str, code: int, says: str) -> None:
    done = roadmap(copy, *words.split())
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_demo_grades_the_learners_own_stage(copy: Path) -> None:
    done = roadmap(copy, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 100" in done.stdout


@pytest.mark.parametrize(("words", "code", "says"), [("check 1.6", 0, "10 of 10"), ("check 1.4", 1, "0 of 10")])
def test_grading_without_isolation_agrees(copy: Path, words: str, code: int, says: str) -> None:
    done = roadmap(copy, *words.split(), ROADMAP_ISOLATION="spawn")
    assert (done.returncode, says in done.stdout) == (code, True), done.stdout + done.stderr
    assert "isolation none" in done.stdout


@pytest.mark.parametrize("isolation", ["auto", "spawn"])
def test_watch_checks_a_saved_module(copy: Path, isolation: str) -> None:
    """A save of one module gets the verdict on its task; Ctrl-C ends the watch."""
    command = [sys.executable, "-u", "-m", "roadmap", "watch", "1"]
    log = copy / f"watch-{isolation}.log"
    with log.open("w") as output:
        watch = subprocess.Popen(
            command, cwd=copy, env=environment(copy, ROADMAP_ISOLATION=isolation), stdout=output, stderr=output
        )
        try:
            _wait_for(log, "Watching")
            module = copy / "projects" / STAGE.name / SOLVED
            module.write_text(module.read_text() + "\n")
            _wait_for(log, "1.6")
        finally:
            watch.send_signal(signal.SIGINT)
            watch.wait(60)
    assert "Traceback" not in log.read_text()


def _wait_for(log: Path, words: str) -> None:
    deadline = time.monotonic() + 120
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)

# ruff: noqa: E501  code in one line
"""Faults: submissions that are broken, systems that lack something, processes that are killed in the middle."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadmap.course import Course
from roadmap.grading import sandbox, session
from roadmap.grading.session import Grader, GraderError
from roadmap.grading.verdict import Report, State
from tests.attacks import small
from tests.kit.processes import children

SLOW = small.RIGHT_TARGET + "\nimport time\n\n\ndef total(numbers):\n    time.sleep(2)\n    return sum(numbers)\n"


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    """A warm grader whose course lies in a path with spaces and letters of other scripts."""
    with small.warm_grader(tmp_path_factory.mktemp("Kurs ü 課程 'x'")) as grader:
        grader.prepare()
        yield grader


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("def total(numbers:\n    pass\n", "SyntaxError"),
        ("def total(numbers):\nreturn 1\n", "IndentationError"),
        (b"text = '\xff\xfe'\n", "SyntaxError"),
        (b"x = 1\0", "null bytes"),
        ("# coding: klingon\n", "SyntaxError"),
        ("from stage1_small import target\nfrom stage1_small.target import total\n", "ImportError"),
        ("name = input('Your name? ')\n", "EOFError"),
        ("import nothing_of_that_name\n", "No module named 'nothing_of_that_name'"),
        ("raise KeyError('early')\n", "KeyError"),
        ("(" * 2000, "SyntaxError"),
        ("x = 1\n", "has no attribute"),
        ("total = 5\nscale = None\n", "not callable"),
        ("def total(): pass\ndef scale(): pass\n", "argument"),
    ],
)
def test_a_broken_module_is_a_crash_that_says_why(
    grader: Grader, tmp_path: Path, target: str | bytes, says: str
) -> None:
    """The other tasks are graded as ever."""
    source = small.write_submission(tmp_path, files={"target.py": target})
    report = grader.check(source)
    states = small.states(report)
    assert states.pop("double_doubles") == states.pop("double_of_zero_is_zero") == "passed"
    assert set(states.values()) == {"crashed"}
    assert says in report.checks[0].message
    assert "Traceback" not in report.checks[0].message
    assert report.exit_code == 1


def test_a_missing_file_costs_its_task(grader: Grader, tmp_path: Path) -> None:
    """And no other."""
    source = small.write_submission(tmp_path)
    (source / small.STAGE / "target.py").unlink()
    report = grader.check(source)
    assert report.score == 40
    assert "target" in report.checks[0].message


def test_an_untouched_skeleton_scores_nothing(grader: Grader, tmp_path: Path) -> None:
    """Every check is not implemented, or waits for one that is not."""
    stub = "def {0}(*args):\n    raise NotImplementedError('task 1.1: {0}')\n"
    files = {"other.py": stub.format("double"), "target.py": stub.format("total") + stub.format("scale")}
    report = grader.check(small.write_submission(tmp_path, files=dict(files)))
    assert report.score == 0
    assert set(small.states(report).values()) == {"not_implemented", "blocked"}


def test_paths_with_spaces_and_other_letters(grader: Grader, tmp_path: Path) -> None:
    """The course lies in one already; so may the submission."""
    assert grader.check(small.write_submission(tmp_path / "Abgabe von Zoë & 李 (2)")).score == 100


@pytest.mark.parametrize("language", ["C", "POSIX", "de_DE.ISO-8859-1"])
def test_a_locale_that_is_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    """Messages keep their letters."""
    monkeypatch.setenv("LC_ALL", language)
    monkeypatch.setenv("LANG", language)
    with small.warm_grader(tmp_path / "course") as grader:
        report = grader.check(
            small.write_submission(tmp_path / "s", "def total(n):\n    raise ValueError('größer als ½ 中')\n")
        )
    assert "größer als ½ 中" in report.checks[0].message


# --- weaker systems ---------------------------------------------------------------------------------------------------

MIXED = """
def total(numbers):
    return sum(numbers[:-1])


def scale(values, factor):
    raise NotImplementedError
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["landlock", "limits", "spawn"])
def test_weaker_isolation_gives_the_same_verdicts_and_says_so(grader: Grader, tmp_path: Path, mode: str) -> None:
    """No namespaces, no Landlock, no fork: slower or weaker, never different."""
    source = small.write_submission(tmp_path / "s", MIXED)
    strong = grader.check(source, seed=3, hidden=True)
    with small.warm_grader(tmp_path / "course", mode=mode) as weak_grader:
        weak = weak_grader.check(source, seed=3, hidden=True)
    keys = ("id", "state", "points", "earned", "message", "mistake", "hidden")
    assert [[getattr(c, k) for k in keys] for c in weak.checks] == [
        [getattr(c, k) for k in keys] for c in strong.checks
    ]
    expected = sandbox.layers(mode)
    assert weak.isolation == expected.isolation != "full"
    assert weak.missing_layers == expected.missing
    if sandbox.layers().namespaces and sandbox.layers().landlock:
        assert strong.isolation == "full"
        assert strong.missing_layers == []


# --- processes that die -----------------------------------------------------------------------------------------------


def _during(grader: Grader, source: Path, action: object) -> Report | GraderError:
    """Grade, and do something to the grader's processes a second later."""
    timer = threading.Timer(1.0, action)  # type: ignore[arg-type]
    timer.start()
    try:
        return grader.check(source)
    except GraderError as error:
        return error
    finally:
        timer.join()


@pytest.mark.slow
def test_a_killed_judge_is_a_grader_error(grader: Grader, tmp_path: Path) -> None:
    """What it had not decided is nobody's failure; the run ends with its own code, and the next run works."""
    source = small.write_submission(tmp_path, SLOW)

    def kill() -> None:
        assert grader._judge is not None
        for pid in children(grader._judge.child.pid):
            os.kill(pid, signal.SIGKILL)

    outcome = _during(grader, source, kill)
    assert outcome.exit_code == 3
    if isinstance(outcome, Report):
        assert not outcome.passed
        assert any(check.state is State.GRADER_ERROR for check in outcome.checks)
        assert all(check.state is not State.FAILED for check in outcome.checks)
    assert grader.check(source).score == 100


@pytest.mark.slow
@pytest.mark.parametrize("which", ["_candidates", "_judge"])
def test_a_killed_base_is_a_grader_error_and_comes_back(grader: Grader, tmp_path: Path, which: str) -> None:
    """The run says so or ends well, and the next one starts new bases."""
    source = small.write_submission(tmp_path, SLOW)
    outcome = _during(grader, source, lambda: getattr(grader, which).child.kill())
    if isinstance(outcome, Report):
        assert outcome.exit_code in (0, 3)
        assert all(check.state in (State.PASSED, State.GRADER_ERROR, State.BLOCKED) for check in outcome.checks)
    else:
        assert outcome.exit_code == 3
    assert grader.check(source).score == 100


@pytest.mark.slow
def test_two_graders_at_once(tmp_path: Path) -> None:
    """On one course and one submission: neither knows of the other."""
    source = small.write_submission(tmp_path / "s")
    scores: list[float] = []
    with small.warm_grader(tmp_path / "course") as first, Grader(first.course, first.stage) as second:
        threads = [
            threading.Thread(target=lambda g=g: scores.append(g.check(source).score)) for g in (first, second, first)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert scores == [100, 100, 100]


def test_nothing_stays_behind(tmp_path: Path) -> None:
    """No process and no folder of a session outlives it, whatever the submission left running."""
    daemon = "import os, time\ndef total(n):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(60)\n    return sum(n)\n"
    with small.warm_grader(tmp_path / "course") as grader:
        grader.check(small.write_submission(tmp_path / "s", daemon))
        bases = [base.child.pid for base in (grader._judge, grader._candidates) if base is not None]
        home = grader._home
    assert not home.exists()
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in bases) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in bases)


def test_a_killed_session_leaves_nothing_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next session removes the folder of one that was killed, and no folder of one that lives."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(session, "_NEWBORN_SECONDS", -1.0)
    dead = tmp_path / "roadmap-grading-dead"
    (dead / "run-1").mkdir(parents=True)
    (dead / "lock").touch()
    foreign = tmp_path / "another"
    foreign.mkdir()
    with small.warm_grader(tmp_path / "course") as first:
        assert not dead.exists()
        session._sweep()
        assert first._home.exists()
        assert foreign.exists()


def _alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return True
    return False


def test_tasks_are_shared_by_two_judges(tmp_path: Path) -> None:
    """Two lanes give what one gives: the same verdicts in the stage's order, and every event after the collection."""
    events = []
    with small.warm_grader(tmp_path / "course") as grader:
        grader._lanes = lambda tasks: [["1.1"], ["1.2"]]  # type: ignore[method-assign]
        source = small.write_submission(tmp_path / "s", small.RIGHT_TARGET)
        report = grader.check(source, seed=3, on_event=events.append)
        grader._lanes = lambda tasks: [None]  # type: ignore[method-assign]
        whole = grader.check(source, seed=3)
    assert [(check.id, check.state) for check in report.checks] == [(check.id, check.state) for check in whole.checks]
    assert [event.kind for event in events].index("collected") == 0
    assert len(events[0].checks) == len(whole.checks)
    assert sum(event.kind == "finished" for event in events) == len(whole.checks)


def test_lanes_keep_a_files_tasks_together() -> None:
    """Checks of one file may need one another, so their tasks go to one judge; no task is lost or doubled."""
    course = Course.load(Path(__file__).resolve().parents[2])
    stage = course.stage(1)
    with Grader(course, stage) as grader:
        lanes = grader._lanes(None)
        assert grader._lanes(["1.6"]) == [["1.6"]]
    together = [task for lane in lanes for task in (lane or [task.id for task in stage.tasks])]
    assert sorted(together) == sorted(task.id for task in stage.tasks)
    assert any(lane is None or {"1.1", "1.2"} <= set(lane) for lane in lanes)

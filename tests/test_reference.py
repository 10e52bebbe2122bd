"""Every stage's reference scores all its points with any seed; its untouched skeleton scores 0, and reads well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roadmap.course import Course, Stage
from roadmap.grading.session import Grader
from roadmap.grading.verdict import Report, State

ROOT = Path(__file__).resolve().parents[1]
COURSE = Course.load(ROOT)
STAGES = [stage for stage in COURSE.stages if stage.tasks]


def autograde(target: int | str, tmp_path: Path, *words: str, **environment: str) -> tuple[int, dict]:
    """The autograder as a script, the way an instructor runs it, on a stage or a task."""
    report = tmp_path / "report.json"
    command = [sys.executable, "checks/autograde.py", str(target), "--json", str(report), *words]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)
    assert report.exists(), done.stdout + done.stderr
    return done.returncode, json.loads(report.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
@pytest.mark.parametrize("seed", ["1", "2026"])
def test_reference_scores_all_points(stage: Stage, seed: str, tmp_path: Path) -> None:
    code, report = autograde(stage.number, tmp_path, "--from", "solutions", "--seed", seed)
    assert [c for c in report["checks"] if c["state"] != "passed"] == []
    assert (code, report["score"], report["max_score"], report["seed"]) == (0, stage.points, stage.points, int(seed))


# A spawned candidate imports its stage's libraries itself. Those of stage 2 take it seconds, so there it is one task
# that only computes, one that talks to a server of the judge, and the one with the largest library.
FEW = {2: ("2.2", "2.3", "2.9")}
SPAWNED = [(stage, str(target)) for stage in STAGES for target in FEW.get(stage.number, (stage.number,))]


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "target"), SPAWNED)
def test_reference_scores_all_points_with_spawned_candidates(stage: Stage, target: str, tmp_path: Path) -> None:
    code, report = autograde(target, tmp_path, "--from", "solutions", ROADMAP_ISOLATION="spawn")
    assert [c for c in report["checks"] if c["state"] != "passed"] == []
    points = stage.points if target == str(stage.number) else next(t.points for t in stage.tasks if t.id == target)
    assert (code, report["score"], report["isolation"]) == (0, points, "none")


@pytest.fixture(scope="module", params=STAGES, ids=lambda stage: stage.name)
def skeleton(request: pytest.FixtureRequest) -> Report:
    with Grader(COURSE, request.param) as grader:
        return grader.check(ROOT / "projects")


@pytest.mark.slow
def test_skeleton_scores_0(skeleton: Report) -> None:
    assert (skeleton.score, skeleton.exit_code) == (0, 1)
    states = {check.state for check in skeleton.checks}
    assert states <= {State.NOT_IMPLEMENTED, State.BLOCKED}, [c for c in skeleton.checks if c.state not in states]


@pytest.mark.slow
def test_skeleton_tells_a_beginner_what_to_write(skeleton: Report) -> None:
    for check in skeleton.checks:
        if check.state is State.NOT_IMPLEMENTED:
            assert check.message.startswith("Not written yet: task "), check.message
        else:
            assert "builds on an earlier check" in check.message
        assert check.lesson
        assert check.hint
        assert check.mistake is None


@pytest.mark.slow
def test_plain_pytest_grades_too() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "checks/stage1_foundations/test_positions.py",
    ]
    done = subprocess.run([*command, "--from", "solutions"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "not_implemented" in done.stdout

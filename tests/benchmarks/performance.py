"""How fast the grader is, side by side with a plain pytest process over the same checks.

python -m tests.benchmarks.performance            # writes results/performance_stage1.json
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from roadmap.course import Course, Stage
from roadmap.course.catalogue import checks_of
from roadmap.grading.bases import clean_environment
from roadmap.grading.judge.client import Candidate, Launcher
from roadmap.grading.session import Grader
from tests import bank
from tests.benchmarks import record

WATCH_SECONDS = 15.0  # for one task
CHEAP_TASKS = {1: "1.4", 2: "2.2"}  # no model, no server: what a save costs


def timed(action: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    ordered = sorted(seconds)
    return {
        "median": round(statistics.median(ordered), 4),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 4),
        "runs": len(ordered),
    }


def plain_pytest(stage: Stage, tasks: str) -> float:
    """Seconds of one fresh pytest process over the same checks, with the same imports."""
    return timed(lambda: _plain(stage, tasks, ["-m", "pytest"]))


def learner_alone(stage: Stage, tasks: str) -> float:
    """Seconds that the checks of some tasks spend in the learner's code, in one warm process."""
    program = (
        "import sys; from tests.benchmarks.inprocess import seconds_of_the_learner as run; print(run(sys.argv[1:]))"
    )
    return float(_plain(stage, tasks, ["-c", program]).split()[-1])


def _plain(stage: Stage, tasks: str, pytest: list[str]) -> str:
    environment = clean_environment() | {"ROADMAP_BENCHMARK_TASKS": tasks, "PYTHONPATH": str(bank.ROOT)}
    environment["ROADMAP_BENCHMARK_PACKAGE"] = stage.name
    command = [sys.executable, *pytest, "-q", "-p", "tests.benchmarks.inprocess", "-p", "no:cacheprovider"]
    command += ["--noconftest", "--import-mode=importlib", "--rootdir", str(bank.ROOT), "-c", os.devnull]
    command += [str(bank.ROOT / "checks" / stage.name)]
    done = subprocess.run(command, env=environment, cwd=bank.ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"the baseline failed:\n{done.stdout[-2000:]}{done.stderr[-1000:]}")
    return done.stdout


def candidate_starts(course: Course, stage: Stage, runs: int) -> dict[str, Any]:
    """Candidates in the whole sandbox, the same under limits alone, and what the sandbox takes of the first."""
    seconds: dict[str, list[float]] = {"auto": [], "limits": []}
    for _ in range(3):  # side by side, in turn
        for isolation, found in seconds.items():
            asked = mock.patch.dict(os.environ, {"ROADMAP_ISOLATION": isolation})
            with asked, Grader(course, stage) as grader, tempfile.TemporaryDirectory() as folder:
                found.extend(candidates(grader, Path(folder), runs))
    medians = {isolation: statistics.median(found) for isolation, found in seconds.items()}
    return summary(seconds["auto"]) | {
        "without_sandbox": summary(seconds["limits"]),
        "sandbox": round(medians["auto"] - medians["limits"], 4),
    }


def candidates(grader: Grader, here: Path, runs: int) -> list[float]:
    """Seconds from the request to a candidate's first answer, less the same call on a candidate that is there."""
    run, channel = grader.candidates_for(here, bank.ROOT / "solutions")
    launcher = Launcher(channel, None)
    seconds = []
    for _ in range(runs):
        scratch = run.desk.workplace.scratch()
        request = {"op": "run", "source": "def nothing(learner):\n    return 1\n", "name": "nothing", "data": {}}
        started = time.perf_counter()
        candidate = Candidate(launcher, run.desk.submission, scratch, (), 1024)
        candidate.ask(dict(request), [], time.monotonic() + 30, 30)
        first = time.perf_counter()
        candidate.ask(dict(request), [], time.monotonic() + 30, 30)
        seconds.append(2 * first - started - time.perf_counter())
        candidate.retire()
    return seconds


def watch_cycles(grader: Grader, course: Course, task: str, runs: int) -> list[float]:
    """A save to its verdict from warm bases: copy, scan, judge, report; the file watcher's 0.02 s come on top.

    A slow task gets fewer runs: as many as fit into `WATCH_SECONDS`, three at least.
    """
    seconds: list[float] = []
    while len(seconds) < 3 or (len(seconds) < runs and sum(seconds) < WATCH_SECONDS):
        seconds.append(timed(lambda: grader.check(course.solutions, tasks=[task])))
    return seconds


def overhead(course: Course, stage: Stage, runs: int) -> dict[str, Any]:
    """What the grader adds to the learner's own run time: both on the same one core, side by side, in turn.

    The last task is left out, whose checks run programs: those start anew either way.
    """
    tasks = [task.id for task in stage.tasks[:-1]]
    seconds: dict[str, list[float]] = {"warm": [], "learner": []}
    with one_core(), Grader(course, stage) as grader:
        grader.check(course.solutions, tasks=tasks)  # warms what is loaded lazily
        for _ in range(runs):
            seconds["warm"].append(timed(lambda: grader.check(course.solutions, tasks=tasks)))
            seconds["learner"].append(learner_alone(stage, ",".join(tasks)))
    share = statistics.median(seconds["warm"]) / statistics.median(seconds["learner"]) - 1
    return {kind: summary(found) for kind, found in seconds.items()} | {"share": round(share, 2)}


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Hold this process, and those that it starts meanwhile, to one core: a grader then has one lane, too."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(every)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def light_commands(runs: int) -> dict[str, dict[str, float]]:
    """Start-up of the commands that need no model."""
    roadmap = [shutil.which("roadmap", path=str(Path(sys.executable).parent)) or "roadmap"]
    if roadmap == ["roadmap"]:
        roadmap = [sys.executable, "-m", "roadmap"]
    words: dict[str, list[str]] = {"roadmap": [], "--help": ["--help"], "next": ["next"], "hint": ["hint", "1.6"]}

    def run(extra: list[str]) -> float:
        return timed(lambda: subprocess.run([*roadmap, *extra], cwd=bank.ROOT, capture_output=True, check=True))

    return {name: summary([run(extra) for _ in range(runs)]) for name, extra in words.items()}


def main() -> int:
    """Measure everything in one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=3, help="runs of the long rows; the short ones run ten times as many"
    )
    parser.add_argument("--stage", default="1")
    options = parser.parse_args()
    course = Course.load(bank.ROOT)
    stage = course.stage(options.stage)
    cheap = CHEAP_TASKS[stage.number]
    modelless = {t.id for t in stage.tasks} - {c.task for c in checks_of(course, stage) if c.models}
    rows: dict[str, Any] = {
        "light_commands": light_commands(5 * options.runs),
        "candidate": candidate_starts(course, stage, 10 * options.runs),
    }

    cold = []
    for _ in range(options.runs):
        command = [
            sys.executable,
            str(bank.ROOT / "checks" / "autograde.py"),
            options.stage,
            "--from",
            "solutions",
            "--quiet",
        ]
        cold.append(timed(partial(subprocess.run, command, cwd=bank.ROOT, check=True, capture_output=True)))
    rows["check_cold"] = summary(cold)

    stage_runs: dict[str, list[float]] = {"warm": [], "plain": []}
    cheap_runs: dict[str, list[float]] = {"warm": [], "plain": []}
    with Grader(course, stage) as grader:
        grader.prepare()
        grader.check(course.solutions)  # the first run warms what is loaded lazily
        for _ in range(options.runs):  # side by side, in turn
            stage_runs["warm"].append(timed(lambda: grader.check(course.solutions)))
            stage_runs["plain"].append(plain_pytest(stage, ""))
            cheap_runs["warm"].append(timed(lambda: grader.check(course.solutions, tasks=[cheap])))
            cheap_runs["plain"].append(plain_pytest(stage, cheap))
        rows["watch"] = {
            task: summary(watch_cycles(grader, course, task, 10 * options.runs)) for task in sorted(modelless)
        }
    for name, runs in (("stage", stage_runs), (f"task_{cheap}", cheap_runs)):
        ratio = statistics.median(runs["plain"]) / statistics.median(runs["warm"])
        rows[name] = {kind: summary(seconds) for kind, seconds in runs.items()} | {"times_faster": round(ratio, 1)}
    rows["overhead"] = overhead(course, stage, options.runs)
    path = record.write(f"performance_stage{stage.number}", rows)
    print(path.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())

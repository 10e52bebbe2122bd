"""The words that every rendering of a report shares, and the order in which things are told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from roadmap.course.catalogue import Mistake, mistakes_of
from roadmap.course.errors import CourseError, UsageError
from roadmap.course.syllabus import Course, Stage
from roadmap.course.wording import number
from roadmap.grading.verdict import CheckResult, Report, State

# What went wrong in the submission itself; blocked checks and open tasks only follow from something else.
FAILURES = (State.FAILED, State.CRASHED, State.TIMED_OUT, State.OUT_OF_MEMORY)

NAMES = {
    State.PASSED: "passed",
    State.FAILED: "failed",
    State.NOT_IMPLEMENTED: "not written yet",
    State.CRASHED: "crashed",
    State.TIMED_OUT: "timed out",
    State.OUT_OF_MEMORY: "out of memory",
    State.BLOCKED: "waiting",
    State.GRADER_ERROR: "not graded",
}

GRADER_SENTENCE = (
    "The grader failed on some checks, so this score is not yours. Run `roadmap doctor`, then check again; "
    "if it stays, report it."
)


NOTHING_YET = "Nothing of this is written yet. `roadmap next` says where to begin."


@dataclass(frozen=True)
class Background:
    """What a report does not hold itself: the course's words for mistakes and lessons."""

    course: Course | None = None
    mistakes: Mapping[str, Mistake] = field(default_factory=dict)

    @classmethod
    def of(cls, course: Course, stage: Stage) -> Background:
        """The background of a stage. A broken mistakes file costs its sentences, never the report."""
        try:
            return cls(course, mistakes_of(course, stage))
        except CourseError:
            return cls(course)

    def mistake(self, check: CheckResult) -> str:
        """The named mistake with the sentence that explains it; empty without a mistake."""
        if not check.mistake:
            return ""
        says = self._says(check)
        return f"{check.mistake}: {says}" if says else check.mistake

    def details(self, check: CheckResult) -> str:
        """The check's message without the mistake's sentence, which the judge puts before it."""
        message, says = check.message.strip("\n"), self._says(check)
        first, _, rest = message.partition("\n")
        return rest if says and first.strip() == says else message

    def _says(self, check: CheckResult) -> str:
        known = self.mistakes.get(check.mistake or "")
        return known.says if known is not None else ""

    def lesson(self, check: CheckResult) -> str:
        """The section to reread, with its lesson's name where the course knows it."""
        if self.course is None or not check.lesson:
            return check.lesson
        try:
            lesson = self.course.lesson(check.lesson)
        except UsageError:
            return check.lesson
        return f"{check.lesson} ({lesson.id} {lesson.title})"


@dataclass(frozen=True)
class Sorted:
    """A report's checks by what there is to say about them, each group in the report's order."""

    failed: tuple[CheckResult, ...]
    blocked: tuple[CheckResult, ...]
    not_graded: tuple[CheckResult, ...]
    open_tasks: tuple[str, ...]  # tasks of which nothing is written yet
    open_checks: tuple[CheckResult, ...]  # the unwritten parts of tasks that were begun
    nothing_yet: bool  # whether every task is open

    @classmethod
    def of(cls, report: Report) -> Sorted:
        """Sort the checks of a report."""
        idle = (State.NOT_IMPLEMENTED, State.BLOCKED)
        by_task: dict[str, list[CheckResult]] = {}
        for check in report.checks:
            by_task.setdefault(check.task, []).append(check)
        open_tasks = tuple(
            task
            for task, checks in by_task.items()
            if all(check.state in idle for check in checks)
            and any(check.state is State.NOT_IMPLEMENTED for check in checks)
        )
        begun = [check for check in report.checks if check.task not in open_tasks]
        return cls(
            failed=tuple(check for check in begun if check.state in FAILURES),
            blocked=tuple(check for check in begun if check.state is State.BLOCKED),
            not_graded=tuple(check for check in begun if check.state is State.GRADER_ERROR),
            open_tasks=open_tasks,
            open_checks=tuple(check for check in begun if check.state is State.NOT_IMPLEMENTED),
            nothing_yet=bool(open_tasks) and len(open_tasks) == len(report.tasks),
        )


def told_once(checks: Iterable[CheckResult], background: Background) -> list[tuple[CheckResult, list[CheckResult]]]:
    """Each check with those that fail by the very same error of the learner's, such as a file that is not Python."""
    groups: list[tuple[CheckResult, list[CheckResult]]] = []
    first: dict[tuple[str, str], list[CheckResult]] = {}
    for check in checks:
        key = (check.task, background.details(check))
        if check.state is State.CRASHED and key in first:
            first[key].append(check)
            continue
        groups.append((check, []))
        if check.state is State.CRASHED:
            first[key] = groups[-1][1]
    return groups


def verdict_line(report: Report) -> str:
    """The whole report in one sentence, on one line."""
    number_of_stage = re.match(r"stage(\d+)_", report.stage)
    stage = f"Stage {number_of_stage[1]}" if number_of_stage else report.stage
    what = f"Task {report.task}" if report.task else stage
    score = f"{what}: {number(report.score)} of {number(report.max_score)}"
    if report.grader_failed:
        return f"{score}, but the grader failed: this is not a score."
    verdict = "passed" if report.passed else "not passed yet"
    return f"{score}, pass mark {number(report.pass_mark)}: {verdict}."


def isolation_line(report: Report) -> str:
    """How the learner's code was kept apart, with the layers that were missing."""
    if report.isolation == "full" or not report.missing_layers:
        return f"isolation {report.isolation}"
    return f"isolation {report.isolation} (missing: {', '.join(report.missing_layers)})"


def first_failing(report: Report, task: str) -> CheckResult | None:
    """The first visible check of a task that did not pass, unless it only waits for another one."""
    own = [check for check in report.checks if check.task == task and not check.hidden]
    broken = [check for check in own if check.state in (*FAILURES, State.NOT_IMPLEMENTED)]
    return broken[0] if broken else None

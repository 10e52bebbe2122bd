"""Which code is graded, and what is remembered of the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from roadmap.course.errors import UsageError
from roadmap.course.package import digest
from roadmap.course.progress import Progress, Record, now
from roadmap.course.syllabus import Course, Stage

if TYPE_CHECKING:
    from roadmap.grading.verdict import Report


def package_root(course: Course, stage: Stage, given: Path | None) -> Path:
    """The folder that holds the stage's package: `given`, or the course's `projects/`. Raises `UsageError`."""
    root = Path(given).expanduser() if given is not None else course.projects
    try:
        if not root.exists():
            raise UsageError(f"{root} does not exist.", "Give --from a folder that holds stage packages.")
        if not root.is_dir():
            raise UsageError(f"{root} is not a folder.", "Give --from a folder that holds stage packages.")
        if not (root / stage.name).is_dir():
            inside = root.name == stage.name or (root / "__main__.py").is_file()
            advice = (
                f"Give --from the folder above it, {root.parent}." if inside else "Give --from the folder that does."
            )
            raise UsageError(f"{root} holds no folder {stage.name}.", advice)
    except OSError as error:
        raise UsageError(f"{root} cannot be read ({error.strerror}).", "Check its permissions.") from None
    return root.resolve()


def digests(course: Course, stage: Stage, root: Path) -> dict[str, str] | None:
    """What the tasks' files are before a run; None when they are not the learner's own in `projects/`."""
    if root != course.projects.resolve():
        return None
    return {task.id: digest(stage, root / stage.name, task) for task in stage.tasks}


def remember(progress: Progress, stage: Stage, report: Report, before: dict[str, str] | None) -> None:
    """Keep the report's scores for the status board. What the grader could not judge is not kept."""
    from roadmap.grading.report.words import first_failing
    from roadmap.grading.verdict import State

    if before is None:
        return
    unjudged = {check.task for check in report.checks if check.state is State.GRADER_ERROR}
    judged = {check.task for check in report.checks} - unjudged
    results = {}
    for task in report.tasks:
        if task.id not in judged or task.id not in before:
            continue
        failing = first_failing(report, task.id)
        results[task.id] = Record(
            score=task.score,
            max_score=task.max_score,
            files=before[task.id],
            when=now(),
            failing=failing.id if failing else "",
            mistake=(failing.mistake or "") if failing else "",
        )
    if results:
        progress.remember(stage, results)

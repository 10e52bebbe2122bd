"""`roadmap hint TASK`: one more hint each time."""

from __future__ import annotations

from typing import Annotated

import typer

from roadmap.cli.console import load_course
from roadmap.cli.next import lesson_line
from roadmap.course.catalogue import CheckInfo, checks_of, find_check, mistakes_of
from roadmap.course.errors import UsageError
from roadmap.course.progress import Progress, Record
from roadmap.course.syllabus import Course, Stage, Task


def hint(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task, such as 1.6.")],
    reset: Annotated[bool, typer.Option("--reset", help="Start over with the first hint.")] = False,
) -> int:
    """The next hint for a task, from general to specific. What was shown is remembered."""
    course = load_course()
    chosen = course.task(task)
    stage = course.stage(chosen.stage)
    progress = Progress(course.root)
    if reset:
        progress.forget_hints(stage, chosen)
    record = progress.record(stage, chosen)
    if record is not None and record.passed and not progress.changed(course, stage, chosen):
        print(f"{chosen.id} passed when it was last checked. `roadmap solution {chosen.id}` shows the reference.")
        return 0
    info, checked = failing_check(course, stage, chosen, record)
    steps = tiers(course, stage, chosen, info, record)
    name = info.name if info else ""
    shown = progress.hints_shown(stage, chosen, name)
    if info is not None:
        print(f"{chosen.id}  {info.title}" + ("" if checked else "  (not checked yet: the task's first check)"))
    if shown >= len(steps):
        print("These were all the hints:")
        for index, step in enumerate(steps, 1):
            print(f"  {index}. {step}")
        print(
            f"`roadmap check {chosen.id}` shows where your code stands; `roadmap hint {chosen.id} --reset` starts over."
        )
        return 0
    print(f"  Hint {shown + 1} of {len(steps)}: {steps[shown]}")
    progress.show_hints(stage, chosen, name, shown + 1)
    if shown + 1 < len(steps):
        print(f"  One more: roadmap hint {chosen.id}")
    return 0


def failing_check(course: Course, stage: Stage, task: Task, record: Record | None) -> tuple[CheckInfo | None, bool]:
    """The check that failed first when the task was last checked, and True; else its first check, and False."""
    own = checks_of(course, stage, task=task.id)
    found = find_check(own, record.failing) if record is not None and record.failing else None
    if found is not None:
        return found, True
    return (own[0] if own else None), False


def tiers(course: Course, stage: Stage, task: Task, info: CheckInfo | None, record: Record | None) -> list[str]:
    """The hints in the order in which they are given: the check's own, the lesson section, the mistake's."""
    anchors = [info.lesson] if info is not None and info.lesson else list(task.lessons)
    steps = list(info.hints) if info is not None else []
    steps += [f"Reread {_lesson(course, anchor)}." for anchor in anchors]
    if record is not None and record.mistake:
        mistake = mistakes_of(course, stage).get(record.mistake)
        if mistake is not None:
            steps += [" ".join(part for part in (mistake.says, mistake.hint) if part)]
    return steps


def _lesson(course: Course, anchor: str) -> str:
    try:
        return lesson_line(course, anchor)
    except UsageError:  # a check may point at a section that is still to be planned
        return anchor

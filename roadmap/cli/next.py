"""`roadmap next`: the first task that does not pass yet, and how to go about it."""

from __future__ import annotations

from collections.abc import Sequence

from roadmap.cli.console import console, load_course
from roadmap.course.progress import Progress
from roadmap.course.syllabus import Course, Stage, Task
from roadmap.course.wording import clock


def next() -> int:
    """The next task: what it is, how long it takes, what to read, what to write, how to check it."""
    course = load_course()
    found = next_task(course, Progress(course.root))
    if found is None:
        print("Every task passed when it was last checked. `roadmap check STAGE` checks a stage again.")
        return 0
    stage, task = found
    folder = f"projects/{stage.name}"
    rows = [
        ("time", f"about {clock(task.minutes)}, difficulty {task.difficulty} of 5, {task.points:g} points"),
        ("write", f"{folder}/{task.file}"),
        *_listed("functions", task.functions),
        *_listed("refused", task.forbid),
        *_listed("read", [lesson_line(course, anchor) for anchor in task.lessons]),
        ("check", f"roadmap check {task.id}"),
        ("stuck", f"roadmap hint {task.id}"),
    ]
    if (course.root / folder / "README.md").is_file():
        rows.insert(1, ("brief", f"{folder}/README.md"))
    _show(f"{task.id}  {task.title}", rows)
    return 0


def next_task(course: Course, progress: Progress) -> tuple[Stage, Task] | None:
    """The first task, in order, that is not known to pass with the files as they are; None when all do."""
    for stage in course.stages:
        for task in stage.tasks:
            record = progress.record(stage, task)
            if record is None or not record.passed or progress.changed(course, stage, task):
                return stage, task
    return None


def lesson_line(course: Course, anchor: str) -> str:
    """A lesson section with the lesson's name: `10_decoding#top-p (L1.10 The decoding loop)`."""
    lesson = course.lesson(anchor)
    return f"{anchor} ({lesson.id} {lesson.title})"


def _listed(name: str, values: Sequence[str]) -> list[tuple[str, str]]:
    """A row for each value; the first has the name."""
    return [("" if index else name, value) for index, value in enumerate(values)]


def _show(title: str, rows: list[tuple[str, str]]) -> None:
    from rich.text import Text

    out = console()
    out.print(Text(title, style="bold"), soft_wrap=True)
    for name, value in rows:
        out.print(Text.assemble((f"  {name:<11}", "dim"), value), soft_wrap=True)

"""`roadmap` alone: the status board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadmap.cli.console import console, is_terminal, load_course
from roadmap.cli.next import next_task
from roadmap.course.progress import Progress
from roadmap.course.syllabus import Course, Stage, Task
from roadmap.course.wording import clock, number

if TYPE_CHECKING:
    from rich.text import Text

PASSED, CHANGED, STARTED, OPEN = "passed", "changed since", "started", "open"


def status() -> int:
    """The status board: stages, last known scores, and the next thing to do."""
    course = load_course()
    progress = Progress(course.root)
    (_draw if is_terminal() else _write)(course, progress)
    return 0


def state_of(course: Course, progress: Progress, stage: Stage, task: Task) -> str:
    """What is known of a task: passed, changed since it was checked, started (some points), or open."""
    record = progress.record(stage, task)
    if record is None:
        return OPEN
    if progress.changed(course, stage, task):
        return CHANGED
    if record.passed:
        return PASSED
    return STARTED if record.score > 0 else OPEN


def score_of(progress: Progress, stage: Stage) -> float | None:
    """The stage's points as last checked, None when nothing of it was."""
    records = [record for task in stage.tasks if (record := progress.record(stage, task)) is not None]
    return sum(record.score for record in records) if records else None


def _summary(progress: Progress, stage: Stage) -> str:
    if not stage.tasks:
        return "not written yet"
    score = score_of(progress, stage)
    if score is None:
        return f"not checked, {clock(stage.minutes)}"
    return f"{number(score)} of {number(stage.points)}" + (", passed" if score >= stage.pass_mark else "")


def _advice(course: Course, progress: Progress) -> str:
    found = next_task(course, progress)
    if found is None:
        return "Every task passed when it was last checked. `roadmap check STAGE` checks again."
    _, task = found
    return f"Next: {task.id} {task.title} ({clock(task.minutes)}). `roadmap next` says how."


def _shown(course: Course, progress: Progress) -> Stage | None:
    found = next_task(course, progress)
    return found[0] if found else None


def _write(course: Course, progress: Progress) -> None:
    print(course.title)
    open_stage = _shown(course, progress)
    for stage in course.stages:
        print(f"  {stage.number}  {stage.title:<26} {_summary(progress, stage)}")
        if stage is not open_stage:
            continue
        for task in stage.tasks:
            record = progress.record(stage, task)
            points = f"{number(record.score) if record else '-'} / {number(task.points)}"
            print(f"     {task.id:<5} {task.title:<56} {points:>9}  {state_of(course, progress, stage, task)}")
    print("Scores are those of the last check on this machine; `roadmap check` decides.")
    print(_advice(course, progress))


def _draw(course: Course, progress: Progress) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    out.print(Text(course.title, style="bold"))
    out.print()
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    open_stage = _shown(course, progress)
    colours = {PASSED: "green", CHANGED: "yellow", STARTED: "cyan", OPEN: "dim"}
    for stage in course.stages:
        style = "bold" if stage is open_stage else ("" if stage.tasks else "dim")
        score = score_of(progress, stage) or 0.0
        table.add_row(
            str(stage.number),
            Text(stage.title, style=style),
            bar(score, stage.points) if stage.tasks else Text(""),
            Text(_summary(progress, stage), style=style),
        )
        if stage is not open_stage:
            continue
        for task in stage.tasks:
            record = progress.record(stage, task)
            state = state_of(course, progress, stage, task)
            table.add_row(
                "",
                Text(f"{task.id:<5} {task.title}"),
                bar(record.score if record else 0.0, task.points),
                Text(f"{number(record.score) if record else '-':>5} / {number(task.points)}  {state}", colours[state]),
            )
    out.print(table)
    out.print()
    out.print(Text("Scores are those of the last check on this machine; `roadmap check` decides.", style="dim"))
    out.print(Text(_advice(course, progress)))


def bar(score: float, points: float, width: int = 12) -> Text:
    """A bar of `width` cells, filled in proportion."""
    from rich.text import Text

    share = min(max(score / points, 0.0), 1.0) if points else 0.0
    full = int(share * width + 1e-9)
    colour = "green" if share >= 1 else "cyan"
    return Text.assemble(("\u2501" * full, colour), ("\u2501" * (width - full), "bright_black"))

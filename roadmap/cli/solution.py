"""`roadmap solution TASK`: the reference, once the learner's own code passes."""

from __future__ import annotations

from typing import Annotated

import typer

from roadmap.cli.console import console, is_terminal, load_course
from roadmap.cli.submission import digests, package_root, remember
from roadmap.course.progress import Progress
from roadmap.course.stubs import reference_of
from roadmap.course.wording import number


def solution(task: Annotated[str, typer.Argument(metavar="TASK", help="The task, such as 1.6.")]) -> int:
    """Show the reference for a task. Your own code is graded first, and has to pass every check."""
    course = load_course()
    chosen = course.task(task)
    stage = course.stage(chosen.stage)
    source = reference_of(course, stage, chosen)
    root = package_root(course, stage, None)

    from roadmap.grading.report import terminal
    from roadmap.grading.session import Grader

    before = digests(course, stage, root)
    live = terminal.LiveProgress(console(stderr=True))
    with live, Grader(course, stage) as grader:
        report = grader.check(root, tasks=[chosen.id], on_event=live)
    remember(Progress(course.root), stage, report, before)
    if report.grader_failed:
        terminal.show(report, console())
        return 3
    if report.score < report.max_score - 1e-6:
        points = f"{number(report.score)} of {number(report.max_score)} points"
        print(f"Your {chosen.id} has {points}; the reference is shown once every check passes.")
        print(f"`roadmap check {chosen.id}` says what is missing, `roadmap hint {chosen.id}` helps.")
        return 1
    heading = f"{chosen.id}  {chosen.title}: one way among others (solutions/{stage.name}/{chosen.file})"
    if is_terminal():
        from rich.syntax import Syntax
        from rich.text import Text

        out = console()
        out.print(Text(heading, style="bold"))
        out.print(Syntax(source, "python", background_color="default", word_wrap=True))
    else:
        print(heading)
        print(source, end="")
    return 0

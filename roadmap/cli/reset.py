"""`roadmap reset TASK`: a task's stubs back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from roadmap.cli.console import load_course
from roadmap.course.progress import Progress
from roadmap.course.stubs import reset_task


def reset(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task, such as 1.6.")],
    whole_file: Annotated[
        bool, typer.Option("--whole-file", help="Restore the whole module, the other tasks in it included.")
    ] = False,
) -> int:
    """Give the stubs of a task's functions back. Your file is saved first; other tasks' code stays."""
    course = load_course()
    chosen = course.task(task)
    stage = course.stage(chosen.stage)
    done = reset_task(course, stage, chosen, whole_file=whole_file)
    progress = Progress(course.root)
    progress.forget(stage, chosen)
    what = "The whole module is a stub again" if whole_file else f"{', '.join(done.functions)}: stubs again"
    print(f"{what}, in {_short(done.file, course.root)}.")
    if done.backup is not None:
        print(f"Your version is saved in {_short(done.backup, course.root)}.")
    return 0


def _short(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

"""What every verb needs: the course at hand, and a console that is plain when nobody looks at it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from roadmap.course.errors import UsageError
from roadmap.course.root import find_root
from roadmap.course.syllabus import Course, Stage, Task

if TYPE_CHECKING:
    from rich.console import Console


def load_course() -> Course:
    """The course around the working directory. Raises `UsageError`."""
    return Course.load(find_root())


def select(course: Course, key: str) -> tuple[Stage, Task | None]:
    """The stage, or the task and its stage, that STAGE|TASK names. Raises `UsageError` when it has nothing to do."""
    stage, task = course.select(key)
    if not stage.tasks:
        ready = [str(other.number) for other in course.stages if other.tasks]
        raise UsageError(
            f"Stage {stage.number} has no tasks yet.",
            f"Work on stage {ready[0]} meanwhile." if ready else "Update the course.",
        )
    return stage, task


def console(*, stderr: bool = False) -> Console:
    """A rich console on stdout or stderr; colours and boxes only on a terminal, and NO_COLOR is honoured."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


def is_terminal() -> bool:
    """Whether somebody looks at stdout."""
    return sys.stdout.isatty()

"""`roadmap lesson [ID]`: what there is to read, and a private copy of a lesson to run and change."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from roadmap.cli.console import is_terminal, load_course
from roadmap.course.errors import UsageError
from roadmap.course.syllabus import Course, Lesson
from roadmap.course.wording import clock
from roadmap.lessons import copies
from roadmap.lessons.source import find


def lesson(
    id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A lesson (L1.06, 1.6 or 06_tokens), a section, or a stage.")
    ] = None,
    done: Annotated[
        bool | None, typer.Option("--done/--not-done", help="Mark the lesson, or take the mark off.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin again; your copy is saved first.")] = False,
    opens: Annotated[bool, typer.Option("--open/--no-open", help="Open it in JupyterLab.")] = True,
) -> int:
    """The lessons with their times; with a lesson's id, your own copy of it, opened in JupyterLab."""
    course = load_course()
    if id is None:
        if done is not None or fresh:
            raise UsageError("No lesson was named.", "Name one, as in `roadmap lesson L1.06 --done`.")
        return _list(course, [stage.name for stage in course.stages if stage.lessons])
    try:
        chosen = find(course, id)
    except UsageError as unknown:
        try:
            return _list(course, [course.stage(id).name])
        except UsageError:
            raise unknown from None
    if done is not None:
        copies.mark(course, chosen, done)
        print(f"{chosen.id} {chosen.title}: {'done' if done else 'not done'}.")
        return 0
    return _one(course, chosen, fresh=fresh, opens=opens)


def _list(course: Course, names: list[str]) -> int:
    finished = copies.done(course)
    for stage in (course.stage(name) for name in names):
        total = sum(lesson.minutes for lesson in stage.lessons)
        print(f"Stage {stage.number}, {stage.title}: {len(stage.lessons)} lessons, {clock(total)}")
        for lesson in stage.lessons:
            state = "" if copies.notebook(course, lesson) else "  (not written yet)"
            state = "  done" if lesson.id in finished else state
            print(f"  {lesson.id}  {lesson.slug:<22} {clock(lesson.minutes):>11}  {lesson.title}{state}")
    return 0


def _one(course: Course, chosen: Lesson, *, fresh: bool, opens: bool) -> int:
    print(f"{chosen.id}  {chosen.title} ({clock(chosen.minutes)})")
    for anchor in chosen.anchors:
        tasks = [task.id for task in course.tasks if anchor in task.lessons]
        print(f"  {anchor}" + (f"  (task {', '.join(tasks)})" if tasks else ""))
    original = copies.notebook(course, chosen)
    if original is None:
        print("  The notebook is not written yet.")
        return 0
    print(f"  with its outputs, to read: {_short(original, course.root)}")
    copy = copies.private_copy(course, chosen, fresh=fresh)
    if copy.backup is not None:
        print(f"  your earlier copy, saved: {_short(copy.backup, course.root)}")
    kept = "" if copy.made else " (as you left it; --fresh begins again)"
    print(f"  your copy, to run: {_short(copy.path, course.root)}{kept}")
    print(f"When you have finished it: roadmap lesson {chosen.id} --done")
    if not opens or not is_terminal():
        return 0
    reason = _why_not_open()
    if reason:
        print(reason)
        return 0
    return _open(course.root, copy.path)


def _why_not_open() -> str:
    """Why JupyterLab cannot be opened here, with what to do instead; empty when it can."""
    if importlib.util.find_spec("jupyterlab") is None:
        return "JupyterLab is not installed. Install the course with its extra `lessons`, or open your copy elsewhere."
    graphical = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not graphical:
        return "There is no display here. Open your copy in an editor, or run: jupyter lab --no-browser"
    return ""


def _open(root: Path, path: Path) -> int:
    """Run JupyterLab on the copy until the learner ends it; returns its exit code."""
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}"]
    command += ["--ContentsManager.allow_hidden=True", str(path)]  # copies lie in a folder whose name begins with a dot
    from roadmap.lessons.execute import quiet

    environment = {
        **os.environ,
        "ROADMAP_COURSE": str(root),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive"),
        "PYTHONWARNINGS": quiet(os.environ.get("PYTHONWARNINGS")),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")])),
    }
    return subprocess.run(command, env=environment, check=False).returncode


def _short(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

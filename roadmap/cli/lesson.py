"""`roadmap lesson [ID]`: what there is to read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from roadmap.cli.console import clock, load_course
from roadmap.course.errors import UsageError
from roadmap.course.syllabus import Course, Lesson


def lesson(
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="A lesson (L1.06), a section, or a stage.")] = None,
) -> int:
    """The lessons with their times; with a lesson's id or slug, its sections and its notebook."""
    course = load_course()
    if id is None:
        stages = [stage for stage in course.stages if stage.lessons]
    else:
        try:
            return _one(course, course.lesson(id))
        except UsageError as unknown:
            try:
                stages = [course.stage(id)]
            except UsageError:
                raise unknown from None
    for stage in stages:
        total = sum(lesson.minutes for lesson in stage.lessons)
        print(f"Stage {stage.number}, {stage.title}: {len(stage.lessons)} lessons, {clock(total)}")
        for lesson in stage.lessons:
            state = "" if notebook(course, lesson) else "  (not written yet)"
            print(f"  {lesson.id}  {lesson.slug:<22} {clock(lesson.minutes):>11}  {lesson.title}{state}")
    return 0


def notebook(course: Course, lesson: Lesson) -> Path | None:
    """The lesson's notebook, None while it is not written."""
    folder = course.root / "stages" / lesson.stage
    places = (folder / f"{lesson.slug}.ipynb", folder / "lessons" / f"{lesson.slug}.ipynb")
    return next((place for place in places if place.is_file()), None)


def _one(course: Course, lesson: Lesson) -> int:
    print(f"{lesson.id}  {lesson.title} ({clock(lesson.minutes)})")
    for anchor in lesson.anchors:
        tasks = [task.id for task in course.tasks if anchor in task.lessons]
        print(f"  {anchor}" + (f"  (task {', '.join(tasks)})" if tasks else ""))
    path = notebook(course, lesson)
    print(f"  notebook: {path.relative_to(course.root).as_posix()}" if path else "  The notebook is not written yet.")
    return 0

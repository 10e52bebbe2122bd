"""A learner's private copies of the lessons, under `.roadmap/lessons/`, and which lessons are done.

Learners run and change their copies; the notebooks in the checkout stay as they are. A copy has no outputs: a
prediction is worth something only while the answer is not on the page. The outputs can be read in the checkout.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadmap.course.errors import UsageError
from roadmap.course.files import write_atomic
from roadmap.course.progress import STATE
from roadmap.course.syllabus import Course, Lesson

_LINK = re.compile(r"(?<=\]\()([^)\s#]+)")


@dataclass(frozen=True)
class Copy:
    """A private copy: where it is, whether it was made just now, and where an earlier one was saved."""

    path: Path
    made: bool
    backup: Path | None = None


def notebook(course: Course, lesson: Lesson) -> Path | None:
    """The lesson's notebook, None while it is not written."""
    path = course.root / "stages" / lesson.stage / f"{lesson.slug}.ipynb"
    return path if path.is_file() else None


def copy_path(course: Course, lesson: Lesson) -> Path:
    """Where the learner's copy of a lesson is or will be."""
    return course.root / STATE / "lessons" / lesson.stage / f"{lesson.slug}.ipynb"


def private_copy(course: Course, lesson: Lesson, *, fresh: bool = False) -> Copy:
    """The learner's copy of a lesson, made where there is none; lessons that it links to are copied with it.

    `fresh` replaces an existing copy, which is saved first. Raises `UsageError`.
    """
    if notebook(course, lesson) is None:
        raise UsageError(f"{lesson.id} is not written yet.", "`roadmap lesson` lists those that are.")
    path = copy_path(course, lesson)
    existed = path.is_file()
    backup = _save(path) if fresh and existed else None
    if fresh or not existed:
        _copy(course, lesson)
    return Copy(path, fresh or not existed, backup)


def done(course: Course) -> set[str]:
    """The ids of the lessons that the learner has marked as done."""
    try:
        data = json.loads(_marks(course).read_text(encoding="utf-8"))
        return {str(id) for id in data["done"]}
    except (OSError, ValueError, TypeError, KeyError):
        return set()  # a damaged or missing file costs the marks, nothing else


def mark(course: Course, lesson: Lesson, is_done: bool) -> None:
    """Mark a lesson as done, or as not done. Raises `UsageError` when that cannot be saved."""
    marked = done(course) | {lesson.id} if is_done else done(course) - {lesson.id}
    path = _marks(course)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({"schema": "roadmap.lessons/1", "done": sorted(marked)}, indent=1) + "\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be written ({reason}).", "Check the folder's permissions.") from None


def _marks(course: Course) -> Path:
    return course.root / STATE / "lessons.json"


def _copy(course: Course, lesson: Lesson) -> None:
    """Copy the lesson, then what it links to, until every link leads to a copy."""
    waiting, seen = [lesson], {lesson.id}
    while waiting:
        current = waiting.pop()
        original, target = notebook(course, current), copy_path(course, current)
        if original is None or (current is not lesson and target.is_file()):
            continue
        data = _load(original)
        linked: list[Lesson] = []
        for cell in data["cells"]:
            if cell.get("cell_type") == "code":
                cell["outputs"], cell["execution_count"] = [], None
            else:
                cell["source"] = _relinked(course, original, target, cell["source"], linked)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        waiting += [other for other in linked if other.id not in seen]
        seen |= {other.id for other in linked}


def _relinked(course: Course, original: Path, target: Path, source: Any, linked: list[Lesson]) -> str:
    """Markdown whose links to files lead to the same files from the copy's folder, and to copies of other lessons."""
    lessons = {
        (course.root / "stages" / lesson.stage / f"{lesson.slug}.ipynb").resolve(): lesson
        for stage in course.stages
        for lesson in stage.lessons
    }

    def replace(match: re.Match[str]) -> str:
        if ":" in match[1]:
            return match[1]
        place = (original.parent / match[1]).resolve()
        other = lessons.get(place)
        if other is not None:
            linked.append(other)
            place = copy_path(course, other).resolve()
        elif not place.exists():
            return match[1]
        return Path(os.path.relpath(place, target.parent.resolve())).as_posix()

    return _LINK.sub(replace, "".join(source))


def _load(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data["cells"], list):
            raise TypeError("cells")
    except (OSError, ValueError, TypeError, KeyError):
        raise UsageError(f"{path} is no notebook.", "Get the file again from the course's repository.") from None
    return data


def _save(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    backup, number = path.with_name(f"{path.stem}-{stamp}.ipynb"), 1
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.stem}-{stamp}-{number}.ipynb")
    os.replace(path, backup)
    return backup

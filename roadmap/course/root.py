"""Where the course lies on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from roadmap.course.errors import UsageError

SYLLABUS = Path("stages", "course.toml")
LEARNER_MARKER = ".roadmap-learner"


def find_root(start: Path | str | None = None) -> Path:
    """The folder that holds `stages/course.toml`.

    Looked for in this order: the folder that ROADMAP_COURSE names; `start` (default: the working directory) and the
    folders above it; the checkout that this package lies in. Raises `UsageError` when there is none, and when
    ROADMAP_COURSE names a folder that is no course.
    """
    named = os.environ.get("ROADMAP_COURSE")
    if named:
        root = Path(named).expanduser().resolve()
        if _is_file(root / SYLLABUS):
            return root
        raise UsageError(
            f"ROADMAP_COURSE names {root}, which holds no {SYLLABUS.as_posix()}.",
            "Point it at the folder of the course, or unset it.",
        )
    begin = Path(start).resolve() if start is not None else _working_directory()
    candidates = [begin, *begin.parents] if begin is not None else []
    candidates.append(Path(__file__).resolve().parents[2])
    for folder in candidates:
        if _is_file(folder / SYLLABUS):
            return folder
    raise UsageError(
        f"No course was found in {begin} or above it.",
        "Change to the folder of the course, or set ROADMAP_COURSE to it.",
    )


def is_learner_copy(root: Path) -> bool:
    """Whether `root` is a learner's copy of the course, made without the authors' parts."""
    return (root / LEARNER_MARKER).exists()


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # the working directory was removed
        return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder on the way up that may not be read
        return False

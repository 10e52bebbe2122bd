"""Where a lesson finds the files that stand beside it in the course."""

from __future__ import annotations

from pathlib import Path

from roadmap.course.root import find_root


def path(stage: str, name: str) -> Path:
    """The file `stages/<stage>/data/<name>`. Raises FileNotFoundError when the course has no such file."""
    file = find_root() / "stages" / stage / "data" / name
    if not file.is_file():
        raise FileNotFoundError(f"stages/{stage}/data/{name} does not exist. Update the course, or correct the name.")
    return file

"""Report files: refused before grading when they cannot be written, and never left half written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from roadmap.course.errors import UsageError
from roadmap.course.files import write_atomic


def ensure_writable(path: Path) -> None:
    """Raise `UsageError` when a report cannot be written to `path`. An existing file is left as it is."""
    try:
        if path.is_dir():
            raise UsageError(f"The report {path} is a folder.", "Name a file.")
        if _special(path):
            return
        if not path.parent.is_dir():
            raise UsageError(f"The report's folder {path.parent} does not exist.", "Create it, or name another.")
        # Asking beats looking: permissions, read-only disks and quotas all show when something is really created.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".tmp")
        os.close(descriptor)
        os.unlink(name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"The report {path} cannot be written ({reason.lower()}).", "Name another file.") from None


def write_report(path: Path, text: str) -> None:
    """Write a report in one step; devices and pipes are written to directly. Raises `OSError`."""
    if _special(path):
        with contextlib.closing(path.open("w", encoding="utf-8")) as file:
            file.write(text)
        return
    write_atomic(path, text)


def _special(path: Path) -> bool:
    return path.exists() and not path.is_file()

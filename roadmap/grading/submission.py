"""A submission: the few files that are read from it, and what they must not use.

Nothing else of a stranger's folder travels: no conftest.py, no sitecustomize.py, no test of their own.
"""

from __future__ import annotations

import ast
import functools
import os
import stat
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..course import Stage, UsageError
from ..course.package import imports_of, rests_on
from ..course.parsing import parse

FILE_LIMIT = 1024 * 1024


class SubmissionError(UsageError):
    """The submission cannot be graded as it is."""


def copy(stage: Stage, source: Path, target: Path) -> list[str]:
    """Copy the stage's package from `source` (a folder that holds stage packages) into `target`.

    Only regular files that the stage names are copied. A missing one is left out and named in the result, so that its
    tasks fail with a message instead of the whole run. Raises SubmissionError for a folder that holds no package, and
    for links, devices, and files over 1 MB.
    """
    package = source / stage.name
    if not source.is_dir():
        raise SubmissionError(f"{source} is not a folder.", "Give --from a folder that holds stage packages.")
    if package.is_symlink() or not package.is_dir():
        raise SubmissionError(
            f"{source} holds no folder {stage.name}.", "Give --from the folder above it, `projects` for your own work."
        )
    folder = os.open(package, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    missing = []
    (target / stage.name).mkdir(parents=True)
    try:
        for name in stage.package_files:
            data = _read(folder, name, package)
            if data is None:
                missing.append(name)
            else:
                (target / stage.name / name).write_bytes(data)
    finally:
        os.close(folder)
    if len(missing) == len(stage.package_files):
        raise SubmissionError(
            f"{package} has none of the stage's files.",
            f"It should hold {', '.join(stage.package_files[:3])} and others.",
        )
    if "__init__.py" in missing:
        (target / stage.name / "__init__.py").write_text("")
    return missing


def _read(folder: int, name: str, package: Path) -> bytes | None:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SubmissionError(f"{package / name} cannot be read: {error.strerror}.", "Check the file.") from None
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise SubmissionError(
            f"{package / name} is a link or not a regular file.", "Put a plain file with your code in its place."
        )
    if status.st_size > FILE_LIMIT:
        raise SubmissionError(
            f"{package / name} has {status.st_size // 1024} kB; at most {FILE_LIMIT // 1024} kB are read.",
            "Keep code in it and data out of it.",
        )
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):  # replaced since it was looked at
                raise OSError(0, "it is no longer a regular file")
            return file.read(FILE_LIMIT)
    except OSError as error:
        raise SubmissionError(
            f"{package / name} cannot be read: {error.strerror}.", "Check the file's permissions."
        ) from None


def shortcuts(stage: Stage, root: Path) -> dict[str, str]:
    """For each task that rests on a forbidden name or a blocked package, a sentence that says where.

    `root` holds the copied package. The scan follows the task's module and what it imports of the package.
    """
    package = root / stage.name
    imports = imports_of(package, stage.package_files)
    uses = {module: _uses(package / f"{module}.py") for module in {Path(name).stem for name in stage.package_files}}
    found: dict[str, str] = {}
    for task in stage.tasks:
        off_limits = (*task.forbid, *stage.blocked)
        for module in sorted(rests_on(task.module, imports), key=lambda name: name != task.module):
            hit = _first_hit(uses.get(module, {}), off_limits)
            if hit is not None:
                name, line = hit
                found[task.id] = (
                    f"{module}.py, line {line}, uses {name}; task {task.id} asks you to write that yourself."
                )
                break
    return found


def _first_hit(uses: Mapping[str, int], off_limits: Iterable[str]) -> tuple[str, int] | None:
    hits = [
        (line, name)
        for name, line in uses.items()
        for forbidden in off_limits
        if name == forbidden or name.startswith(f"{forbidden}.")
    ]
    return (min(hits)[1], min(hits)[0]) if hits else None


def _uses(path: Path) -> Mapping[str, int]:
    """Dotted names that a module uses, resolved through its imports, with the line of the first use."""
    try:
        return _names_in(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}


@functools.lru_cache(maxsize=256)  # from one grading to the next, most files stay as they were
def _names_in(source: bytes) -> Mapping[str, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = parse(source)
    names: dict[str, str] = {}
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.setdefault(alias.name, node.lineno)
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                found.setdefault(dotted, node.lineno)
                names[alias.asname or alias.name] = dotted
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            used = _dotted(node, names)
            if used:
                found.setdefault(used, node.lineno)
    return found


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return None
    return ".".join([names[node.id], *reversed(parts)])

"""A learner's package, looked at from outside: which module imports which, and a digest of what a task rests on."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from roadmap.course.parsing import parse
from roadmap.course.syllabus import Stage, Task

Node = TypeVar("Node", bound=Hashable)

SIZE_LIMIT = 4 * 1024 * 1024  # larger files are no source that anybody wrote


def imports_of(package: Path, files: Iterable[str]) -> dict[str, frozenset[str]]:
    """For each module of the package, the modules of the same package that it imports, at any depth of its code.

    A file that is missing or is not Python imports nothing: a scan must survive what is being typed.
    """
    modules = {Path(file).stem for file in files if file.endswith(".py")}
    return {module: _imported(package, module) & modules for module in modules}


def rests_on(module: Node, imports: Mapping[Node, Iterable[Node]]) -> set[Node]:
    """`module` and all that it imports, directly or not; the same for whatever else builds on one another."""
    found: set[Node] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += imports.get(current, ())
    return found


def tasks_touched(stage: Stage, package: Path, changed: Iterable[str]) -> list[Task]:
    """The tasks that a change to the files `changed` (names within the package) can affect, in order.

    A package's `__init__.py` runs before any module, so it touches every task.
    """
    names = {Path(file).stem for file in changed if file in stage.package_files}
    if not names:
        return []
    if "__init__" in names:
        return list(stage.tasks)
    imports = imports_of(package, stage.package_files)
    return [task for task in stage.tasks if rests_on(task.module, imports) & names]


def digest(stage: Stage, package: Path, task: Task) -> str:
    """A digest of the files that the task rests on: its module, what that imports, and `__init__.py`."""
    imports = imports_of(package, stage.package_files)
    total = hashlib.sha256()
    for module in sorted(rests_on(task.module, imports) | {"__init__"}):
        total.update(module.encode() + b"\0")
        try:
            path = package / f"{module}.py"
            content = path.read_bytes() if path.stat().st_size <= SIZE_LIMIT else b""
        except OSError:
            content = b"missing"
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()[:16]


def _imported(package: Path, module: str) -> frozenset[str]:
    path = package / f"{module}.py"
    try:
        if path.stat().st_size > SIZE_LIMIT:
            return frozenset()
        return _imports_in(path.read_bytes(), package.name)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()


@functools.lru_cache(maxsize=256)  # from one grading to the next, most files stay as they were
def _imports_in(source: bytes, package: str) -> frozenset[str]:
    tree = parse(source)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".")
            if node.level == 0:
                if parts[0] != package:
                    continue
                parts = parts[1:]
            if parts and parts[0]:
                found.add(parts[0])
            else:
                found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == package and len(parts) > 1:
                    found.add(parts[1])
    return frozenset(found)

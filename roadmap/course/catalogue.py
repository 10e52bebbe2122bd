"""What the checks say about themselves, read from their source without running or importing anything."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadmap.course.errors import CourseError
from roadmap.course.parsing import parse
from roadmap.course.syllabus import Course, Stage

MISTAKES = "mistakes*.toml"
_READ_HERE = ("task", "weight", "lesson", "hints", "needs", "models")


@dataclass(frozen=True)
class CheckInfo:
    """One check as declared: `name` is the test function's, `file` the path from the course root."""

    name: str
    file: str
    line: int
    task: str
    title: str
    weight: float = 1
    seconds: float = 0.5  # what the reference takes
    lesson: str = ""
    hints: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    hidden: bool = False
    calls: tuple[str, ...] = ()  # the learner's functions that it calls by name, such as `sampling.draw`


@dataclass(frozen=True)
class Mistake:
    """A named misconception: what it is, in one sentence, and a hint."""

    slug: str
    task: str
    says: str
    hint: str = ""


def checks_of(course: Course, stage: Stage, *, hidden: bool = False, task: str | None = None) -> tuple[CheckInfo, ...]:
    """The stage's checks, or one task's, in the order of their tasks, and within a task as they are written.

    Raises `CourseError` when a file of checks cannot be read.
    """
    folder = course.checks(stage)
    files = sorted(folder.glob("test_*.py"))
    if hidden:
        files += sorted((folder / "hidden").glob("test_*.py"))
    found: list[CheckInfo] = []
    for path in files:
        if task is not None and not _mentions(path, task):
            continue  # parsing every file is what would make a hint slow
        found += read_checks(path, name=_relative(path, course.root), hidden=path.parent != folder)
    order = {task.id: index for index, task in enumerate(stage.tasks)}
    chosen = [info for info in found if task in (None, info.task)]
    return tuple(sorted(chosen, key=lambda info: order.get(info.task, len(order))))


def read_checks(path: Path, *, name: str | None = None, hidden: bool = False) -> list[CheckInfo]:
    """The checks that one file declares with `@check(...)`, in order."""
    name = name or path.name
    try:
        tree = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{name} cannot be read: {error}.", "Check the file, or update the course.") from None
    except (SyntaxError, ValueError) as error:
        raise CourseError(f"{name} is not valid Python: {error}.", "Correct the file, or update the course.") from None
    constants = _constants(tree)
    found = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        calls = [call for call in node.decorator_list if isinstance(call, ast.Call)]
        declaration = next((call for call in calls if _is_check(call)), None)
        if declaration is None:
            continue
        values = _declared(declaration, constants, f"{name}, line {node.lineno}: @check of {node.name}")
        docstring = ast.get_docstring(node) or node.name
        found.append(
            CheckInfo(
                name=node.name,
                file=name,
                line=node.lineno,
                task=str(values.get("task") or ""),
                title=docstring.partition("\n")[0].strip(),
                weight=values["weight"] if isinstance(values.get("weight"), int | float) else 1,
                seconds=values["seconds"] if isinstance(values.get("seconds"), int | float) else 0.5,
                lesson=str(values.get("lesson") or ""),
                hints=_strings(values.get("hints")),
                needs=_strings(values.get("needs")),
                models=_strings(values.get("models")),
                hidden=hidden,
                calls=_calls(node),
            )
        )
    return found


def find_check(checks: Iterable[CheckInfo], id: str) -> CheckInfo | None:
    """The check that a report's id (`test_sampling.py::test_top_p[4]`) stands for."""
    name = id.partition("[")[0].rpartition("::")[2]
    return next((info for info in checks if info.name == name), None)


def mistakes_of(course: Course, stage: Stage) -> dict[str, Mistake]:
    """The stage's named mistakes by slug."""
    return read_mistakes(course.checks(stage))


def read_mistakes(folder: Path) -> dict[str, Mistake]:
    """The named mistakes of a folder of checks by slug, from every file that MISTAKES matches; often there is one."""
    found: dict[str, Mistake] = {}
    for path in sorted(folder.glob(MISTAKES)):
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise CourseError(f"{path} cannot be read: {error}.", "Correct that file.") from None
        for slug, entry in data.items():
            if isinstance(entry, dict):
                words = {key: str(entry.get(key, "")) for key in ("task", "says", "hint")}
                found[slug] = Mistake(slug, **words)
    return found


def _mentions(path: Path, task: str) -> bool:
    try:
        return task.encode() in path.read_bytes()
    except OSError:
        return True  # reading it again says what is wrong


def _relative(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix()


def _declared(call: ast.Call, constants: dict[str, Any], where: str) -> dict[str, Any]:
    """The arguments of `@check(...)`. What only running the file could tell would be missing from reports: an error."""
    values: dict[str, Any] = {}
    for word in [*(ast.keyword("task", argument) for argument in call.args[:1]), *call.keywords]:
        value = _literal(word.value, constants)
        if word.arg is not None and (value is not None or word.arg not in _READ_HERE):
            values[word.arg] = value
        elif word.arg is None and isinstance(value, dict):
            values |= value
        else:
            raise CourseError(
                f"{where} has an argument that is not written out: {ast.unparse(word.value)}.",
                "Write it as a literal, or give the literal a name at the top of the file.",
            )
    return values


def _is_check(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    return name == "check"


def _calls(function: ast.AST) -> tuple[str, ...]:
    """The names given to `learner.call` and `learner.error`, each once, in order."""
    found: dict[str, None] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("call", "error"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found[first.value] = None
    return tuple(found)


def _constants(tree: ast.Module) -> dict[str, Any]:
    """Module-level names bound to literals: a list of hints shared by several checks, say."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            value = _literal(node.value, found)
            if value is not None:
                found[node.targets[0].id] = value
    return found


def _literal(node: ast.expr, constants: dict[str, Any]) -> Any:
    """The value of a literal, of a known name, or of a list or tuple of these; None for anything else."""
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(item, constants) for item in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _literal(node.left, constants), _literal(node.right, constants)
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        return [*left, *right] if isinstance(left, list) and isinstance(right, list) else None
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(item for item in value if isinstance(item, str))
    return ()

"""Giving a task's stubs back without touching the learner's other work, and showing the reference for a task."""

from __future__ import annotations

import ast
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roadmap.course.errors import CourseError, UsageError
from roadmap.course.files import write_atomic
from roadmap.course.progress import STATE
from roadmap.course.strip import strip_source, tasks_of_module
from roadmap.course.syllabus import Course, Stage, Task

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Reset:
    """What a reset did: the file, where the learner's version was saved (None if there was none), the stubs."""

    file: Path
    backup: Path | None
    functions: tuple[str, ...]


def skeleton_of(course: Course, stage: Stage, task: Task) -> str:
    """The task's module as the learner first got it.

    Made from the reference where there is one, else read from `stages/<stage>/skeleton/`, where a learner's copy keeps
    it. Raises `UsageError` when the copy has neither.
    """
    reference = course.solutions / stage.name / task.file
    if reference.is_file():
        text = _read(reference)
        return strip_source(text, task_of=tasks_of_module(stage, task.module), name=f"{stage.name}/{task.file}")
    kept = course.root / "stages" / stage.name / "skeleton" / task.file
    if kept.is_file():
        return _read(kept)
    raise UsageError(
        f"This copy of the course has no skeleton of {stage.name}/{task.file}.",
        "Get the file from the course's repository.",
    )


def stubs_of(skeleton: str, task: Task) -> tuple[str, ...]:
    """The functions of a skeleton that are the task's to write: the graded ones, and helpers that name the task."""
    mark = f"task {task.id}: "
    found = []
    for name, node in _definitions(ast.parse(skeleton)).items():
        if isinstance(node, ast.ClassDef):
            continue
        stubbed = any(
            isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner.value.startswith(mark)
            for inner in ast.walk(node)
        )
        if name in task.functions or stubbed:
            found.append(name)
    return tuple(name for name in found if not any(name.startswith(f"{other}.") for other in found))


def restore_stubs(text: str, skeleton: str, functions: Sequence[str]) -> str:
    """`text` with each of `functions` as it is in `skeleton`, everything else as it was.

    A function that `text` lacks is added: at the end of its class, or of the module, with its class if that is missing.
    Raises `SyntaxError` when `text` is not Python.
    """
    for name in functions:
        wanted = _definitions(ast.parse(skeleton))[name]
        present = _definitions(ast.parse(text))
        lines = text.splitlines(keepends=True)
        if name in present:
            first, last = _extent(present[name])
            last = _comments_end(lines, last, present[name].col_offset)
            lines[first - 1 : last] = _block(skeleton, wanted, present[name].col_offset)
        else:
            owner = name.rpartition(".")[0]
            if owner in present:
                _, last = _extent(present[owner])
                indent = present[owner].body[0].col_offset
                lines[last:last] = ["\n", *_block(skeleton, wanted, indent)]
            else:
                if owner:
                    wanted = _definitions(ast.parse(skeleton))[owner]
                lines += ["\n", "\n", *_block(skeleton, wanted, 0)]
            if last_line_open(lines):
                lines = [line if line.endswith("\n") else f"{line}\n" for line in lines]
        text = "".join(lines)
    return text


def last_line_open(lines: Sequence[str]) -> bool:
    """Whether a line before the last lacks its line end, as after an insertion behind an unfinished last line."""
    return any(not line.endswith("\n") for line in lines[:-1])


def reset_task(course: Course, stage: Stage, task: Task, *, whole_file: bool = False) -> Reset:
    """Restore the task's stubs in the learner's module, after saving the learner's file under `.roadmap/backup/`.

    With `whole_file` the whole module is restored, other tasks included. Raises `UsageError` when the module cannot be
    read, is not Python, or cannot be written; the learner's file is then as it was.
    """
    path = course.projects / stage.name / task.file
    skeleton = skeleton_of(course, stage, task)
    functions = stubs_of(skeleton, task)
    try:
        present = path.read_bytes()
    except FileNotFoundError:
        present = None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).", "Check its permissions.") from None
    if present is None or whole_file:
        restored = skeleton
    else:
        try:
            restored = restore_stubs(present.decode("utf-8"), skeleton, functions)
        except UnicodeDecodeError:
            raise UsageError(
                f"{path} is not UTF-8 text.", "Add --whole-file to restore the whole module; yours is saved first."
            ) from None
        except SyntaxError as error:
            raise UsageError(
                f"{path} has a syntax error in line {error.lineno}, so its functions cannot be told apart.",
                "Correct that line, or add --whole-file to restore the whole module; yours is saved first.",
            ) from None
    try:
        backup = None if present is None else _save(course.root, stage, task, present)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, restored)
    except OSError as error:
        raise UsageError(
            f"{error.filename or path} cannot be written ({error.strerror}); nothing was changed.",
            "Check the permissions and the free space.",
        ) from None
    return Reset(path, backup, functions)


def reference_of(course: Course, stage: Stage, task: Task) -> str:
    """The reference functions of a task, as source. Raises `UsageError` when this copy has no reference."""
    path = course.solutions / stage.name / task.file
    if not path.is_file():
        raise UsageError("This copy of the course has no reference solutions.", "Read them in the course's repository.")
    text = _read(path)
    present = _definitions(ast.parse(text))
    skeleton = strip_source(text, task_of=tasks_of_module(stage, task.module), name=f"{stage.name}/{task.file}")
    parts = []
    shown_class = ""
    for name in stubs_of(skeleton, task):
        node = present.get(name)
        if node is None:
            raise CourseError(f"{path} has no {name}.", "Correct course.toml or the reference.")
        owner = name.rpartition(".")[0]
        if owner and owner != shown_class:
            parts.append(f"class {owner}:  # only the methods of this task")
        shown_class = owner
        parts.append("".join(_block(text, node, node.col_offset)).rstrip("\n"))
    markers = ("# >>> solution", "# <<< solution")
    lines = "\n\n".join(parts).splitlines()
    return "\n".join(line for line in lines if line.strip() not in markers) + "\n"


def _definitions(tree: ast.Module) -> dict[str, Definition]:
    """Functions and classes by qualified name; of several with one name the last, which is the one that counts."""
    found: dict[str, Definition] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Definition):
                found[f"{prefix}{child.name}"] = child
                visit(child, f"{prefix}{child.name}.")
            else:
                visit(child, prefix)

    visit(tree, "")
    return found


def _extent(node: Definition) -> tuple[int, int]:
    """First line, decorators included, and last line."""
    return min([node.lineno, *(item.lineno for item in node.decorator_list)]), node.end_lineno or node.lineno


def _comments_end(lines: Sequence[str], last: int, column: int) -> int:
    """The last line of a definition with the comments that end its body, which the syntax tree does not hold."""
    end = last
    for index in range(last, len(lines)):
        line = lines[index].strip()
        if line and not line.startswith("#"):
            break
        if line:
            if len(lines[index]) - len(lines[index].lstrip()) <= column:
                break
            end = index + 1
    return end


def _block(text: str, node: Definition, indent: int) -> list[str]:
    """The lines of a definition, moved to the indentation `indent`, the last one ended."""
    first, last = _extent(node)
    lines = text.splitlines(keepends=True)[first - 1 : last]
    shift = indent - node.col_offset
    if shift > 0:
        lines = [" " * shift + line if line.strip() else line for line in lines]
    elif shift < 0:
        lines = [line[-shift:] if not line[:-shift].strip() else line for line in lines]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return lines


def _save(root: Path, stage: Stage, task: Task, content: bytes) -> Path:
    folder = root / STATE / "backup" / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = folder / f"{task.module}-{stamp}.py"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{task.module}-{stamp}-{number}.py"
    write_atomic(path, content)
    return path


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read: {error}.", "Store it as UTF-8 text.") from None

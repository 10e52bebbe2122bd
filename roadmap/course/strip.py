"""Makes the learner's skeleton from the reference: `python -m roadmap.course.strip [STAGE] [--check]`."""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from roadmap.course.errors import CourseError, UsageError
from roadmap.course.root import find_root
from roadmap.course.syllabus import Course, Stage

BEGIN = "# >>> solution"
END = "# <<< solution"
WHOLE_FILE = "# whole-file: solution"

TaskOf = Callable[[str], str | None] | Mapping[str, str]
_MARKER = re.compile(r"#+\s*(>+|<+)\s*solution", re.IGNORECASE)


@dataclass(frozen=True)
class Region:
    """A solution region: its marker lines (counted from 1), its indentation, the function it stands in (or None)."""

    begin: int
    end: int
    indent: str
    function: str | None


def strip_source(text: str, *, task_of: TaskOf, name: str = "source") -> str:
    """The skeleton of one reference module.

    A region inside a function becomes `raise NotImplementedError("task 1.6: top_p_filter")`; a region outside any
    function is removed. `task_of` gives the task's id for a qualified name such as `Tokenizer.encode`. Everything else
    stays as it is. Raises `CourseError` for unbalanced or misspelt markers, for a region that belongs to no task and
    for a skeleton that would not be Python.
    """
    lines = text.splitlines(keepends=True)
    for region in reversed(find_regions(text, name=name)):
        if region.function is None:
            _remove(lines, region.begin - 1, region.end)
            continue
        task = task_of.get(region.function) if isinstance(task_of, Mapping) else task_of(region.function)
        if task is None:
            raise CourseError(
                f"{name}, line {region.begin}: {region.function} belongs to no task.",
                "List it in course.toml, or let the region hold the whole function.",
            )
        stub = f'{region.indent}raise NotImplementedError("task {task}: {region.function}")\n'
        lines[region.begin - 1 : region.end] = [stub]
    skeleton = "".join(lines)
    try:
        ast.parse(skeleton)
    except SyntaxError as error:
        raise CourseError(
            f"{name}: without its solutions it is not Python (line {error.lineno} of the skeleton: {error.msg}).",
            "Leave at least one statement outside the region, such as a docstring.",
        ) from None
    return skeleton


def find_regions(text: str, *, name: str = "source") -> list[Region]:
    """The solution regions of a module, in order. Raises `CourseError` when the markers do not pair up."""
    try:
        tree = ast.parse(text)
        comments = [
            token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT
        ]
    except (SyntaxError, tokenize.TokenError, ValueError) as error:
        raise CourseError(f"{name} is not valid Python: {error}.", "Correct the reference first.") from None
    functions = _functions(tree)
    regions: list[Region] = []
    opened: tokenize.TokenInfo | None = None
    for comment in comments:
        row, column = comment.start
        written = comment.string.rstrip()
        if written not in (BEGIN, END):
            if _MARKER.match(written):
                raise CourseError(f"{name}, line {row}: {written!r} is no marker.", f"Write {BEGIN!r} or {END!r}.")
            continue
        if comment.line[:column].strip():
            raise CourseError(f"{name}, line {row}: {written!r} stands after code.", "Give it a line of its own.")
        if written == BEGIN:
            if opened is not None:
                raise CourseError(
                    f"{name}, line {row}: a region begins inside the one of line {opened.start[0]}.",
                    f"Close that one with {END!r} first.",
                )
            opened = comment
            continue
        if opened is None:
            raise CourseError(f"{name}, line {row}: {END!r} closes nothing.", f"Add {BEGIN!r} before it.")
        begin = opened.start[0]
        if opened.start[1] != column:
            raise CourseError(
                f"{name}, lines {begin} and {row}: the markers of a region are indented differently.",
                "Indent both alike.",
            )
        inside = [entry for entry in functions if entry[0] <= begin <= entry[1]]
        if any(end < row - 1 and not _only_blank(text, end + 1, row) for _, end, _ in inside):
            raise CourseError(
                f"{name}, line {begin}: the region goes beyond the function it begins in.", "Close it there."
            )
        regions.append(Region(begin, row, comment.line[:column], inside[-1][2] if inside else None))
        opened = None
    if opened is not None:
        raise CourseError(f"{name}, line {opened.start[0]}: {BEGIN!r} is never closed.", f"Add {END!r} after it.")
    return regions


def tasks_of_module(stage: Stage, module: str) -> Callable[[str], str | None]:
    """Which task a qualified name of `module` belongs to.

    A graded function belongs to its task, and so does what is nested in it. A method that is not graded goes with
    the graded methods of its class, any other function with the module's task, where there is only one.
    """
    tasks = stage.tasks_of(module)
    graded = {function: task.id for task in tasks for function in task.functions}

    def task_of(name: str) -> str | None:
        parts = name.split(".")
        for end in range(len(parts), 0, -1):
            if found := graded.get(".".join(parts[:end])):
                return found
        owners = {task for function, task in graded.items() if "." in name and function.startswith(f"{parts[0]}.")}
        if len(owners) == 1:
            return owners.pop()
        return tasks[0].id if len(tasks) == 1 else None

    return task_of


def skeletons(src: Path, stage: Stage) -> dict[str, str]:
    """The skeleton of every module of the reference package `src`, by path relative to it; planned tasks have none."""
    made = {}
    unready = {task.file for task in stage.planned} - {task.file for task in stage.tasks}
    for path in sorted(src.rglob("*.py")):
        name = path.relative_to(src).as_posix()
        if "__pycache__" in path.parts or name in unready:
            continue
        try:
            with path.open(encoding="utf-8", newline="") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise CourseError(f"{path} cannot be read: {error}.", "Store it as UTF-8 text.") from None
        if text.split("\n", 1)[0].strip() == WHOLE_FILE:
            continue
        module = name.removesuffix(".py").replace("/", ".")
        made[name] = strip_source(text, task_of=tasks_of_module(stage, module), name=f"{stage.name}/{name}")
    return made


def strip_tree(src: Path, dst: Path, stage: Stage | None = None) -> list[Path]:
    """Write the skeleton of the reference package `src` to `dst`; returns the files written.

    `stage` defaults to the one of the course around `src` that is named like the folder. Files of `dst` that the
    reference does not have are left alone.
    """
    if stage is None:
        stage = Course.load(find_root(src)).stage(src.name)
    written = []
    for name, text in skeletons(src, stage).items():
        path = dst / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        written.append(path)
    return written


def differences(src: Path, dst: Path, stage: Stage) -> list[str]:
    """One line for every module of `dst` that is not what stripping `src` gives."""
    wanted = skeletons(src, stage)
    found = []
    for name, text in wanted.items():
        try:
            with (dst / name).open(encoding="utf-8", newline="") as file:
                present = file.read()
        except FileNotFoundError:
            found.append(f"{stage.name}/{name} is missing")
            continue
        except (OSError, UnicodeDecodeError) as error:
            found.append(f"{stage.name}/{name} cannot be read: {error}")
            continue
        if present != text:
            pairs = zip(present.splitlines(), text.splitlines(), strict=False)
            first = next((i for i, (a, b) in enumerate(pairs, 1) if a != b), None)
            found.append(f"{stage.name}/{name} differs" + (f" from line {first}" if first else " in its length"))
    for path in sorted(dst.rglob("*.py")):
        if path.relative_to(dst).as_posix() not in wanted and "__pycache__" not in path.parts:
            found.append(f"{stage.name}/{path.relative_to(dst).as_posix()} is not made from the reference")
    return found


def _functions(tree: ast.Module) -> list[tuple[int, int, str]]:
    """First line, last line and qualified name of every function, outer ones first."""
    found: list[tuple[int, int, str]] = []

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append((child.lineno, child.end_lineno or child.lineno, f"{prefix}{child.name}"))
                visit(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                visit(child, f"{prefix}{child.name}.")
            else:
                visit(child, prefix)

    visit(tree, "")
    return found


def _only_blank(text: str, first: int, last: int) -> bool:
    """Whether the lines `first` to `last` (exclusive) hold nothing but blanks and comments."""
    return all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()[first - 1 : last - 1])


def _remove(lines: list[str], start: int, stop: int) -> None:
    """Take `lines[start:stop]` out, and of the blank lines on either side keep the longer run."""
    before = start
    while before > 0 and not lines[before - 1].strip():
        before -= 1
    after = stop
    while after < len(lines) and not lines[after].strip():
        after += 1
    at_an_end = before == 0 or after == len(lines)
    blanks = 0 if at_an_end else max(start - before, after - stop)
    lines[before:after] = ["\n"] * blanks


def main(argv: Sequence[str] | None = None) -> int:
    """Write or compare the skeletons; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m roadmap.course.strip", description=__doc__)
    parser.add_argument("stage", nargs="?", help="number or name; default: every stage that has a reference")
    parser.add_argument("--check", action="store_true", help="compare instead of writing; exit 1 on a difference")
    options = parser.parse_args(argv)
    try:
        course = Course.load(find_root())
        if course.learner_copy:
            raise UsageError("This is a learner's copy.", "Use `roadmap reset TASK` to get a stub back.")
        stages = [course.stage(options.stage)] if options.stage else list(course.stages)
        stages = [stage for stage in stages if options.stage or (course.solutions / stage.name).is_dir()]
        different: list[str] = []
        for stage in stages:
            src, dst = course.solutions / stage.name, course.projects / stage.name
            if not src.is_dir():
                raise UsageError(f"{src} does not exist.", "Write the reference first.")
            if options.check:
                different += differences(src, dst, stage)
            else:
                for path in strip_tree(src, dst, stage):
                    print(path.relative_to(course.root).as_posix())
    except UsageError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if different:
        print("\n".join(different))
        print("Run `python -m roadmap.course.strip` to bring projects/ up to date.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

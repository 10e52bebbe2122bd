"""How many small changes to the reference do the checks notice? One syntax-tree mutation at a time.

    python -m tests.benchmarks.mutants                  # all of stage 1; writes results/mutants_stage1.json
    python -m tests.benchmarks.mutants --task 1.3       # one task: replaces its row in the file

Each mutant of a graded function runs its own task's checks until the first that does not pass. Survivors are explained
in survivors.toml (a mutant that computes the same, or differs in what no docstring promises), or they are work to do.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadmap.course import Course, Stage, Task
from roadmap.course.strip import Region, find_regions
from roadmap.grading.session import Grader
from roadmap.grading.verdict import State, Stop
from tests import bank
from tests.benchmarks import record

_COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.MatMult: ast.Mult,
}  # fmt: skip

_WORDS_OF_HELP = {"help", "metavar", "prog", "description"}  # of argparse: wording that no docstring promises


@dataclass(frozen=True)
class Mutant:
    """The reference's module with one change. `key` survives reformatting: function, change, and the line's text."""

    task: str
    module: str
    function: str
    change: str
    line: str
    source: str

    @property
    def key(self) -> str:
        return f"{self.module}.{self.function} | {self.line} | {self.change}"


def mutants(course: Course, stage: Stage) -> Iterator[Mutant]:
    """Every mutant of every function of a stage's reference that the learner has to write.

    A helper inside a solution region counts for the first task of its module that uses it, by name.
    """
    for task in stage.tasks:
        text = (course.solutions / stage.name / task.file).read_text(encoding="utf-8")
        tree = ast.parse(text)
        lines = text.splitlines()
        regions, unchanged = find_regions(text), ast.unparse(tree)
        for name in [*task.functions, *_helpers(regions, tree, stage, task)]:
            function = _find(tree, name)
            left_out = _not_behaviour(function, written=any(r.begin <= function.lineno <= r.end for r in regions))
            for index, node in enumerate(ast.walk(function)):
                if id(node) in left_out:
                    continue
                for change, mutate in _mutations(node, function):
                    twin = copy.deepcopy(tree)
                    target = list(ast.walk(_find(twin, name)))[index]
                    mutate(target)
                    source = ast.unparse(ast.fix_missing_locations(twin))
                    if source == unchanged:  # `while True` with its condition set to True
                        continue
                    line = lines[getattr(node, "lineno", function.lineno) - 1].strip()
                    yield Mutant(task.id, task.module, name, change, line, source)


def _helpers(regions: list[Region], tree: ast.Module, stage: Stage, task: Task) -> list[str]:
    """Functions inside solution regions that no task grades by name, and that `task` is the first to use."""
    graded = {name for other in stage.tasks_of(task.module) for name in other.functions}
    found = []
    for name, node in _functions(tree):
        written = any(
            r.begin <= node.lineno <= r.end or node.lineno < r.begin <= (node.end_lineno or 0) for r in regions
        )
        if not written or name in graded:
            continue
        short = name.rpartition(".")[2]
        users = [
            other.id
            for other in stage.tasks_of(task.module)
            if any(short in ast.unparse(_find(tree, function)) for function in other.functions)
        ]
        if (users or [stage.tasks_of(task.module)[0].id])[0] == task.id:
            found.append(name)
    return found


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{item.name}", item) for item in node.body if isinstance(item, ast.FunctionDef))


def _find(tree: ast.Module, dotted: str) -> ast.FunctionDef:
    body: list[ast.stmt] = tree.body
    node: ast.stmt | None = None
    for part in dotted.split("."):
        node = next(n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == part)
        body = node.body
    assert isinstance(node, ast.FunctionDef)
    return node


def _not_behaviour(function: ast.FunctionDef, written: bool) -> set[int]:
    """Nodes that no check grades: annotations, the words of errors, and defaults in a signature that is given."""
    roots: list[ast.AST | None] = [function.returns]
    if not written:
        roots.extend([*function.args.defaults, *function.args.kw_defaults])
    for node in ast.walk(function):
        if isinstance(node, ast.arg | ast.AnnAssign):
            roots.append(node.annotation)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            roots.extend(node.exc.args)
    return {id(node) for root in roots if root is not None for node in ast.walk(root)}


def _mutations(node: ast.AST, function: ast.FunctionDef) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARE:
        new = _COMPARE[type(node.ops[0])]
        yield f"{type(node.ops[0]).__name__} to {new.__name__}", lambda n, new=new: n.ops.__setitem__(0, new())
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _ARITHMETIC:
        new = _ARITHMETIC[type(node.op)]
        yield f"{type(node.op).__name__} to {new.__name__}", lambda n, new=new: setattr(n, "op", new())
    if isinstance(node, ast.BoolOp):
        new = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"to {new.__name__}", lambda n, new=new: setattr(n, "op", new())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield (
            f"drop {type(node.op).__name__}",
            lambda n: setattr(n, "op", ast.UAdd()) if isinstance(n.op, ast.USub) else _drop_unary(n),
        )
    if isinstance(node, ast.Constant) and node is not _docstring(function):
        value = node.value
        if isinstance(value, bool):
            yield f"{value} to {not value}", lambda n: setattr(n, "value", not n.value)
        elif isinstance(value, int):
            yield f"{value} to {value + 1}", lambda n: setattr(n, "value", n.value + 1)
        elif isinstance(value, float):
            changed = value * 2 if value not in (0.0, float("inf")) else 1.0
            yield f"{value} to {changed}", lambda n, changed=changed: setattr(n, "value", changed)
    if isinstance(node, ast.Call) and node.keywords:
        for position, keyword in enumerate(node.keywords):
            if keyword.arg and not (keyword.arg in _WORDS_OF_HELP and _builds_a_parser(node)):
                yield f"drop {keyword.arg}=", lambda n, position=position: n.keywords.pop(position)
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield "condition to True", lambda n: setattr(n, "test", ast.Constant(True))
        yield "condition to False", lambda n: setattr(n, "test", ast.Constant(False))
    if isinstance(node, ast.stmt) and isinstance(node, ast.AugAssign | ast.Expr) and not _is_docstring(node):
        yield "drop statement", _to_pass


def _builds_a_parser(call: ast.Call) -> bool:
    name = ast.unparse(call.func).rpartition(".")[2]
    return name in ("add_argument", "add_parser") or name.endswith("Parser")


def _docstring(function: ast.FunctionDef) -> ast.expr | None:
    first = function.body[0]
    return first.value if _is_docstring(first) and isinstance(first, ast.Expr) else None


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _drop_unary(node: ast.UnaryOp) -> None:
    # `not x` becomes `not not x`: the same node type, the opposite value.
    node.operand = ast.UnaryOp(op=type(node.op)(), operand=node.operand)


def _to_pass(node: ast.AST) -> None:
    node.__class__ = ast.Pass
    for name in ("value", "target", "op"):
        if hasattr(node, name):
            delattr(node, name)


def _explanations(survivors: list[str], explained: dict[str, str]) -> dict[str, Any]:
    return {
        "explained": {key: explained[key] for key in survivors if key in explained},
        "unexplained": [key for key in survivors if key not in explained],
    }


def main() -> int:
    """Run the sweep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", default="1")
    parser.add_argument("--task", action="append")
    parser.add_argument(
        "--explain", action="store_true", help="run nothing; hold the stored survivors against the file"
    )
    options = parser.parse_args()
    explained = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text(encoding="utf-8"))["explained"]
    course = Course.load(bank.ROOT)
    stage = course.stage(options.stage)
    name = f"mutants_stage{stage.number}"
    if options.explain:
        stored = record.read(name)
        for row in stored["tasks"].values():
            left = [*row["explained"], *row["unexplained"]]
            row |= _explanations(left, explained)
        path = record.RESULTS / f"{name}.json"
        path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        return 0
    chosen = [m for m in mutants(course, stage) if not options.task or m.task in options.task]
    survivors: list[Mutant] = []
    broken: list[str] = []
    with Grader(course, stage) as grader, ThreadPoolExecutor(2) as pool:

        def grade(mutant: Mutant) -> tuple[Mutant, list[State], str]:
            report = bank.grade_source(grader, course, mutant.task, mutant.module, mutant.source, stop_at=Stop.CAUGHT)
            errors = [check.message for check in report.checks if check.state is State.GRADER_ERROR]
            return mutant, [check.state for check in report.checks], errors[0] if errors else ""

        for mutant, states, error in pool.map(grade, chosen):
            if all(state is State.PASSED for state in states):
                survivors.append(mutant)
                print(
                    f"survived  {mutant.task}  {mutant.key}  {'(explained)' if mutant.key in explained else ''}",
                    flush=True,
                )
            if error:
                broken.append(mutant.key)
                print(f"grader error  {mutant.key}: {error[:300]}", flush=True)
    killed = len(chosen) - len(survivors)
    unexplained = [m.key for m in survivors if m.key not in explained]
    print(f"{killed} of {len(chosen)} killed ({killed / len(chosen):.1%}); {len(unexplained)} survivors unexplained")
    # Each task's row is replaced by its newest run; the totals are of all rows.
    tasks = record.read(name)["tasks"] if record.exists(name) else {}
    for task in dict.fromkeys(m.task for m in chosen):
        left = [m.key for m in survivors if m.task == task]
        total = sum(m.task == task for m in chosen)
        tasks[task] = {
            "commit": record.commit(),
            "mutants": total,
            "killed": total - len(left),
            **_explanations(left, explained),
        }
    totals = {kind: sum(row[kind] for row in tasks.values()) for kind in ("mutants", "killed")}
    rate = round(totals["killed"] / totals["mutants"], 4)
    rows = {task.id: tasks[task.id] for task in stage.tasks if task.id in tasks}
    record.write(name, {**totals, "rate": rate, "grader_errors": broken, "tasks": rows})
    return 1 if broken or killed / len(chosen) < 0.9 else 0


if __name__ == "__main__":
    sys.exit(main())

"""The bug bank and the alternatives: changes to the reference, and what the grader must say about each.

python -m tests.bank --task 1.3            # bugs and alternatives of one task
python -m tests.bank --json FILE           # all of them, with a result file
python -m tests.bank --caught-by FILE      # which check catches each bug, from a test run's JUnit file
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from roadmap.course import Course, Stage
from roadmap.grading.session import Grader
from roadmap.grading.verdict import Report, State, Stop

ROOT = Path(__file__).resolve().parents[1]
_READ = (".py", ".toml", ".ini", ".pem", ".json")  # what of the checks and the kit decides a verdict
CAUGHT_BY = "caught_by"  # the property of a test, and the key in a file


@dataclass(frozen=True)
class Bug:
    """A planted bug. `mistake` is the slug that the report must name, if any."""

    name: str
    stage: str
    task: str
    function: str
    mistake: str | None
    source: str  # of the whole module, with the bug in it
    digest: str  # of all that its verdict rests on
    caught_by: str | None = None  # the check that caught it, by name if it has one, when all of that was as it is now

    @property
    def module(self) -> str:
        """The module that holds the bug."""
        return self.function.partition(".")[0]


@dataclass(frozen=True)
class Alternative:
    """Another right answer. `source` is of the whole module."""

    name: str
    stage: str
    task: str
    module: str
    source: str
    digest: str  # of all that its verdict rests on


Entry = Bug | Alternative


class BankError(Exception):
    """An entry of the bank does not fit the reference."""


def bugs(course: Course, stage: Stage) -> Iterator[Bug]:
    """Every planted bug of a stage, applied to the reference."""
    catchers, rests_on = caught_by(stage), _rests_on(course, stage)
    for task in stage.tasks:
        path = ROOT / "tests" / "bugs" / stage.name / f"{task.id}.toml"
        if not path.exists():
            continue
        reference = (course.solutions / stage.name / task.file).read_text(encoding="utf-8")
        unchanged = ast.dump(ast.parse(reference))
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["bug"]:
            name = f"{task.id}/{entry['name']}"
            if not entry["function"].startswith(f"{task.module}."):
                raise BankError(f"{name}: {entry['function']} is not in module {task.module}")
            if "source" in entry:
                source = override(reference, entry["source"], name)
            else:
                if reference.count(entry["find"]) != 1:
                    raise BankError(f"{name}: `find` occurs {reference.count(entry['find'])} times in the reference")
                source = reference.replace(entry["find"], entry["replace"])
            if ast.dump(ast.parse(source)) == unchanged:
                raise BankError(f"{name}: changes nothing")
            mistake = entry.get("mistake")
            digest = _digest(rests_on, mistake, source)
            known = catchers.get(name, {})
            check = known.get("check") if known.get("digest") == digest else None
            yield Bug(name, stage.name, task.id, entry["function"], mistake, source, digest, check)


def _digest(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def _rests_on(course: Course, stage: Stage) -> str:
    """A digest of the stage's checks, its reference, its entry in the syllabus, the kit and the pinned libraries.

    The kit without the command line and the lessons' machinery: no grading imports them.
    """
    total = hashlib.sha256(repr(stage).encode() + (ROOT / "constraints.txt").read_bytes())
    apart = [ROOT / "roadmap" / name for name in ("cli", "lessons")]
    for folder in (course.checks(stage), course.solutions / stage.name, ROOT / "roadmap"):
        for path in sorted(path for path in folder.rglob("*") if path.suffix in _READ):
            if not any(path.is_relative_to(other) for other in apart):
                total.update(f"{path.relative_to(ROOT)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _caught_by_path(stage: Stage) -> Path:
    return ROOT / "tests" / "bugs" / stage.name / "caught_by.json"


def caught_by(stage: Stage) -> dict[str, dict[str, str]]:
    """Which check of a stage caught each bug, with the digest of what that rested on, from a run in the usual order."""
    path = _caught_by_path(stage)
    return dict(json.loads(path.read_text(encoding="utf-8"))[CAUGHT_BY]) if path.exists() else {}


def cases(junit: Path) -> Iterator[tuple[str, str, ElementTree.Element]]:
    """The tests in a JUnit file: the function, the parameters between the brackets, and the element itself."""
    for case in ElementTree.parse(junit).iter("testcase"):
        function, _, parameters = case.attrib["name"].removesuffix("]").partition("[")
        yield function, parameters, case


def write_caught_by(course: Course, junit: Path) -> None:
    """Renew the stages' `caught_by.json` from a test run's JUnit file: it tells of the bugs without a valid row."""
    found = {}
    for _, name, case in cases(junit):
        for entry in case.iter("property"):
            if entry.attrib["name"] == CAUGHT_BY:
                digest, check = entry.attrib["value"].split(" ", 1)
                found[name] = {"check": check, "digest": digest}
    for stage in course.stages:
        known = caught_by(stage) | found
        rows = {bug.name: known[bug.name] for bug in bugs(course, stage) if bug.name in known}
        if rows:
            lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
            text = f'{{"written by": "python -m tests.bank --caught-by", "{CAUGHT_BY}": {{\n{lines}\n}}}}\n'
            _caught_by_path(stage).write_text(text, encoding="utf-8")


def alternatives(course: Course, stage: Stage) -> Iterator[Alternative]:
    """Every alternative of a stage, merged into the reference's module."""
    folder, rests_on = ROOT / "tests" / "alternatives" / stage.name, _rests_on(course, stage)
    for task in stage.tasks:
        reference = (course.solutions / stage.name / task.file).read_text(encoding="utf-8")
        for path in sorted(folder.glob(f"{task.id.replace('.', '_')}_[a-z]*.py")):
            source = override(reference, path.read_text(encoding="utf-8"), path.name)
            name, digest = f"{task.id}/{path.stem}", _digest(rests_on, source)
            yield Alternative(name, stage.name, task.id, task.module, source, digest)


# What a stranger's function may return instead of an answer. The checks must call it wrong, not fall over it.
_GARBAGE = {
    "none": "None",
    "text": "'nonsense'",
    "empty": "[]",
    "number": "-12345",
    "nested": "{'a': [1, {'b': (2, None)}]}",
}


def garbage(course: Course, stage: Stage) -> Iterator[Bug]:
    """For every graded function, versions that return something that is no answer at all."""
    rests_on = _rests_on(course, stage)
    for task in stage.tasks:
        reference = (course.solutions / stage.name / task.file).read_text(encoding="utf-8")
        for function in task.functions:
            for kind, value in _GARBAGE.items():
                owner, _, name = function.rpartition(".")
                body = f"def {name}(*args, **kwargs):\n    return {value}\n"
                if owner:
                    body = f"class {owner}:\n" + "".join(f"    {line}\n" for line in body.splitlines())
                label = f"{task.id}/garbage-{kind}-{function}"
                source = override(reference, body, label)
                digest = _digest(rests_on, source)
                yield Bug(label, stage.name, task.id, f"{task.module}.{function}", None, source, digest)


def override(reference: str, changes: str, name: str) -> str:
    """The reference's module with the definitions of `changes` in place of its own; new ones and imports are added.

    A class of the same name keeps the methods that `changes` does not define.
    """
    tree, new = ast.parse(reference), ast.parse(changes)
    for node in new.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            place = 1 + max(
                (i for i, n in enumerate(tree.body) if isinstance(n, ast.ImportFrom) and n.module == "__future__"),
                default=0 if ast.get_docstring(tree) is not None else -1,
            )
            if not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
                tree.body.insert(place, node)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            _define(tree.body, node)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            tree.body.append(node)
    try:
        return ast.unparse(ast.fix_missing_locations(tree))
    except (ValueError, AttributeError) as error:
        raise BankError(f"{name}: {error}") from None


def _define(body: list[ast.stmt], node: ast.FunctionDef | ast.ClassDef) -> None:
    for index, old in enumerate(body):
        if isinstance(old, ast.FunctionDef | ast.ClassDef) and old.name == node.name:
            if isinstance(old, ast.ClassDef) and isinstance(node, ast.ClassDef):
                for member in node.body:
                    if isinstance(member, ast.FunctionDef):
                        _define(old.body, member)
                    elif not (isinstance(member, ast.Expr) and isinstance(member.value, ast.Constant)):
                        old.body.insert(0, member)
            else:
                if isinstance(node, ast.FunctionDef) and isinstance(old, ast.FunctionDef) and not node.decorator_list:
                    node.decorator_list = old.decorator_list
                body[index] = node
            return
    # Before the definitions that may use it at import time, such as a dataclass default.
    first = next((i for i, n in enumerate(body) if isinstance(n, ast.FunctionDef | ast.ClassDef)), len(body))
    body.insert(first, node)


def seed_of(entry: Entry) -> int:
    """The seed of an entry's grading in the tests: another one whenever anything changes that its verdict rests on.

    So a test's outcome is a property of the code. Fresh seeds are `tests.benchmarks.reseed`'s.
    """
    return int(entry.digest[:8], 16)


def grade_source(
    grader: Grader,
    course: Course,
    task: str,
    module: str,
    source: str,
    *,
    seed: int | None = None,
    stop_at: Stop | None = None,
    first: Iterable[str] = (),
) -> Report:
    """Grade one task on the reference with one module replaced."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / grader.stage.name
        package.mkdir()
        for name in grader.stage.package_files:
            path = course.solutions / grader.stage.name / name
            package.joinpath(name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        package.joinpath(f"{module}.py").write_text(source, encoding="utf-8")
        return grader.check(Path(folder), tasks=[task], seed=seed, stop_at=stop_at, first=first)


def grade(grader: Grader, course: Course, entry: Entry, seed: int | None = None) -> Report:
    """Grade an entry: an alternative by every check, a bug until it is caught or, where it has a name, named.

    The check that is known to catch a bug goes first: that nothing names another mistake before was seen when all else
    was as it is now, and the digest says that it is.
    """
    if isinstance(entry, Alternative):
        return grade_source(grader, course, entry.task, entry.module, entry.source, seed=seed)
    stop_at = Stop.NAMED if entry.mistake else Stop.CAUGHT
    first = [entry.caught_by] if entry.caught_by else []
    return grade_source(grader, course, entry.task, entry.module, entry.source, seed=seed, stop_at=stop_at, first=first)


def catcher(bug: Bug, report: Report) -> str | None:
    """The check that caught a bug, by name where the bug has one."""
    caught = (check for check in report.checks if check.state not in (State.PASSED, State.BLOCKED))
    return next((check.id for check in caught if bug.mistake in (None, check.mistake)), None)


def problem_with(entry: Entry, report: Report) -> str | None:
    """What the grader got wrong about an entry; None when nothing."""
    return problem_with_bug(entry, report) if isinstance(entry, Bug) else problem_with_alternative(report)


def problem_with_bug(bug: Bug, report: Report) -> str | None:
    """What the grader failed to do about a planted bug; None when it caught it, and named it where it should."""
    failed = [check for check in report.checks if check.state not in (State.PASSED, State.BLOCKED)]
    broken = [check for check in failed if check.state is State.GRADER_ERROR]
    if broken:
        return f"grader error in {broken[0].id}: {broken[0].message[:300]}"
    if not failed:
        return "survived: every check of its task passed"
    named = [check.mistake for check in failed if check.mistake]
    if bug.mistake and (not named or named[0] != bug.mistake):
        first = failed[0]
        return f"caught by {first.id} ({first.state}) but named {named[:1] or 'nothing'}: {first.message[:200]}"
    return None


def problem_with_alternative(report: Report) -> str | None:
    """Why a right answer was not accepted; None when it was."""
    for check in report.checks:
        if check.state is not State.PASSED:
            return f"{check.id} {check.state} {check.mistake or ''}: {check.message[:300]}"
    return None


def main() -> int:
    """Run the bank from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", default="1")
    parser.add_argument("--task", action="append")
    parser.add_argument("--only", default="", help="names that contain this")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--caught-by", type=Path)
    options = parser.parse_args()
    course = Course.load(ROOT)
    if options.caught_by:
        write_caught_by(course, options.caught_by)
        return 0
    stage = course.stage(options.stage)
    rows = []
    with Grader(course, stage) as grader:
        for kind, entries in (("bug", bugs(course, stage)), ("alternative", alternatives(course, stage))):
            for entry in entries:
                if (options.task and entry.task not in options.task) or options.only not in entry.name:
                    continue
                problem = problem_with(entry, grade(grader, course, entry))
                mistake = entry.mistake if isinstance(entry, Bug) else None
                rows.append({"kind": kind, "name": entry.name, "mistake": mistake, "problem": problem})
                print(f"{'ok  ' if problem is None else 'BAD '} {kind:11} {entry.name} {problem or ''}", flush=True)
    bad = [row for row in rows if row["problem"]]
    print(f"{len(rows) - len(bad)} passed, {len(bad)} failed")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

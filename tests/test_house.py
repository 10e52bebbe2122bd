"""The rules of the house that a machine can check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from roadmap.course import Course
from roadmap.course.catalogue import checks_of

ROOT = Path(__file__).resolve().parents[1]
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")[:-1]


def run(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_lint() -> None:
    run("ruff", "check", ".")


def test_format() -> None:
    run("ruff", "format", "--check", ".")


def test_types() -> None:
    run("mypy")


def test_imports_go_downwards() -> None:
    """`course` and `artifacts` know nothing above them, `grading` neither lessons nor commands, and the kit no tree."""
    above = {
        "course": {"artifacts", "llm", "grading", "lessons", "cli"},
        "artifacts": {"llm", "grading", "lessons", "cli", "course"},
        "grading": {"llm", "lessons", "cli"},
    }
    for package, forbidden in above.items():
        for path in (ROOT / "roadmap" / package).rglob("*.py"):
            for module in imported(path):
                parts = module.split(".")
                assert not (parts[0] == "roadmap" and len(parts) > 1 and parts[1] in forbidden), f"{path}: {module}"
    for path in (ROOT / "roadmap").rglob("*.py"):
        trees = {"checks", "solutions", "projects", "stages", "tests"}
        assert not [module for module in imported(path) if module.split(".")[0] in trees], path


def imported(path: Path) -> list[str]:
    """Absolute names of the modules that a file of the kit imports."""
    package = path.relative_to(ROOT).parent.parts
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            module = f"{base}{node.module or ''}".rstrip(".")
            found += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return found


def test_oracles_do_not_know_the_reference() -> None:
    for path in (ROOT / "checks").rglob("*.py"):
        assert not [m for m in imported(path) if m.split(".")[0] in ("solutions", "projects")], path


def test_every_check_points_to_a_planned_lesson_section() -> None:
    course = Course.load(ROOT)
    anchors = {anchor for stage in course.stages for lesson in stage.lessons for anchor in lesson.anchors}
    for stage in course.stages:
        for check in checks_of(course, stage):
            assert check.lesson in anchors, f"{check.name}: {check.lesson}"
            assert len(check.hints) >= 2, check.name


def test_every_task_has_checks() -> None:
    course = Course.load(ROOT)
    for stage in course.stages:
        graded = {check.task for check in checks_of(course, stage)}
        assert graded == {task.id for task in stage.tasks}


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {re.match(r"[A-Za-z0-9._-]+", d)[0].lower().replace("_", "-") for d in wanted}  # type: ignore[index]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert names - pinned <= {"llm-engineer-roadmap"}


@pytest.mark.parametrize("name", [name for name in TRACKED if name.endswith((".py", ".md", ".toml", ".yml", ".ipynb"))])
def test_no_file_names_one_machine(name: str) -> None:
    path = ROOT / name
    if not path.exists() or name == "tests/test_house.py":
        return
    found = re.search(r"/(root|work|farm)/|/home/[a-z]+/", path.read_text(encoding="utf-8"))
    assert found is None or name.startswith("tests/"), found


def test_skeletons_are_the_stripped_reference() -> None:
    run("roadmap.course.strip", "--check")


def test_briefs_list_the_tasks_of_the_syllabus() -> None:
    for stage in Course.load(ROOT).stages:
        if stage.tasks:
            brief = (ROOT / "projects" / stage.name / "README.md").read_text(encoding="utf-8")
            listed = re.findall(r"^\| (\d+\.\d+) \| (.+?) \| `(.+?)` \|$", brief, flags=re.MULTILINE)
            assert listed == [(task.id, task.title, task.file) for task in stage.tasks]


def test_readme_commands_stand_between_their_markers() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in ("demo", "test"):
        assert re.search(rf"<!-- command: {name} -->\n```bash\n.+\n```\n", readme), name

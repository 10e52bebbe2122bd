"""The workflow's own steps, on a local repository with pull-request branches, a hostile one among them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "autograde.yml").read_text())
CANARY = "canary-7c1f"


def git(repository: Path, *words: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *words], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the course as its base branch."""
    repository = tmp_path_factory.mktemp("repository") / "course with spaces"
    ignore = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".roadmap", "*.ipynb", ".*_cache", "results")
    shutil.copytree(ROOT, repository, ignore=ignore)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A", "-f")
    git(repository, "commit", "-qm", "the course")
    return repository


@pytest.fixture
def pull_request(base: Path) -> Callable[[Callable[[Path], None]], str]:
    """Make a pull request from changes to a working tree; the base branch is checked out again afterwards."""

    def make(change: Callable[[Path], None]) -> str:
        git(base, "checkout", "-q", "-b", "pull", "main")
        try:
            change(base)
            git(base, "add", "-A", "-f")
            git(base, "commit", "-qm", "my work")
            return git(base, "rev-parse", "HEAD")
        finally:
            git(base, "checkout", "-q", "-f", "main")
            git(base, "branch", "-q", "-D", "pull")
            git(base, "clean", "-qfdx")

    return make


def grade(base: Path, head: str, out: Path) -> tuple[int, str, dict[str, dict]]:
    """Run the workflow's `Grade` step as the runner would; returns the exit code, the output and the reports."""
    step = next(step for step in WORKFLOW["jobs"]["autograde"]["steps"] if step.get("name") == "Grade")
    command = step["run"].replace(".venv/bin/python", sys.executable).replace("--out reports", f'--out "{out}"')
    environment = os.environ | {
        "BASE": git(base, "rev-parse", "main"),
        "HEAD": head,
        "GITHUB_STEP_SUMMARY": str(out.with_suffix(".md")),
        "GITHUB_TOKEN": CANARY,
    }
    done = subprocess.run(["bash", "-e", "-c", command], cwd=base, env=environment, capture_output=True, text=True)
    reports = {path.parent.name: json.loads(path.read_text()) for path in out.glob("*/report.json")}
    return done.returncode, done.stdout + done.stderr, reports


def solve(*modules: str) -> Callable[[Path], None]:
    def change(repository: Path) -> None:
        for module in modules:
            source = ROOT / "solutions" / "stage1_foundations" / f"{module}.py"
            shutil.copy(source, repository / "projects" / "stage1_foundations" / f"{module}.py")

    return change


@pytest.mark.slow
def test_honest_pull_request_gets_its_points(
    base: Path, pull_request: Callable[[Callable[[Path], None]], str], tmp_path: Path
) -> None:
    head = pull_request(solve("attention", "positions"))
    code, output, reports = grade(base, head, tmp_path / "reports")
    report = reports["stage1_foundations"]
    scores = {task["id"]: task["score"] for task in report["tasks"]}
    assert code == 1, output  # below the pass mark
    assert (scores["1.3"], scores["1.4"], report["score"]) == (10, 10, 20)
    assert "1.3" in (tmp_path / "reports.md").read_text()


def test_pull_request_without_projects_is_not_graded(
    base: Path, pull_request: Callable[[Callable[[Path], None]], str], tmp_path: Path
) -> None:
    head = pull_request(lambda repository: (repository / "notes.md").write_text("hello"))
    code, output, reports = grade(base, head, tmp_path / "reports")
    assert (code, reports) == (0, {})
    assert "nothing to grade" in output


@pytest.mark.slow
def test_hostile_pull_request_changes_nothing_but_its_own_score(
    base: Path, pull_request: Callable[[Callable[[Path], None]], str], tmp_path: Path
) -> None:
    """It edits checks, kit and workflow, adds a conftest, prints workflow commands and looks for the token."""

    def attack(repository: Path) -> None:
        for path in (repository / "checks" / "stage1_foundations").glob("test_*.py"):
            path.write_text("def test_nothing():\n    pass\n")
        (repository / "roadmap" / "grading" / "verdict.py").write_text("raise SystemExit(0)\n")
        (repository / ".github" / "workflows" / "autograde.yml").write_text("on: push\njobs: {}\n")
        (repository / "projects" / "conftest.py").write_text("import os; os._exit(0)\n")
        package = repository / "projects" / "stage1_foundations"
        (package / "attention.py").write_text(
            "import os, subprocess\n"
            "print('::error::pwned')\nprint('::set-output name=score::100', flush=True)\n"
            "found = ' '.join(os.environ.values())\n"
            "try:\n    found += open('/proc/1/environ').read()\nexcept OSError:\n    pass\n"
            f"print('found the token' if {CANARY!r} in found else 'no token')\n"
            "def causal_mask(queries, keys):\n    os._exit(0)\n"
        )

    head = pull_request(attack)
    code, output, reports = grade(base, head, tmp_path / "reports")
    report = reports["stage1_foundations"]
    assert (code, report["score"]) == (1, 0), output
    lines = output.splitlines()
    assert not [line for line in lines if line.strip().startswith(("::error::pwned", "::set-output"))]
    assert "found the token" not in output + json.dumps(report)
    assert CANARY not in output + json.dumps(report)


def test_pull_request_with_a_link_is_refused(
    base: Path, pull_request: Callable[[Callable[[Path], None]], str], tmp_path: Path
) -> None:
    def link(repository: Path) -> None:
        path = repository / "projects" / "stage1_foundations" / "attention.py"
        path.unlink()
        path.symlink_to("../../solutions/stage1_foundations/attention.py")

    code, output, reports = grade(base, pull_request(link), tmp_path / "reports")
    assert (code, reports) == (2, {})
    assert "is not a plain file" in output


def test_workflow_reads_only_and_keeps_no_credentials() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    text = (ROOT / ".github" / "workflows" / "autograde.yml").read_text()
    assert "secrets." not in text
    checkout = next(s for s in WORKFLOW["jobs"]["autograde"]["steps"] if "checkout" in s.get("uses", ""))
    assert checkout["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", ["autograde.yml", "tests.yml"])
def test_workflows_are_valid(name: str) -> None:
    actionlint = Path(sys.executable).with_name("actionlint")
    done = subprocess.run([actionlint, ROOT / ".github" / "workflows" / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

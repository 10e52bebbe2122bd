"""`roadmap run STAGE -- ARGS`: a stage's program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import roadmap
from roadmap.cli.console import load_course
from roadmap.cli.submission import package_root
from roadmap.course import installed
from roadmap.course.errors import UsageError
from roadmap.course.syllabus import Stage


def run(
    context: typer.Context,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="A stage: 1 or its folder's name.")],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="The folder that holds stage packages.  [projects]")
    ] = None,
) -> int:
    """Run a stage's program; what follows `--` goes to it, and its exit code comes back."""
    course = load_course()
    chosen = course.stage(stage)
    root = package_root(course, chosen, source)
    if chosen.planned and "__main__.py" not in chosen.package_files:
        raise UsageError(
            f"Stage {chosen.number} has no program yet: its task {chosen.planned[-1].id} is planned.",
            "`roadmap` shows the tasks that are there.",
        )
    if not (root / chosen.name / "__main__.py").is_file():
        raise UsageError(
            f"{root / chosen.name} has no __main__.py, so it is no program.",
            "Restore the file from the course's repository.",
        )
    installed.require(chosen)
    return run_program(chosen, root, context.args)


def run_program(stage: Stage, root: Path, arguments: list[str]) -> int:
    """Run `python -m <package>` with `root` and the course kit on the path, on this terminal; returns the exit code."""
    command = [sys.executable, "-P", "-m", stage.name, *arguments]
    process = subprocess.Popen(command, env=program_environment(root))
    patience: float | None = None
    while True:
        try:
            code = process.wait(patience)
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:
            patience = 2.0  # the terminal sent Ctrl-C to the program as well; it may be cleaning up
        except subprocess.TimeoutExpired:
            process.terminate()
            patience = None


def program_environment(root: Path) -> dict[str, str]:
    """The environment of a stage's program."""
    kit = Path(roadmap.__file__).resolve().parents[1]
    paths = [str(root), str(kit), *filter(None, [os.environ.get("PYTHONPATH")])]
    # OpenMP's spinning barrier makes a busy machine look slow by a factor of twenty.
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_WAIT_POLICY": "passive"}

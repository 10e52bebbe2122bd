"""`%check TASK` in a notebook: the grader's own verdict, from bases that stay warm while the kernel lives."""

from __future__ import annotations

import argparse
import atexit
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from roadmap.cli.console import load_course, select
from roadmap.cli.submission import digests, package_root, remember
from roadmap.course.errors import UsageError
from roadmap.course.progress import Progress
from roadmap.course.syllabus import Course, Stage

if TYPE_CHECKING:
    from roadmap.grading.session import Grader

_graders: dict[tuple[Path, str], Grader] = {}


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[0].upper()}{message[1:]}.", "Write it as: %check 1.6")


def register(shell: Any) -> None:
    """Give an IPython shell the magic `%check`."""
    shell.register_magic_function(check, "line", "check")


def check(line: str) -> None:
    """`%check STAGE|TASK [--from DIR] [--seed N]`: grade, and show the verdict in the notebook.

    The first call starts the grader's bases, which takes some seconds; later ones find them warm. What a person can put
    right is printed in two sentences.
    """
    from roadmap.artifacts.errors import ArtifactError
    from roadmap.grading.errors import GraderError

    try:
        _check(line)
    except (UsageError, ArtifactError) as error:
        print(error)
    except GraderError as error:
        print(f"{error.message} {error.advice}".strip())


def _check(line: str) -> None:
    from IPython.display import display

    from roadmap.grading.report import plain
    from roadmap.grading.report.words import Background
    from roadmap.lessons.verdict import render

    parser = _Arguments(prog="%check", add_help=False)
    parser.add_argument("what", metavar="TASK")
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args(line.split())
    course = load_course()
    stage, task = select(course, arguments.what)
    root = package_root(course, stage, arguments.source)
    before = digests(course, stage, root)
    report = _grader(course, stage).check(root, tasks=[task.id] if task else None, seed=arguments.seed)
    remember(Progress(course.root), stage, report, before)
    background = Background.of(course, stage)
    display({"text/html": render(report, background), "text/plain": plain.render(report, background)}, raw=True)


def _grader(course: Course, stage: Stage) -> Grader:
    """The warm grader of a stage; started at the first need, ended with the kernel."""
    from roadmap.grading.session import Grader

    key = (course.root, stage.name)
    if key not in _graders:
        _graders[key] = grader = Grader(course, stage)
        atexit.register(grader.__exit__, None, None, None)
    return _graders[key]

"""Plain `pytest checks/stage1_foundations --from solutions`: the pytest process is the judge and starts its candidates.

The hooks here are re-exported by `checks/conftest.py`.
"""

from __future__ import annotations

import dataclasses
import secrets
import tempfile
from pathlib import Path

import pytest

from ...course import Course, UsageError
from ..errors import GraderError
from ..session import Grader
from .plugin import CheckPlugin, StageRun

_ROOT = Path(__file__).resolve().parents[3]


class _Runs:
    """The stage runs of one pytest session, started at the first check of each stage."""

    def __init__(self, root: Path, source: Path, seed: int):
        self.course = Course.load(root)
        self.source = source
        self.seed = seed
        self._runs: dict[str, StageRun] = {}
        self._graders: list[Grader] = []
        self._folders: list[tempfile.TemporaryDirectory[str]] = []

    def of(self, folder: str) -> StageRun:
        if folder not in self._runs:
            try:
                grader = Grader(self.course, self.course.stage(folder))
                self._graders.append(grader)
                self._folders.append(tempfile.TemporaryDirectory(prefix="checks-", ignore_cleanup_errors=True))
                run, _ = grader.candidates_for(Path(self._folders[-1].name), self.source)
            except (UsageError, GraderError) as error:
                raise pytest.UsageError(f"{error.message} {error.advice}") from None
            self._runs[folder] = dataclasses.replace(run, seed=self.seed)
        return self._runs[folder]

    def close(self) -> None:
        for run in self._runs.values():
            run.desk.close()
        for grader in self._graders:
            grader.close()
        for folder in self._folders:
            folder.cleanup()


_RUNS = pytest.StashKey[_Runs]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options of a check run."""
    group = parser.getgroup("roadmap", "LLM Engineer Roadmap")
    group.addoption("--from", dest="source", default="projects", help="folder that holds stage packages")
    group.addoption("--seed", type=int, default=None, help="repeat a run exactly")


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin that runs the checks."""
    seed = config.getoption("--seed")
    seed = secrets.randbelow(2**32) if seed is None else seed
    source = Path(config.getoption("source"))
    source = source if source.is_absolute() or source.is_dir() else _ROOT / source
    runs = config.stash[_RUNS] = _Runs(_ROOT, source, seed)
    config.pluginmanager.register(CheckPlugin(runs.of), "roadmap-checks")


def pytest_report_header(config: pytest.Config) -> str:
    """What is graded, and how to repeat it."""
    runs = config.stash[_RUNS]
    return f"grading {runs.source} with --seed {runs.seed}"


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the candidates."""
    config.stash[_RUNS].close()

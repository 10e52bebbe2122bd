"""The baseline of the benchmarks: the same checks in one plain pytest process, the submission imported beside them.

No sandbox, no warm base, no limits: what a course without this grader would do. Used as a pytest plugin:
    pytest -p tests.benchmarks.inprocess checks/stage1_foundations
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roadmap import artifacts
from roadmap.grading.candidate.keeper import ADDRESS
from roadmap.grading.check import CheckSpec, spec_of
from roadmap.grading.errors import ErrorInfo
from roadmap.grading.judge.client import ProgramResult, Serve
from roadmap.grading.judge.models import Models

ROOT = Path(__file__).resolve().parents[2]
SUBMISSION = ROOT / os.environ.get("ROADMAP_BENCHMARK_FROM", "solutions")
PACKAGE = os.environ.get("ROADMAP_BENCHMARK_PACKAGE", "stage1_foundations")
TASKS = set(filter(None, os.environ.get("ROADMAP_BENCHMARK_TASKS", "").split(",")))
SEED = 1
_spent = 0.0  # seconds in the learner's code, of a pass over the checks


def seconds_of_the_learner(arguments: list[str]) -> float:
    """Run pytest twice in this process; the seconds that the second pass spent in the learner's code alone.

    By then all is imported and every model loaded, as in a warm grader. Programs, which would start anew, do not count.
    """
    global _spent
    for _ in range(2):
        _spent = 0.0
        if code := pytest.main(arguments):
            raise SystemExit(code)
    return _spent


@contextlib.contextmanager
def _spending() -> Iterator[None]:
    global _spent
    started = time.perf_counter()
    try:
        yield
    finally:
        _spent += time.perf_counter() - started


class _Modules:
    def __getattr__(self, name: str) -> Any:
        return importlib.import_module(f"{PACKAGE}.{name}")


class InProcess:
    """The `learner` of a check, without any process between."""

    def __init__(self, spec: CheckSpec):
        self._spec = spec

    def call(self, target: str, /, *args: Any, **kwargs: Any) -> Any:
        module, _, path = target.partition(".")
        value: Any = importlib.import_module(f"{PACKAGE}.{module}")
        for part in path.split("."):
            value = getattr(value, part)
        args, kwargs = _passed(args), _passed(kwargs)
        with _spending():
            result = value(*args, **kwargs)
        return _copied(result)

    def run(self, probe: Callable[..., Any], /, **data: Any) -> Any:
        data = _passed(data)
        if "models" in probe.__code__.co_varnames[: probe.__code__.co_argcount + probe.__code__.co_kwonlyargcount]:
            data["models"] = {name: artifacts.load_weights(name) for name in self._spec.models}
        with _spending():
            result = probe(_Modules(), **data)
        return _copied(result)

    def error(self, target: str, /, *args: Any, **kwargs: Any) -> ErrorInfo | None:
        return self._error(lambda: self.call(target, *args, **kwargs))

    def run_error(self, probe: Callable[..., Any], /, **data: Any) -> ErrorInfo | None:
        return self._error(lambda: self.run(probe, **data))

    def listen(self) -> tuple[socket.socket, int]:
        sock = socket.create_server(("127.0.0.1", 0))
        return sock, sock.getsockname()[1]

    def program(
        self,
        *argv: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        servers: Mapping[str, Serve] | None = None,
    ) -> ProgramResult:
        variables = os.environ | {"PYTHONPATH": f"{SUBMISSION}:{ROOT}"} | dict(environment or {})
        command = [sys.executable, "-m", PACKAGE, *argv]
        with contextlib.ExitStack() as serving:
            for name, serve in (servers or {}).items():
                sock, port = self.listen()
                serving.enter_context(sock)
                serving.enter_context(serve(sock))
                variables[name] = ADDRESS.format(port)
            return self._run_program(command, variables, stdin)

    @staticmethod
    def _run_program(command: list[str], variables: dict[str, str], stdin: bytes) -> ProgramResult:
        started = time.monotonic()
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=variables
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(stdin)
            process.stdin.close()
            chunks = []
            while data := os.read(process.stdout.fileno(), 1 << 16):
                chunks.append((time.monotonic() - started, data))
            errors = process.stderr.read()
        return ProgramResult(process.returncode, b"".join(data for _, data in chunks), errors, chunks)

    @staticmethod
    def _error(action: Callable[[], Any]) -> ErrorInfo | None:
        try:
            action()
        except Exception as error:
            return ErrorInfo(type(error).__name__, tuple(c.__name__ for c in type(error).__mro__), str(error))
        return None


def _passed(value: Any) -> Any:
    """Arguments as another process would get them: arrays of its own, so that changing them changes nothing here."""
    if isinstance(value, list | tuple):
        return type(value)(_passed(item) for item in value)
    if isinstance(value, dict):
        return {key: _passed(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.copy()
    return value.detach().clone() if hasattr(value, "detach") else value


def _copied(value: Any) -> Any:
    """Results as they would arrive: copies, tuples as lists, numbers as builtins."""
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else _passed(value)


@pytest.fixture
def learner(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Calls straight into the submission, in a folder of the check's own."""
    monkeypatch.chdir(tmp_path)
    spec = spec_of(request.function)
    assert spec is not None
    return InProcess(spec)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """The same numbers as the grader would draw for this seed."""
    return np.random.default_rng([SEED, zlib.crc32(request.node.name.encode())])


@pytest.fixture
def models() -> Models:
    """transformers' models, loaded at first use."""
    return Models()


def pytest_configure(config: pytest.Config) -> None:
    """Put the submission on the path."""
    sys.path[:0] = [str(SUBMISSION), str(ROOT)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tasks that are compared."""
    if TASKS:
        items[:] = [i for i in items if (s := spec_of(getattr(i, "function", None))) is not None and s.task in TASKS]

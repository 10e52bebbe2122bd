"""The `learner` of a check: calls into the submission, within the check's limits."""

from __future__ import annotations

import inspect
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..check import CheckSpec
from ..errors import CandidateDied, ErrorInfo, LearnerError, TimedOut
from .client import Candidate, Launcher, ProgramResult, Serve, Workplace, run_program
from .deadline import DeadlineSocket

MINIMUM_SECONDS = 5.0
LIMIT_FACTOR = 5.0
_SPAWN_SECONDS = 60.0  # a spawned candidate imports its libraries while the first call already waits


class Desk:
    """Hands out candidates: a fresh one, or the one that cheap checks of a task share."""

    def __init__(
        self, launcher: Launcher, submission: Path, workplace: Workplace, *, spawned: bool, factor: float = 1.0
    ):
        self.launcher = launcher
        self.submission = submission
        self.workplace = workplace
        self.spawned = spawned
        self.factor = factor
        self._shared: dict[tuple[str, int], tuple[Candidate, Path]] = {}

    def start(self, spec: CheckSpec, scratch: Path) -> Candidate:
        """A new candidate on `scratch`."""
        return Candidate(self.launcher, self.submission, scratch, spec.models, spec.memory_mb)

    def shared(self, spec: CheckSpec) -> tuple[Candidate, Path]:
        """The task's common candidate; after a crash or a limit, a new one."""
        key = (spec.task, spec.memory_mb)
        found = self._shared.get(key)
        if found is not None and found[0].is_quiet():
            return found
        self.close(except_for=key)
        scratch = found[1] if found is not None and found[1].is_dir() else self.workplace.scratch()
        self._shared[key] = (self.start(spec, scratch), scratch)
        return self._shared[key]

    def close(self, except_for: object = None) -> None:
        """End the shared candidates of tasks that are done."""
        for key in [key for key in self._shared if key != except_for]:
            candidate, scratch = self._shared.pop(key)
            candidate.retire()
            self.workplace.remove(scratch)


class Learner:
    """What a check calls. One object a check; `close()` ends what it started."""

    def __init__(self, desk: Desk, spec: CheckSpec):
        self._desk = desk
        self._spec = spec
        limit = LIMIT_FACTOR * spec.seconds if spec.limit is None else spec.limit
        self.limit = max(MINIMUM_SECONDS, limit * desk.factor)
        self._remaining = self.limit
        self._candidate: Candidate | None = None
        self._scratch: Path | None = None
        self._owned = spec.fresh
        self._printed_before = 0
        self.printed = bytearray()
        self.connected = False  # whether the check holds sockets whose other end is the submission

    def call(self, target: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call `module.function` (or `module.Class`) of the submission with plain data; returns plain data."""
        return self._ask({"op": "call", "target": target, "args": list(args), "kwargs": kwargs})

    def run(self, probe: Callable[..., Any], /, **data: Any) -> Any:
        """Run a probe beside the submission. Its whole module travels as source, found where the probe was defined.

        A probe written among checks travels alone: what the checks expect must not reach the submission.
        """
        module = sys.modules[probe.__module__]
        among_checks = Path(module.__file__ or "").name.startswith("test_")
        source = inspect.getsource(probe if among_checks else module)
        return self._ask({"op": "run", "source": source, "name": probe.__name__, "data": data})

    def error(self, target: str, /, *args: Any, **kwargs: Any) -> ErrorInfo | None:
        """The exception that a call raises, or None when it raises none."""
        return self._error_of(lambda: self.call(target, *args, **kwargs))

    def run_error(self, probe: Callable[..., Any], /, **data: Any) -> ErrorInfo | None:
        """The exception that a probe raises, or None when it raises none."""
        return self._error_of(lambda: self.run(probe, **data))

    def program(
        self,
        *argv: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        servers: Mapping[str, Serve] | None = None,
    ) -> ProgramResult:
        """Run the submission as `python -m <package> argv`, in a process of its own on this check's scratch folder.

        `environment` is added to its own. `servers` maps a variable to what serves on a socket, such as
        `lambda sock: serve(application, sock)`: the program finds the server's address in that variable.
        """
        started = time.monotonic()
        allowance = _SPAWN_SECONDS if self._desk.spawned else 0.0
        try:
            result = run_program(
                self._desk.launcher,
                self._desk.submission,
                self._scratch_folder(),
                [str(argument) for argument in argv],
                stdin,
                models=self._spec.models,
                memory_mb=self._spec.memory_mb,
                seconds=max(0.01, self._remaining) + allowance,
                environment=environment,
                servers=servers,
            )
        except TimedOut:
            raise TimedOut(self.limit) from None  # of the whole check, not of what was left for this program
        finally:
            self._remaining -= max(0.0, time.monotonic() - started - allowance)
        self.printed += result.stdout + result.stderr
        return result

    def restart(self) -> None:
        """Kill the submission's processes; the next call starts it again on the same scratch folder."""
        self._scratch_folder()
        if self._candidate is not None:
            self._note_output()
            self._candidate.discard()
            self._candidate = None
        self._owned = True

    def listen(self) -> tuple[socket.socket, int]:
        """A socket that listens inside the submission's network and is served here, with its port."""
        answer, sock = self._get().open_socket({"op": "listen"})
        return sock, int(answer["port"])

    def connect(self, port: int) -> socket.socket:
        """A connection into the submission's network, to what it serves on `port`.

        Reading from it raises TimeoutError once the check's time is up: the verdict is then `timed_out`.
        """
        sock = self._get().open_socket({"op": "connect", "port": port})[1]
        self.connected = True
        return DeadlineSocket.of(sock, time.monotonic() + max(0.01, self._remaining))

    def close(self) -> None:
        """End what this check started; a shared candidate goes on."""
        if self._candidate is not None:
            self._note_output()
            if self._owned:
                self._candidate.retire()
        if self._owned and self._scratch is not None:
            self._desk.workplace.remove(self._scratch)
        self._candidate = self._scratch = None

    # --- below: how a call travels -------------------------------------------------------------------------------

    def _ask(self, request: dict[str, Any]) -> Any:
        if self._remaining <= 0:
            raise TimedOut(self.limit)
        fresh = self._candidate is None
        candidate = self._get()
        inherited = fresh and not self._owned and candidate.used
        # It may have been started before, for a socket: its imports are paid for by the first call all the same.
        allowance = _SPAWN_SECONDS if self._desk.spawned and not candidate.used else 0.0
        started = time.monotonic()
        judging = 0.0
        callbacks: list[Callable[..., Any]] = []
        try:
            value, judging = candidate.ask(request, callbacks, started + self._remaining + allowance, self.limit)
            return value
        except CandidateDied:
            if not inherited or callbacks:
                raise
        finally:
            self._remaining -= max(0.0, time.monotonic() - started - judging - allowance)
        # It may have been dying since an earlier check, whose doing this one must not pay for.
        return self._ask(request)

    def _get(self) -> Candidate:
        if self._candidate is None or not self._candidate.alive:
            if self._owned:
                self._candidate = self._desk.start(self._spec, self._scratch_folder())
                self._printed_before = 0
            else:
                self._candidate, self._scratch = self._desk.shared(self._spec)
                self._candidate.output.drain()
                self._printed_before = len(self._candidate.output.text)
        return self._candidate

    def _scratch_folder(self) -> Path:
        if self._scratch is None:
            self._owned = True
            self._scratch = self._desk.workplace.scratch()
        return self._scratch

    def _note_output(self) -> None:
        assert self._candidate is not None
        if self._candidate.alive:
            self._candidate.output.drain()
        self.printed += self._candidate.output.text[self._printed_before :]
        self._printed_before = len(self._candidate.output.text)

    def _error_of(self, action: Callable[[], Any]) -> ErrorInfo | None:
        try:
            action()
        except LearnerError as error:
            if "NotImplementedError" in error.info.bases:
                raise
            return error.info
        return None

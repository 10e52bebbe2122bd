"""The judge's end of a candidate: launch it, call into it, drain what it prints, end it at its limits."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .. import wire
from ..bases import Process, start_candidate_base
from ..candidate.base import BaseConfig
from ..candidate.keeper import ADDRESS
from ..errors import (
    CandidateDied,
    CheckFailed,
    ErrorInfo,
    GraderError,
    LearnerError,
    OutOfMemory,
    TimedOut,
    Verdict,
    WireError,
)
from ..removal import remove_tree

OUTPUT_LIMIT = 1024 * 1024
JUDGING_FACTOR = 3.0  # how much of the judge's own time a call may use for callbacks, in wall limits
_READS_AT_ONCE = 64
_SERVER_SECONDS = 5.0  # until a new candidate's servers are bound

Serve = Callable[[socket.socket], AbstractContextManager[Any]]
_MESSAGE_LIMIT = 4000
_NAME_LIMIT = 200
_MOST_FRAMES = 12
_MEMORY_WORDS = ("DefaultCPUAllocator", "could not create a primitive", "bad_alloc", "Cannot allocate memory")


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a candidate ended: an exit code, negative for a signal; `over` names a limit that it crossed."""

    code: int | None
    over: str | None = None

    def sentence(self) -> str:
        """In words for the learner."""
        if self.over == "disk":
            return "your code wrote more to disk than a check allows"
        if self.over == "processes":
            return "your code started more processes than a check allows"
        if self.code is None:
            return "your code's process ended"
        if self.code < 0:
            with contextlib.suppress(ValueError):
                return f"your code's process was killed by {signal.Signals(-self.code).name}"
            return f"your code's process was killed by signal {-self.code}"
        return f"your code ended its process with exit code {self.code} in the middle of a call"


class Output:
    """What a candidate prints, kept up to a cap and drained beyond it."""

    def __init__(self, fd: int):
        self.fd = fd
        self.text = bytearray()
        self.chunks: list[tuple[float, bytes]] = []
        self.closed = False
        os.set_blocking(fd, False)

    def drain(self) -> None:
        """Read what is there now. Bounded: several writers can fill the pipe faster than one reader empties it."""
        for _ in range(_READS_AT_ONCE):
            if self.closed:
                return
            try:
                data = os.read(self.fd, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                self.closed = True
                return
            room = OUTPUT_LIMIT - len(self.text)
            if room > 0:
                self.text += data[:room]
                self.chunks.append((time.monotonic(), data[:room]))

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self.fd)


class _Kept:
    """A forked candidate, reached through its keeper."""

    def __init__(self, control: socket.socket):
        self.control = control

    def poll_object(self) -> socket.socket:
        return self.control

    def kill(self) -> None:
        with contextlib.suppress(wire.Closed, OSError):
            wire.send(self.control, wire.encode({"op": "kill"}))

    def ending(self, seconds: float) -> Ending:
        deadline = time.monotonic() + seconds
        while True:
            try:
                message = wire.decode(wire.receive(self.control, deadline))
            except (wire.Closed, wire.Timeout, WireError):
                return Ending(None)
            if "failed" in message:
                raise GraderError(f"A candidate could not be started: {message['failed']}")
            if "exited" in message:
                return Ending(message["exited"], message["over"])

    def ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], socket.socket]:
        wire.send(self.control, wire.encode(request))
        data, fds = wire.receive_with_fds(self.control, time.monotonic() + 5)
        answer = wire.decode(data)
        if not fds:
            raise CandidateDied(f"nothing answers on port {request.get('port', '')} of your program: {answer}")
        return answer, socket.socket(fileno=fds[0])

    def servers(self, names: Sequence[str]) -> list[socket.socket]:
        found = []
        for _ in names:
            data, fds = wire.receive_with_fds(self.control, time.monotonic() + _SERVER_SECONDS)
            if not fds:
                raise GraderError(f"A candidate could not be started: {wire.decode(data).get('failed')}")
            found.append(socket.socket(fileno=fds[0]))
        return found

    def close(self) -> None:
        self.control.close()


class _Spawned:
    """A candidate started as a process of its own, where forking is not possible or not wanted."""

    def __init__(self, process: Process, listening: list[socket.socket]):
        self.process = process
        self.listening = listening

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self.process.child.pid, signal.SIGKILL)

    def ending(self, seconds: float) -> Ending:
        try:
            return Ending(self.process.child.wait(seconds))
        except subprocess.TimeoutExpired:
            return Ending(None)

    def servers(self, names: Sequence[str]) -> list[socket.socket]:
        return self.listening

    def ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], socket.socket]:
        if request["op"] == "listen":
            server = socket.create_server(("127.0.0.1", 0))
            return {"port": server.getsockname()[1]}, server
        try:
            connection = socket.create_connection(("127.0.0.1", request["port"]), timeout=1)
            connection.settimeout(None)
            return request, connection
        except OSError as error:
            raise CandidateDied(f"nothing answers on port {request['port']} of your program: {error}") from None

    def close(self) -> None:
        self.process.close()


class Launcher:
    """Starts candidates for one judge: through the warm base's channel, or by spawning."""

    def __init__(self, channel: socket.socket | None, config: BaseConfig | None = None):
        self._channel = channel
        self._config = config

    def launch(self, request: dict[str, Any], fds: list[int], stdin: int | None) -> _Kept | _Spawned:
        """Start a candidate. `fds` are its ends: wire or stdin, output, and for programs errors."""
        if self._channel is not None:
            ours, theirs = socket.socketpair()
            try:
                wire.send(self._channel, wire.encode(request), (theirs.fileno(), *fds))
            except (wire.Closed, OSError) as error:
                raise GraderError(f"The candidate base is gone ({error}).") from None
            finally:
                theirs.close()
            return _Kept(ours)
        assert self._config is not None
        listening = []
        for name in request.get("listen", ()):  # it shares our network
            listening.append(socket.create_server(("127.0.0.1", 0)))
            address = ADDRESS.format(listening[-1].getsockname()[1])
            request = {**request, "environment": {**request["environment"], name: address}}
        process = Process("roadmap.grading.candidate.base", None)
        process.say({"config": dataclasses.asdict(self._config), "models": request["models"], "launch": True})
        wire.send(process.socket, wire.encode(request), tuple(fds))
        return _Spawned(process, listening)


class Candidate:
    """One live candidate process, serving calls."""

    def __init__(self, launcher: Launcher, root: Path, scratch: Path, models: tuple[str, ...], memory_mb: int):
        self.memory_mb = memory_mb
        os.chmod(scratch, 0o700)  # an earlier candidate may have locked its successor out
        self._sock, theirs = socket.socketpair()
        read_fd, write_fd = os.pipe()
        request = {"root": str(root), "scratch": str(scratch), "models": list(models), "memory_mb": memory_mb}
        try:
            self._handle = launcher.launch(request, [theirs.fileno(), write_fd], None)
        finally:
            theirs.close()
            os.close(write_fd)
        self.output = Output(read_fd)
        self._requests = 0
        self.alive = True

    def ask(
        self, request: dict[str, Any], callbacks: list[Callable[..., Any]], deadline: float, limit: float
    ) -> tuple[Any, float]:
        """One call and its answer. Returns (value, seconds that the judge itself spent answering callbacks).

        Raises LearnerError, CandidateDied, TimedOut, OutOfMemory, or CheckFailed for an answer that is not plain data.
        """
        self._requests += 1
        request["id"] = self._requests
        judging = 0.0

        def register(function: Callable[..., Any]) -> int:
            callbacks.append(function)
            return len(callbacks) - 1

        data = wire.encode(request, register)  # what cannot be sent here is the check's fault, not the answer's
        try:
            wire.send(self._sock, data, deadline=deadline)
            while True:
                answer = wire.decode(self._receive(deadline), tuples_as_lists=True)
                if not isinstance(answer, dict) or type(answer.get("id")) is not int or answer["id"] != self._requests:
                    raise WireError("an answer to another question")
                if "callback" not in answer:
                    return self._result(answer), judging
                started = time.monotonic()
                reply = self._call_back(answer, callbacks)
                spent = time.monotonic() - started
                judging += spent
                if judging > JUDGING_FACTOR * limit:  # a loop that asks without end never uses up its own time
                    raise wire.Timeout
                deadline += spent
                wire.send(self._sock, wire.encode(reply), deadline=deadline)
        except wire.Timeout:
            self.discard()
            raise TimedOut(limit) from None
        except wire.Closed:
            raise self._death() from None
        except WireError as error:
            self.discard()
            raise CheckFailed(f"Your code's answer could not be read: {error}.") from None

    def _receive(self, deadline: float) -> bytes:
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        if not self.output.closed:
            poller.register(self.output.fd, select.POLLIN)
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise wire.Timeout
            ready = {fd for fd, _ in poller.poll(remaining * 1000)}
            if self.output.fd in ready:
                self.output.drain()
                if self.output.closed:
                    poller.unregister(self.output.fd)
            if self._sock.fileno() in ready:
                self.output.drain()
                return wire.receive(self._sock, deadline)

    def _result(self, answer: dict[str, Any]) -> Any:
        if "value" in answer:
            return answer["value"]
        if "unsendable" in answer:
            why = answer["unsendable"]
            if not isinstance(why, str):
                raise WireError("a refusal without its reason")
            raise CheckFailed(f"Your function returned something that cannot be graded: {why[:_MESSAGE_LIMIT]}.")
        raise self._learner_error(answer.get("error"))

    def _learner_error(self, error: Any) -> Verdict:
        try:
            info = ErrorInfo(
                type=str(error["type"])[:_NAME_LIMIT],
                bases=tuple(str(base)[:_NAME_LIMIT] for base in error["bases"][:_NAME_LIMIT]),
                message=str(error["message"])[:_MESSAGE_LIMIT],
                frames=tuple(
                    {
                        "file": str(f["file"])[:_NAME_LIMIT],
                        "line": int(f["line"]),
                        "function": str(f["function"])[:_NAME_LIMIT],
                        "source": str(f["source"])[:_NAME_LIMIT],
                    }
                    for f in error["frames"][:_MOST_FRAMES]
                ),
            )
        except Exception:  # an array, an infinity, a number too long to print: whatever a stranger can think of
            raise WireError("an error without its description") from None
        if "MemoryError" in info.bases or any(word in info.message for word in _MEMORY_WORDS):
            return OutOfMemory(self.memory_mb)
        return LearnerError(info)

    def _call_back(self, message: dict[str, Any], callbacks: list[Callable[..., Any]]) -> dict[str, Any]:
        number, args, kwargs = message["callback"], message.get("args"), message.get("kwargs")
        if not (type(number) is int and 0 <= number < len(callbacks)):
            raise WireError("a callback that was never given")
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise WireError("a callback without arguments")
        try:
            return {"value": callbacks[number](*args, **kwargs)}
        except Verdict:
            self.discard()
            raise
        except TypeError as error:
            return {"raise": f"the function was called in a way it does not support: {error}"}
        except ValueError as error:
            return {"raise": str(error)}
        except Exception as error:  # its arguments are a stranger's: they may be anything
            return {"raise": f"the function could not work with what it was given: {type(error).__name__}: {error}"}

    def _death(self) -> Verdict:
        ending = self.discard()
        if ending.over == "memory":
            return OutOfMemory(self.memory_mb)
        return CandidateDied(ending.sentence())

    def open_socket(self, request: dict[str, Any]) -> tuple[dict[str, Any], socket.socket]:
        """A socket inside the candidate's network: `{"op": "listen"}` or `{"op": "connect", "port": n}`."""
        return self._handle.ask(request)

    def discard(self) -> Ending:
        """End the candidate's processes, whatever they are doing, and read the rest of what it printed."""
        if not self.alive:
            return Ending(None)
        self.alive = False
        # A candidate that died by itself has said how; killing it first would hide that.
        try:
            ended = not self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            ended = False
        except OSError:
            ended = True
        ending = self._handle.ending(1.0) if ended else None
        if ending is None or ending.code is None:
            self._handle.kill()
            ending = self._handle.ending(5.0)
        self.output.drain()
        self.output.close()
        self._sock.close()
        self._handle.close()
        return ending

    @property
    def used(self) -> bool:
        """Whether it was asked anything yet."""
        return self._requests > 0

    def is_quiet(self) -> bool:
        """Whether it lives and waits for a question; one that has ended or talks unasked is ended."""
        if self.alive:
            try:
                self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except OSError:
                pass
            self.discard()
        return False

    def retire(self) -> None:
        """End a candidate whose work is done; how it ends is of no interest."""
        if not self.alive:
            return
        self.alive = False
        self._handle.kill()
        self.output.drain()
        self.output.close()
        self._sock.close()
        self._handle.close()


@dataclasses.dataclass(frozen=True)
class ProgramResult:
    """A finished program: its exit code (negative for a signal), what it wrote, and when: `[(seconds, bytes)]`."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    chunks: list[tuple[float, bytes]]


def run_program(
    launcher: Launcher,
    root: Path,
    scratch: Path,
    argv: list[str],
    stdin: bytes,
    *,
    models: tuple[str, ...],
    memory_mb: int,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    servers: Mapping[str, Serve] | None = None,
) -> ProgramResult:
    """Run `python -m <package> argv` in a candidate of its own; the judge's clock times each piece of its output.

    `servers` maps an environment variable to what serves on the socket whose address the variable will hold.
    """
    servers = servers or {}
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    request = {"root": str(root), "scratch": str(scratch), "models": list(models), "memory_mb": memory_mb, "argv": argv}
    request |= {"environment": dict(environment or {}), "listen": list(servers)}
    started = time.monotonic()
    try:
        handle = launcher.launch(request, [in_read, out_write, err_write], in_read)
    finally:
        for fd in (in_read, out_write, err_write):
            os.close(fd)
    with contextlib.suppress(BrokenPipeError), os.fdopen(in_write, "wb") as pipe:
        pipe.write(stdin[: 1 << 16])
    out, err = Output(out_read), Output(err_read)
    poller = select.poll()
    poller.register(out.fd, select.POLLIN)
    poller.register(err.fd, select.POLLIN)
    deadline = started + seconds
    serving = contextlib.ExitStack()
    try:
        for sock, serve in zip(handle.servers(list(servers)), servers.values(), strict=True):
            serving.enter_context(sock)
            serving.enter_context(serve(sock))
        while not (out.closed and err.closed):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                handle.kill()
                handle.ending(5.0)
                raise TimedOut(seconds)
            for fd, _ in poller.poll(remaining * 1000):
                stream = out if fd == out.fd else err
                stream.drain()
                if stream.closed:
                    poller.unregister(fd)
        ending = handle.ending(max(0.1, deadline - time.monotonic()))
        if ending.over == "memory":
            raise OutOfMemory(memory_mb)
        if ending.code is None:
            handle.kill()
            handle.ending(5.0)
            raise TimedOut(seconds)
        chunks = [(when - started, data) for when, data in out.chunks]
        return ProgramResult(ending.code, bytes(out.text), bytes(err.text), chunks)
    finally:
        serving.close()
        out.close()
        err.close()
        handle.close()


class Workplace:
    """The folders of one run: the copied submission, and a scratch folder for each line of candidates."""

    def __init__(self, root: Path):
        self.root = root

    def scratch(self) -> Path:
        """A new empty scratch folder."""
        return Path(tempfile.mkdtemp(prefix="scratch-", dir=self.root))

    def remove(self, scratch: Path) -> None:
        """Delete a scratch folder and all that a candidate left there."""
        remove_tree(scratch)


__all__ = ["Candidate", "Launcher", "ProgramResult", "Workplace", "run_program", "start_candidate_base"]

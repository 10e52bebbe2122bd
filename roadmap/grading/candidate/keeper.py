"""Outside the sandbox, one keeper for each candidate: starts it, watches its memory and disk, ends it, says how.

The keeper stays in the candidate's network namespace but outside its process namespace: learners' code never sees it.
It is trusted; so it also binds sockets inside that network and makes connections into it, and passes them out.

It opens the candidate's world before anybody asks for a candidate: three forks of a process that holds torch, and the
namespaces, take longer than all that remains to be done then.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from .. import wire
from ..errors import WireError
from ..sandbox import Layers
from ..sandbox.limits import MEGABYTE, Limits

_POLL_SECONDS = 0.05
_LEAST_FILE = 4096
ADDRESS = "http://127.0.0.1:{}"
_EXIT = struct.Struct("=i")


class _World(NamedTuple):
    """A process in its sandbox that waits at its door for a request: process 1 of its namespace, or itself."""

    child: int
    door: socket.socket
    status: int  # where process 1 leaves the exit code


class Keeper:
    """Opens a world, waits for the request for a candidate, and keeps the candidate.

    `body` is what the sandboxed process does with its end of the door; it never returns. A request's `listen` names
    environment variables: each gets the address of a socket that listens in the candidate's network from before its
    first line, and is the judge's to serve.
    """

    def __init__(self, layers: Layers, hide: list[str], body: Callable[[socket.socket], NoReturn]):
        self._layers = layers
        self._hide = hide
        self._body = body
        # What the base holds, and a candidate with it. Its own memory is private from the start: a fork shares all.
        self._inherited = _resident_bytes(os.getppid())
        self._over: str | None = None

    def run(self, orders: socket.socket) -> NoReturn:
        """Open the world, then keep the candidate that the base orders until it ends or the judge says so.

        The order is the judge's request, with the descriptors of the control and of what the candidate will hold.
        """
        world, failed = None, ""
        try:
            world = self._open_world(orders)
        except OSError as error:  # nobody is there yet who could be told
            failed = f"{type(error).__name__}: {error}"
        try:
            data, fds = wire.receive_with_fds(orders)
        except (wire.Closed, WireError):  # the base is gone, or needs no candidate
            if world is not None:
                _kill(world.child, group=not self._layers.namespaces)
            os._exit(0)
        self._control = socket.socket(fileno=fds[0])
        if world is None:
            self._say({"exited": None, "over": None, "failed": failed})
            os._exit(0)
        request = wire.decode(data)
        self._limits, self._scratch = Limits(memory_mb=request["memory_mb"]), request["scratch"]
        request["environment"] = request.get("environment", {}) | self._open_servers(request.get("listen", ()))
        with contextlib.suppress(wire.Closed, OSError):  # then it has failed, and its last words say how
            wire.send(world.door, wire.encode(request), tuple(fds[1:]))
        self._keep(world)

    def _open_world(self, orders: socket.socket) -> _World:
        from ..sandbox import namespaces

        door, inside = socket.socketpair()
        status_read, status_write = os.pipe()
        if self._layers.namespaces:
            namespaces.enter()
        child = os.fork()
        if child == 0:
            try:
                orders.close()
                door.close()
                os.close(status_read)
                if self._layers.namespaces:
                    self._be_init(status_write, inside)
                os.setsid()
                self._body(inside)
            except BaseException as error:
                with contextlib.suppress(wire.Closed, OSError):
                    wire.send(inside, wire.encode({"failed": f"{type(error).__name__}: {error}"}))
            os._exit(1)
        inside.close()
        os.close(status_write)
        return _World(child, door, status_read)

    def _keep(self, world: _World) -> NoReturn:
        child = world.child
        pidfd = os.pidfd_open(child)
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(pidfd, select.POLLIN)
        next_disk_check = time.monotonic() + 0.5
        while True:
            ready = {fd for fd, _ in poller.poll(_POLL_SECONDS * 1000)}
            if pidfd in ready:
                break
            if self._control.fileno() in ready and not self._serve():
                break
            self._over = self._over or self._excess(child)
            if self._over is None and time.monotonic() >= next_disk_check:
                next_disk_check = time.monotonic() + 0.5
                self._over = self._disk_excess(child)
            if self._over:
                break
        _kill(child, group=not self._layers.namespaces)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        reported = os.read(world.status, _EXIT.size) if self._layers.namespaces else b""
        if len(reported) == _EXIT.size:
            (code,) = _EXIT.unpack(reported)
        if failed := _last_words(world.door):
            self._say({"exited": None, "over": None, "failed": failed})
        else:
            self._say({"exited": code, "over": self._over})
        os._exit(0)

    def _say(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(wire.Closed, OSError):  # where the judge is gone nobody waits for the answer
            wire.send(self._control, wire.encode(message))

    def _open_servers(self, names: Sequence[str]) -> dict[str, str]:
        addresses = {}
        for name in names:
            with socket.create_server(("127.0.0.1", 0)) as server:
                addresses[name] = ADDRESS.format(server.getsockname()[1])
                self._answer({"listening": name}, server)
        return addresses

    def _be_init(self, status_write: int, inside: socket.socket) -> NoReturn:
        """Process 1 of the candidate's world: reaps orphans, and takes everything down with the learner's process."""
        from ..sandbox import namespaces

        namespaces.die_with_parent()
        namespaces.private_mounts(self._hide, Limits.processes)
        learner = os.fork()
        if learner == 0:
            os.close(status_write)
            os.setsid()
            self._body(inside)
        inside.close()
        while True:
            pid, status = os.wait()
            if pid == learner:
                os.write(status_write, _EXIT.pack(os.waitstatus_to_exitcode(status)))
                os._exit(0)

    def _serve(self) -> bool:
        """Answer one request of the judge; False when the candidate is to end."""
        try:
            request = wire.decode(wire.receive(self._control))
            if request["op"] == "listen":
                with socket.create_server(("127.0.0.1", 0)) as server:
                    self._answer({"port": server.getsockname()[1]}, server)
            elif request["op"] == "connect":
                with socket.create_connection(("127.0.0.1", request["port"]), timeout=1) as connection:
                    connection.settimeout(None)  # the flag would travel with the descriptor
                    self._answer({"port": request["port"]}, connection)
            else:
                return False
        except (wire.Closed, WireError):
            return False
        except OSError as error:
            self._answer({"refused": os.strerror(error.errno or 0)}, None)
        return True

    def _answer(self, message: dict[str, Any], sock: socket.socket | None) -> None:
        wire.send(self._control, wire.encode(message), (sock.fileno(),) if sock else ())

    def _excess(self, top: int) -> str | None:
        """`processes` or `memory` once the candidate has more of them than allowed, swallowed errors or not."""
        allowed = self._limits.memory_mb * MEGABYTE
        most = self._limits.most_processes
        if _population(top) > most:
            return "processes"
        pids = _descendants(top, most)
        if len(pids) > most:
            return "processes"
        if sum(_resident_bytes(pid) for pid in pids) <= allowed:
            return None
        memory = []
        for pid in pids:
            memory.append(_memory(pid))
            if _population(top) > most:  # reading waits for a process that is forking: time enough for a bomb
                return "processes"
        # What a process shares with one that it forked is nobody's private memory, but a part of somebody's share.
        used = max(sum(m.private for m in memory), sum(m.proportional for m in memory) - self._inherited)
        return "memory" if used > allowed else None

    def _disk_excess(self, top: int) -> str | None:
        """`disk` once the scratch folder, and the deleted files that are still open, hold more than allowed."""
        allowed = self._limits.scratch_mb * MEGABYTE
        total = _deleted_bytes(_descendants(top))
        waiting = [self._scratch]
        while waiting and total <= allowed:
            try:
                with os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        # An empty file or folder costs the file system something, too.
                        total += max(entry.stat(follow_symlinks=False).st_blocks * 512, _LEAST_FILE)
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
            except OSError:
                continue
        return "disk" if total > allowed else None


def _last_words(door: socket.socket) -> str:
    """Why the process behind the door never became a candidate; empty for one that did, and so has closed the door."""
    with contextlib.suppress(wire.Closed, wire.Timeout, WireError, OSError):
        return str(wire.decode(wire.receive(door, time.monotonic() + _POLL_SECONDS))["failed"])
    return ""


def _kill(pid: int, *, group: bool) -> None:
    for end in (os.killpg, os.kill) if group else (os.kill,):
        try:
            end(pid, signal.SIGKILL)
        except OSError:
            continue


def _population(init: int) -> int:
    """How many processes the candidate's world shows, 0 where it has no `/proc` of its own. Cheap even amid a bomb."""
    theirs = os.path.join("/proc", str(init), "root", "proc")
    try:
        if os.stat(theirs).st_dev == os.stat("/proc").st_dev:  # not mounted yet, or refused: this is the host's
            return 0
        return sum(name.isdecimal() for name in os.listdir(theirs))
    except OSError:
        return 0


def _descendants(top: int, most: int = 1000) -> list[int]:
    """The process and all below it, up to a few more than `most`: a keeper among busy hundreds has little time."""
    found: list[int] = []
    waiting = [top]
    while waiting and len(found) + len(waiting) <= most:
        pid = waiting.pop()
        found.append(pid)
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children") as children:
                    waiting.extend(int(child) for child in children.read().split())
        except OSError:
            continue
    return found + waiting


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


class _Memory(NamedTuple):
    """Bytes that a process holds: alone, and with shared pages divided by those who share them."""

    private: int
    proportional: int


def _memory(pid: int) -> _Memory:
    found: dict[str, int] = {}
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            next(rollup)
            for line in rollup:
                name, value = line.split(":")
                found[name] = int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError, StopIteration):
        return _Memory(0, 0)
    private = found.get("Private_Clean", 0) + found.get("Private_Dirty", 0) + found.get("Private_Hugetlb", 0)
    swap = found.get("Swap", 0)
    return _Memory(private + swap, found.get("Pss", 0) + found.get("SwapPss", 0))


def _deleted_bytes(pids: list[int]) -> int:
    """What deleted files hold that one of the processes still has open: no folder shows them."""
    seen: dict[tuple[int, int], int] = {}
    for pid in pids:
        try:
            with os.scandir(f"/proc/{pid}/fd") as descriptors:
                for entry in descriptors:
                    status = os.stat(entry.path)
                    if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                        seen[status.st_dev, status.st_ino] = status.st_blocks * 512
        except OSError:
            continue
    return sum(seen.values())


def fresh_descriptors(stdin: int | None, stdout: int, stderr: int, wire_fd: int | None) -> int | None:
    """Leave this process with descriptors 0, 1, 2 and the wire, and nothing else. Returns the wire's number, 3."""
    null = os.open(os.devnull, os.O_RDWR)
    sources = [null if stdin is None else stdin, stdout, stderr] + ([] if wire_fd is None else [wire_fd])
    # Copies above the targets first, so that no dup2 overwrites a source that is still needed.
    high = [os.dup2(fd, 200 + i) for i, fd in enumerate(sources)]
    for target, fd in enumerate(high):
        os.dup2(fd, target)
    os.closerange(len(sources), 65536)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  open as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115  open as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115  open as long as the process
    return None if wire_fd is None else 3

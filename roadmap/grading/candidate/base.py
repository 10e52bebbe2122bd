"""The candidate base: a warm process with the stage's libraries and models, forked once for each candidate.

It never sees a check, an oracle, a seed or a report path, because whatever it ever held a candidate can read.
Started by exec with a clean environment (`roadmap.grading.bases`); speaks on the socket whose number is in argv.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from .. import wire
from ..errors import WireError
from ..reaping import reap
from ..sandbox import Layers, layers
from ..sandbox.limits import Limits
from ..sharing import gather, share
from . import forbid
from .keeper import Keeper, fresh_descriptors
from .serve import Server, run_program

_SYSTEM_READ = (
    "/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/passwd", "/etc/localtime", "/etc/ssl", "/etc/hosts",
    "/etc/nsswitch.conf", "/etc/mime.types", "/proc", "/sys/devices/system/cpu",
)  # fmt: skip
_SANDBOX = Layers.__module__
_SYSTEM_WRITE = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/shm")


@dataclass(frozen=True)
class BaseConfig:
    """What a candidate base needs to know. All of it may be seen by the learner's code."""

    package: str
    kit: str  # the folder of the `roadmap` package, readable for candidates
    libraries: tuple[str, ...]
    blocked: tuple[str, ...]
    forbidden: tuple[str, ...]
    hide: tuple[str, ...]
    mode: str


class CandidateBase:
    """Holds the warm state and turns launch requests into keepers."""

    def __init__(self, config: BaseConfig, control: socket.socket):
        self._config = config
        self._control = control
        self._layers: Layers = layers(config.mode)
        self._loaded: dict[str, Any] = {}
        self._channels: dict[int, socket.socket] = {}
        self._spare: socket.socket | None = None  # where a keeper with an open world waits for its order
        self._hidden = list(config.hide)
        self._read: list[str] = []

    def warm_up(self) -> None:
        """Import what candidates will want, then take away what the stage forbids."""
        sandbox = [f"{_SANDBOX}.{name}" for name in ("landlock", "namespaces", "seccomp")] if self._layers.fork else []
        for name in (*sandbox, *self._config.libraries):
            importlib.import_module(name)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        _disarm_tqdm()
        self._hidden += forbid.block(self._config.blocked)
        forbid.poison(self._config.forbidden)
        from roadmap import artifacts

        self._forget_course_root()
        cache = str(artifacts.store.root())
        folders = {sys.base_prefix, sys.prefix, self._config.kit, cache, *(p for p in sys.path if p)}
        self._read = [*_SYSTEM_READ, *sorted({os.path.realpath(f) for f in folders} | folders)]
        self._artifacts = artifacts

    def _forget_course_root(self) -> None:
        """Checks and solutions lie beside the kit: what is loaded stays loaded, the folder is no longer searched."""
        parent = os.path.dirname(self._config.kit)
        if os.path.isdir(os.path.join(parent, "stages")):
            sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != os.path.realpath(parent)]

    def load(self, names: list[str]) -> None:
        """Load models into memory that every later candidate shares."""
        for name in names:
            if name not in self._loaded:
                self._loaded[name] = self._artifacts.load_weights(name)
                share(self._loaded[name].weights.values())
        if self._spare is not None:  # it does not hold them
            self._spare.close()
            self._spare = None

    def serve(self) -> NoReturn:
        """Answer the session and the judges until the session hangs up."""
        gc.collect()
        gc.freeze()
        gather()
        _assert_forkable()
        hello = {"isolation": self._layers.isolation, "missing": self._layers.missing, "pid": os.getpid()}
        wire.send(self._control, wire.encode(hello))
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        while True:
            for fd, _ in poller.poll(500):
                if fd == self._control.fileno():
                    self._serve_session(poller)
                elif not self._serve_judge(self._channels[fd]):
                    poller.unregister(fd)
                    self._channels.pop(fd).close()
            reap()

    def _serve_session(self, poller: select.poll) -> None:
        try:
            data, fds = wire.receive_with_fds(self._control)
        except (wire.Closed, WireError):
            os._exit(0)
        request = wire.decode(data)
        if request["op"] == "channel":
            channel = socket.socket(fileno=fds[0])
            self._channels[channel.fileno()] = channel
            poller.register(channel, select.POLLIN)
            self._spare = self._spare or self._start_keeper()
            return
        try:
            self.load(request["models"])
        except Exception as error:  # reported to the session, which knows whom to tell
            wire.send(self._control, wire.encode({"failed": f"{type(error).__name__}: {error}"}))
            return
        gc.freeze()
        wire.send(self._control, wire.encode({"ready": sorted(self._loaded)}))

    def _serve_judge(self, channel: socket.socket) -> bool:
        """Launch one candidate for a judge; False when the judge has hung up."""
        try:
            data, fds = wire.receive_with_fds(channel)
        except (wire.Closed, WireError, OSError):
            return False
        keeper, self._spare = self._spare or self._start_keeper(), None
        with keeper:
            try:
                wire.send(keeper, data, tuple(fds))
            except (wire.Closed, OSError):  # something ended it while it waited
                with self._start_keeper() as another:
                    wire.send(another, data, tuple(fds))
        for fd in fds:
            os.close(fd)
        self._spare = self._start_keeper()
        return True

    def _start_keeper(self) -> socket.socket:
        """A keeper that opens a world and waits; an order for it is a judge's request, with its descriptors.

        These are: control, wire or stdin, output, and for programs errors.
        """
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            _close_all_but([theirs.fileno()])
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            Keeper(self._layers, self._hidden, self._wait_inside).run(theirs)
        theirs.close()
        return ours

    def _wait_inside(self, door: socket.socket) -> NoReturn:
        """In the sandbox that a keeper has opened: become the candidate that is asked for."""
        try:
            data, fds = wire.receive_with_fds(door)
        except wire.Closed:
            os._exit(0)
        self.candidate(wire.decode(data), fds)

    def candidate(self, request: dict[str, Any], fds: list[int]) -> NoReturn:
        """Become the candidate: close the doors, then serve the judge or run the program.

        `fds`: wire or stdin, output, and for programs errors.
        """
        limits = Limits(memory_mb=request["memory_mb"])
        root, scratch = request["root"], request["scratch"]
        program = request.get("argv")
        if program is None:
            wire_fd = fresh_descriptors(None, fds[1], fds[1], fds[0])
        else:
            wire_fd = fresh_descriptors(fds[0], fds[1], fds[2], None)
        for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "MPLCONFIGDIR"):
            os.environ[name] = scratch
        os.environ.update(request.get("environment", {}))
        os.chdir(scratch)
        self._close_doors(root, scratch, limits)
        sys.path.append(root)
        sys.dont_write_bytecode = True
        if program is not None:
            run_program(self._config.package, program)
        models = {name: self._artifacts.load_weights(name) for name in request["models"]}
        server = Server(socket.socket(fileno=wire_fd), self._config.package, root, lambda: models)
        server.forever()

    def _close_doors(self, root: str, scratch: str, limits: Limits) -> None:
        if self._layers.limits:
            limits.apply()
        if self._layers.landlock:
            from ..sandbox.landlock import Ruleset

            read = [*self._read, root]
            rules = Ruleset(read, [*_SYSTEM_WRITE, scratch], deny_network=not self._layers.namespaces)
        if self._layers.fork:
            from ..sandbox import namespaces

            namespaces.drop_privileges()
        if self._layers.landlock:
            rules.apply()
            rules.close()
        if self._layers.limits:
            from ..sandbox import seccomp

            seccomp.apply(internet=self._layers.namespaces or not self._layers.landlock)


def _disarm_tqdm() -> None:
    """tqdm's default lock is one semaphore for all forks: a candidate that dies holding it would hang the others."""
    if "tqdm" in sys.modules:
        tqdm = sys.modules["tqdm"].tqdm
        tqdm.set_lock(threading.RLock())
        tqdm.monitor_interval = 0


def _assert_forkable() -> None:
    """Refuse to serve when memory is shared for writing or another Python thread runs: both break forks."""
    if threading.active_count() > 1:
        raise RuntimeError(f"the base has extra threads: {[t.name for t in threading.enumerate()]}")
    maps = Path("/proc/self/maps")
    if maps.exists():
        shared = [line for line in maps.read_text().splitlines() if " rw-s " in line]
        if shared:
            raise RuntimeError(f"the base has writable shared memory: {shared[0]}")


def _close_all_but(fds: list[int]) -> None:
    kept = sorted({0, 1, 2, *fds})
    for low, high in zip(kept, [*kept[1:], 65536], strict=True):
        os.closerange(low + 1, high)


def main() -> NoReturn:
    """Entry of the base process: one socket, whose first message is the configuration."""
    control = socket.socket(fileno=int(sys.argv[1]))
    message = wire.decode(wire.receive(control))
    config = BaseConfig(**message["config"])
    base = CandidateBase(config, control)
    try:
        base.warm_up()
        base.load(message["models"])
        if "launch" in message:  # spawned for a single candidate
            data, fds = wire.receive_with_fds(control)
            base.candidate(wire.decode(data), fds)
        base.serve()
    except Exception as error:
        wire.send(control, wire.encode({"failed": f"{type(error).__name__}: {error}"}))
        sys.exit(3)

# ruff: noqa: E501  code in one line
"""The sandbox: what a candidate may do, what it may not, how soon it is there, and what it may use up."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from roadmap.course.errors import UsageError
from roadmap.grading import sandbox, wire
from roadmap.grading.bases import Process, candidate_config, start_candidate_base
from roadmap.grading.candidate.keeper import Keeper
from roadmap.grading.errors import CandidateDied, LearnerError, OutOfMemory, TimedOut
from roadmap.grading.judge.client import Candidate, Launcher
from tests.attacks import small
from tests.kit.processes import all_end, children

LAYERS = sandbox.layers()
pytestmark = pytest.mark.skipif(not LAYERS.fork, reason="needs fork")
needs_namespaces = pytest.mark.skipif(not LAYERS.namespaces, reason="needs namespaces")
needs_landlock = pytest.mark.skipif(not LAYERS.landlock, reason="needs Landlock")

LEARNER = '''
import ctypes, os, socket, subprocess, sys, time


def run(code, **names):
    """Run code; what it leaves in `result` is returned."""
    space = {"os": os, "socket": socket, "subprocess": subprocess, "sys": sys, "time": time, "ctypes": ctypes, **names}
    exec(code, space)
    return space.get("result")


def call_often(function, times):
    return [function(i) for i in range(times)]
'''


class Bench:
    """A candidate base of the small course, and candidates of it."""

    def __init__(self, folder: Path, mode: str):
        os.environ["ROADMAP_ISOLATION"] = mode
        try:
            self.secret = folder / "secret"
            self.secret.mkdir()
            (self.secret / "file").write_text("secret")
            self.root = small.write_submission(folder / "submission", LEARNER)
            config = candidate_config(
                small.STAGE, blocked=["colorsys"], forbidden=["math.fsum"], hide=[self.secret], libraries=["numpy"]
            )
            self.base: Process = start_candidate_base(config, [], folder / "log")
            self.hello = self.base.hear()
        finally:
            del os.environ["ROADMAP_ISOLATION"]
        self.channel, theirs = socket.socketpair()
        self.base.say({"op": "channel"}, (theirs.fileno(),))
        theirs.close()
        self.folder = folder

    def candidate(self, memory_mb: int = 256) -> Candidate:
        """A fresh candidate on a scratch folder of its own."""
        scratch = Path(tempfile.mkdtemp(dir=self.folder))
        return Candidate(Launcher(self.channel), self.root, scratch, (), memory_mb)

    def run(self, code: str, *, seconds: float = 20, memory_mb: int = 256, **names: Any) -> Any:
        """What a piece of code leaves in `result`, inside a fresh candidate."""
        candidate = self.candidate(memory_mb)
        try:
            return ask(candidate, "run", code, seconds=seconds, **names)
        finally:
            candidate.retire()

    def close(self) -> None:
        """End the base."""
        self.channel.close()
        self.base.close()


def ask(candidate: Candidate, target: str, *args: Any, seconds: float = 20, **kwargs: Any) -> Any:
    """One call."""
    request = {"op": "call", "target": f"target.{target}", "args": list(args), "kwargs": kwargs}
    return candidate.ask(request, [], time.monotonic() + seconds, seconds)[0]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """With every layer that this system offers."""
    bench = Bench(tmp_path_factory.mktemp("bench"), "auto")
    yield bench
    bench.close()


# --- allowed ----------------------------------------------------------------------------------------------------------

ALLOWED = {
    "numpy": "import numpy; result = float(numpy.ones((64, 64)).dot(numpy.ones((64, 64)))[0, 0]) == 64",
    "writing in the working directory": "open('x', 'w').write('y'); result = open('x').read() == 'y'",
    "temporary files and the home folder": "import tempfile, pathlib\nresult = tempfile.TemporaryFile().write(b'x') == 1 "
    "and pathlib.Path.home().joinpath('x').write_text('y') == 1",
    "threads": "import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()\nresult = True",
    "a thread pool": "from concurrent.futures import ThreadPoolExecutor as P\nresult = list(P(4).map(abs, [-1])) == [1]",
    "processes": "result = subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout == b'1\\n'",
    "locks between processes": "import multiprocessing\nresult = multiprocessing.Lock().acquire()",
    "asyncio": "import asyncio\nresult = asyncio.run(asyncio.sleep(0, True))",
    "sqlite": "import sqlite3\nresult = sqlite3.connect('a.db').execute('select 1').fetchone() == (1,)",
    "localhost by name": "result = ('127.0.0.1', 80) in [i[4] for i in socket.getaddrinfo('localhost', 80)]",
    "random numbers": "import secrets\nresult = len(secrets.token_bytes(8)) == 8",
    "time zones and locales": "import locale, datetime\nresult = bool(datetime.datetime.now().astimezone().tzinfo)",
    "UTF-8 whatever the locale": "open('ä', 'w').write('ü'); result = open('ä', 'rb').read() == 'ü'.encode()",
    "its own name": "import getpass\nresult = isinstance(getpass.getuser(), str)",
    "the course's artifacts module": "import roadmap.artifacts\nresult = True",
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_honest_code_does_is_allowed(bench: Bench, name: str) -> None:
    """A sandbox that fails right answers is broken, too."""
    assert bench.run(ALLOWED[name]) is True


@needs_namespaces
def test_a_loopback_of_its_own_works(bench: Bench) -> None:
    """A program may serve and call itself."""
    code = """
import threading
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: server.accept()[0].sendall(b"hi")).start()
result = socket.create_connection(server.getsockname()).recv(2) == b"hi"
"""
    assert bench.run(code) is True


# --- denied -----------------------------------------------------------------------------------------------------------

DENIED = {
    "reading elsewhere": "open(secret)",
    "listing elsewhere": "os.listdir(os.path.dirname(secret))",
    "the home folder": "os.listdir('/root') and open('/root/.bashrc')",
    "writing beside the submission": "open(os.path.join(root, 'x'), 'w')",
    "writing into the interpreter": "open(os.path.join(sys.prefix, 'x'), 'w')",
    "writing to /tmp": "open('/tmp/x', 'w')",
    "removing the submission": "os.remove(os.path.join(root, 'stage1_small', 'target.py'))",
    "a Unix socket": "socket.socket(socket.AF_UNIX)",
    "netlink": "socket.socket(16, socket.SOCK_RAW)",
    "a vsock": "socket.socket(40, socket.SOCK_STREAM)",
    "memory in a file without a name": "os.memfd_create('x')",
    "signals to the parent": "os.kill(os.getppid(), 9)",
    "blocked modules": "import colorsys",
    "forbidden functions": "import math; math.fsum([1])",
    "more open files than allowed": "k = [open('/dev/null') for _ in range(1000)]",
    "raising a limit": "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "becoming somebody else": "os.setuid(0) or os.setuid(1)",
    "changing the root": "os.chroot('.')",
}


@needs_landlock
@pytest.mark.parametrize("name", DENIED)
def test_what_is_denied_raises(bench: Bench, name: str) -> None:
    """Each is an exception in the learner's code, and nothing more."""
    with pytest.raises(LearnerError):
        bench.run(DENIED[name], secret=str(bench.secret / "file"), root=str(bench.root))


@needs_namespaces
def test_the_world_looks_small(bench: Bench) -> None:
    """Own processes only, hidden folders empty, no capability, nothing inherited."""
    code = """
status = open("/proc/self/status").read()
result = {
    "processes": sorted(int(n) for n in os.listdir("/proc") if n.isdigit()),
    "hidden": os.path.exists(secret),
    "capabilities": [l.split()[1] for l in status.splitlines() if l.startswith("Cap")],
    "no_new_privs": "NoNewPrivs:\\t1" in status,
    "filter": "Seccomp:\\t2" in status,
    "descriptors": sorted(int(n) for n in os.listdir("/proc/self/fd"))[:-1],
    "environment": sorted(os.environ),
    "interfaces": [name for _, name in socket.if_nameindex()] if hasattr(socket, "if_nameindex") else ["lo"],
}
""".replace(
        '[name for _, name in socket.if_nameindex()] if hasattr(socket, "if_nameindex") else ["lo"]',
        "os.listdir('/proc/sys/net/ipv4/conf')",
    )
    seen = bench.run(code, secret=str(bench.secret / "file"))
    assert seen["processes"] == [1, 2]
    assert seen["hidden"] is False
    assert set(seen["capabilities"]) == {"0000000000000000"}
    assert seen["no_new_privs"]
    assert seen["descriptors"] == [0, 1, 2, 3]
    assert sorted(seen["interfaces"]) == ["all", "default", "lo"]
    assert not {"ANTHROPIC_API_KEY", "GITHUB_TOKEN", "ROADMAP_COURSE", "USER"} & set(seen["environment"])


# --- limits -----------------------------------------------------------------------------------------------------------


def test_memory_is_limited_even_if_the_error_is_swallowed(bench: Bench) -> None:
    """The keeper decides, not the exception."""
    code = """
kept = []
while True:
    try:
        kept.append(bytearray(b"x" * (16 << 20)))
    except MemoryError:
        time.sleep(0.01)
"""
    with pytest.raises(OutOfMemory):
        bench.run(code, memory_mb=128)


def test_memory_within_the_limit_is_fine(bench: Bench) -> None:
    """What the base holds does not count, and what was given back does not either."""
    assert bench.run("for _ in range(5): x = b'x' * (50 << 20)\nresult = True", memory_mb=128) is True


@needs_namespaces
def test_memory_shared_between_children_counts_once(bench: Bench) -> None:
    """Neither more, for those who fork, nor less, for those who hide."""
    honest = """
kept = b"x" * (80 << 20)
children = [os.fork() for _ in range(1)]
if 0 in children:
    time.sleep(0.6)
    os._exit(0)
os.wait()
result = True
"""
    assert bench.run(honest, memory_mb=128) is True
    with pytest.raises(OutOfMemory):
        bench.run(
            "import mmap\nm = mmap.mmap(-1, 300 << 20)\nm.write(b'x' * (300 << 20))\nos.fork()\ntime.sleep(20)",
            memory_mb=128,
        )


def test_the_wall_limit_holds(bench: Bench) -> None:
    """And the candidate is gone soon after."""
    started = time.monotonic()
    with pytest.raises(TimedOut):
        bench.run("time.sleep(60)", seconds=0.5)
    assert time.monotonic() - started < 5


def test_a_callback_that_is_called_without_end_does_not_move_the_limit_for_ever(bench: Bench) -> None:
    """The judge's own time is not the learner's, up to ten times the limit."""
    candidate = bench.candidate()
    request = {"op": "call", "target": "target.call_often", "args": [lambda i: time.sleep(0.2), 10**6], "kwargs": {}}
    started = time.monotonic()
    with pytest.raises(TimedOut):
        candidate.ask(request, [], started + 0.3, 0.3)
    assert time.monotonic() - started < 10


@pytest.mark.slow
def test_disk_and_processes_are_limited(bench: Bench) -> None:
    """Deleted files count, and so do empty ones; a fork bomb is ended, not only refused."""
    deleted = """
kept = []
for _ in range(40):
    kept.append(open("x", "wb", 0))
    os.unlink("x")
    kept[-1].write(bytes(16 << 20))
time.sleep(20)
"""
    with pytest.raises(CandidateDied, match="disk"):
        bench.run(deleted)
    with pytest.raises(CandidateDied, match="processes"):
        bench.run("children = [os.fork() or time.sleep(60) for _ in range(40)]; time.sleep(20)")
    with pytest.raises(CandidateDied, match="processes"):
        bench.run("while True:\n    try: os.fork()\n    except OSError: pass")


# --- starting ---------------------------------------------------------------------------------------------------------


def test_a_candidate_starts_soon(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """The median of the time from the launch to the first answer."""
    times = []
    for _ in range(15):
        started = time.perf_counter()
        bench.run("result = 1")
        times.append(1000 * (time.perf_counter() - started))
    with capsys.disabled():
        print(f"\na candidate answers after {statistics.median(times):.1f} ms (median of {len(times)})")
    assert statistics.median(times) < 1000


def _waiting_keeper(bench: Bench) -> int:
    """The process that waits for the next candidate; earlier ones are gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = children(bench.base.child.pid)
        if len(found) == 1 and children(found[0]):
            return found[0]
        time.sleep(0.02)
    raise AssertionError("no world is open, or more than one")


def test_a_keeper_that_dies_waiting_is_replaced(bench: Bench) -> None:
    """Nobody asked it for anything yet: the next candidate gets another."""
    bench.run("result = 1")
    keeper = _waiting_keeper(bench)
    os.kill(keeper, signal.SIGKILL)
    assert all_end([keeper])
    assert bench.run("result = 2") == 2


@pytest.mark.parametrize("mode", ["auto", "limits"])
def test_an_open_world_ends_with_its_base(tmp_path: Path, mode: str) -> None:
    """What waits for an order that never comes does not wait longer than the base lives."""
    bench = Bench(tmp_path, mode)
    keeper = _waiting_keeper(bench)
    waiting = [keeper, *children(keeper)]
    bench.close()
    assert all_end(waiting)


@pytest.mark.parametrize("mode", ["auto", "limits"])
def test_a_world_that_cannot_be_opened_is_no_fault_of_the_learner(mode: str) -> None:
    """Its last words reach the judge, who makes a grader error of them."""

    def fail(door: socket.socket) -> NoReturn:
        raise RuntimeError("no room in the world")

    orders, theirs = socket.socketpair()
    control, far = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        orders.close()
        Keeper(sandbox.layers(mode), [], fail).run(theirs)
    theirs.close()
    request = {"memory_mb": 64, "scratch": "/nowhere"}
    wire.send(orders, wire.encode(request), (far.fileno(),))
    far.close()
    answer = wire.decode(wire.receive(control, time.monotonic() + 10))
    os.waitpid(pid, 0)
    orders.close()
    control.close()
    assert "no room in the world" in answer["failed"]


@pytest.mark.parametrize("mode", ["landlock", "limits"])
def test_weaker_modes_say_what_is_missing(tmp_path: Path, mode: str) -> None:
    """The base knows it, and the candidates work."""
    bench = Bench(tmp_path, mode)
    try:
        assert "namespaces" in bench.hello["missing"]
        assert bench.hello["isolation"] == ("partial" if mode == "landlock" and LAYERS.landlock else "none")
        assert bench.run("result = 3") == 3
    finally:
        bench.close()


def test_modes_and_layers() -> None:
    """What each mode asks for, and a mode that is none."""
    assert sandbox.layers("spawn") == sandbox.Layers(fork=False, namespaces=False, landlock=False, limits=False)
    assert sandbox.layers("limits").isolation == "none"
    assert [layer.name for layer in sandbox.describe()] == ["fork", "namespaces", "landlock", "limits"]
    os.environ["ROADMAP_ISOLATION"] = "nonsense"
    try:
        with pytest.raises(UsageError, match="Set it to auto, landlock, limits or spawn"):
            sandbox.requested_mode()
    finally:
        del os.environ["ROADMAP_ISOLATION"]

"""Where attacks happen: a small course, secrets that must stay secret, and neighbours that must stay alive."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from roadmap.course import Course
from roadmap.grading.errors import GraderError
from roadmap.grading.session import Grader, SubmissionError
from roadmap.grading.verdict import Report
from tests.attacks import small
from tests.attacks.attack import Attack, problem

SECRETS = ("key", "home", "oracle", "hidden", "solution", "other", "report", "checks")
VISIBLE = (
    "test_total_adds_the_numbers",
    "test_scale_multiplies_the_array",
    "test_double_doubles",
    "test_double_of_zero_is_zero",
)


class World:
    """A course with a warm grader, and everything that an attack could want. Use as a context manager.

    `mode` is what ROADMAP_ISOLATION asks for. `libraries` are imported by both bases: torch only where an attack
    needs it, since a spawned candidate imports them again each time.
    """

    def __init__(self, mode: str = "auto", libraries: tuple[str, ...] = ("numpy", "torch")):
        self.mode = mode
        self.libraries = libraries
        self.contacts: list[str] = []
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> World:
        with self._exit:
            self._build()
            self._exit = self._exit.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._exit.close()

    def _build(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="attacks-"))
        self._exit.callback(shutil.rmtree, self.root, ignore_errors=True)
        # The attackers look for the pattern, which does not match itself; only the true secrets match it.
        self.canaries = {name: f"canary-{name}-{secrets.token_hex(8)}" for name in SECRETS}
        self._patch_environment()
        places = {"home/.netrc": "home", "home/.ssh/id_ed25519": "home", "others/stage1_small/target.py": "other"}
        for name, canary in {**places, "report.json": "report"}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.canaries[canary])
        words = {"@ORACLE@": self.canaries["oracle"], "@HIDDEN@": self.canaries["hidden"]}
        course_root = small.write_course(self.root / "course", words)
        with (course_root / "solutions" / small.STAGE / "target.py").open("a") as file:
            file.write(f"\nCANARY = {self.canaries['solution']!r}\n")
        with (course_root / "checks" / small.STAGE / "test_target.py").open("a") as file:
            file.write(f"\nCANARY = {self.canaries['checks']!r}\n")
        self._start_neighbours()
        self.course = Course.load(course_root)
        self.stage = dataclasses.replace(self.course.stage(1), libraries=self.libraries, judge_libraries=self.libraries)
        self.grader = self._exit.enter_context(Grader(self.course, self.stage))
        self.grader.prepare()
        self.words = self._words()

    def _patch_environment(self) -> None:
        changes = {
            "ROADMAP_ISOLATION": self.mode,
            "HOME": str(self.root / "home"),
            "ROADMAP_HOME": str(self.root / "cache"),
            "ANTHROPIC_API_KEY": self.canaries["key"],
            "GITHUB_TOKEN": self.canaries["key"],
        }
        for name, value in changes.items():
            self._exit.callback(_restore, name, os.environ.get(name))
            os.environ[name] = value
        (self.root / "cache" / "artifacts").mkdir(parents=True)
        (self.root / "cache" / "artifacts" / "model.bin").write_text("weights")

    def _start_neighbours(self) -> None:
        self.neighbour = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        self._exit.callback(self.neighbour.wait)
        self._exit.callback(self.neighbour.kill)
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.agent = self.root / "agent.sock"
        path = socket.socket(socket.AF_UNIX)
        path.bind(str(self.agent))
        path.listen()
        self.abstract = f"\0attacks-{secrets.token_hex(4)}"
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(self.abstract)
        abstract.listen()
        stop = threading.Event()

        def watch(sock: socket.socket, name: str) -> None:
            sock.settimeout(0.2)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    if sock.type == socket.SOCK_DGRAM:
                        sock.recv(1)
                    else:
                        sock.accept()[0].close()
                    self.contacts.append(name)
            sock.close()

        for sock, name in ((self.tcp, "tcp"), (self.udp, "udp"), (path, "unix path"), (abstract, "abstract unix")):
            thread = threading.Thread(target=watch, args=(sock, name), daemon=True)
            thread.start()
            self._exit.callback(thread.join)
        self._exit.callback(stop.set)

    def _words(self) -> dict[str, object]:
        """Where everything is: an attacker who knows it all."""
        checks = self.course.root / "checks" / small.STAGE
        return {
            "ROOT": str(self.root),
            "ORACLES": str(checks / "oracles.py"),
            "CHECKS": str(checks / "test_target.py"),
            "HIDDEN": str(checks / "hidden" / "test_hidden.py"),
            "SOLUTION": str(self.course.solutions / small.STAGE / "target.py"),
            "OTHERS": str(self.root / "others" / small.STAGE / "target.py"),
            "NETRC": str(self.root / "home" / ".netrc"),
            "REPORT": str(self.root / "report.json"),
            "CACHE": str(self.root / "cache" / "artifacts" / "model.bin"),
            "AGENT": str(self.agent),
            "ABSTRACT": self.abstract,
            "TCP_PORT": self.tcp.getsockname()[1],
            "UDP_PORT": self.udp.getsockname()[1],
            "NEIGHBOUR": self.neighbour.pid,
            "SESSION": os.getpid(),
        }

    def manifest(self, *, hidden: bool) -> tuple[str, ...]:
        """The names of the checks that a run must report."""
        return (*VISIBLE, "test_total_of_one_large_number") if hidden else VISIBLE

    def run(self, entry: Attack) -> Outcome:
        """Grade one hostile submission and say what went wrong, if anything did."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            source = small.write_submission(Path(folder), entry.module(self), dict(entry.files))
            if entry.build is not None:
                entry.build(source / small.STAGE, self)
            report, found = None, None
            try:
                report = self.grader.check(source, hidden=entry.hidden, seed=entry.seed)
            except SubmissionError as error:
                if not entry.refused or entry.refused not in str(error):
                    found = f"refused: {error}"
            except GraderError as error:
                found = f"grader error: {error.message}"
            else:
                found = f"it was graded: {report.score}" if entry.refused else problem(entry, report, self)
        found = found or self.damage()
        if entry.gap:  # known to pass: the day it no longer does, the threat model has to say so
            found = None if report is not None and report.score == report.max_score else "it no longer gets past"
        return Outcome(entry, found, report, time.monotonic() - started)

    def run_all(self, entries: list[Attack], jobs: int = 3) -> Iterator[Outcome]:
        """Run attacks side by side: most of them wait."""
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(self.run, entries)

    def damage(self) -> str | None:
        """What an attack did to the world, if anything."""
        if self.neighbour.poll() is not None:
            return "a neighbour's process was killed"
        if self.contacts:
            return f"a socket of the host was reached: {sorted(set(self.contacts))}"
        if (self.root / "report.json").read_text() != self.canaries["report"]:
            return "the report was overwritten"
        if (self.root / "cache" / "artifacts" / "model.bin").read_text() != "weights":
            return "the model cache was overwritten"
        marks = list(self.root.rglob("MARK*"))
        return f"files were written: {marks}" if marks else None


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


@dataclass(frozen=True)
class Outcome:
    """How an attack went. `problem` is None when it was withstood, or for a known gap when it got past as written."""

    attack: Attack
    problem: str | None
    report: Report | None
    seconds: float

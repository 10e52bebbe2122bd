"""What an attack is, and how a report is held against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from roadmap.grading.verdict import CheckResult, Report, State

if TYPE_CHECKING:
    from tests.attacks.world import World

FAILED, CRASHED, TIMED_OUT = State.FAILED, State.CRASHED, State.TIMED_OUT
OUT_OF_MEMORY, NOT_IMPLEMENTED = State.OUT_OF_MEMORY, State.NOT_IMPLEMENTED
ANY_LOSS = frozenset({FAILED, CRASHED, TIMED_OUT, OUT_OF_MEMORY})

PREAMBLE = dedent(
    '''
    import os, socket, struct, sys, time
    import msgpack


    def right(numbers):
        """What an attack returns when its trick has worked: then the check passes, and the attack is not withstood."""
        answer = 0
        for number in numbers:
            answer += number
        return answer


    def put(body, fds=()):
        """Write one frame to the judge, past the code that serves it."""
        wire = socket.socket(fileno=os.dup(3))
        frame = struct.pack("!I", len(body)) + body
        if fds:
            wire.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))])
        else:
            wire.sendall(frame)
        wire.detach()


    def forge(value, key="value", id=1):
        """Write an answer whose value is given as bytes, and end before the true one can follow."""
        put(b"\\x82" + msgpack.packb("id") + msgpack.packb(id) + msgpack.packb(key) + value)
        os._exit(0)

    '''
)
RIGHT_SCALE = "\n\ndef scale(values, factor):\n    return values * factor\n"
RIGHT_TOTAL = "\n\ndef total(numbers):\n    return right(numbers)\n"


@dataclass(frozen=True)
class Attack:
    """A hostile submission and what must happen to it.

    `source` is the module `target`: it defines `total` or `scale`; the other one is added and right. `attacked` says
    which checks must not pass, and `states` how they may end; every other check must pass. `needs` is the weakest
    isolation that withstands it: `processes`, `landlock` or `namespaces`. `says` must stand in the message. `refused`
    is for a submission that is not graded at all: a part of the sentence that says why. A `gap` is known to get past.
    """

    row: int
    name: str
    source: str = ""
    states: frozenset[State] = frozenset({FAILED})
    attacked: str = "total"  # `total`, `scale`, or `both`: attacks at import
    says: str = ""
    needs: str = "processes"
    weak: bool = False  # also run under the weaker isolations
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    build: Callable[[Path, World], None] | None = None
    refused: str = ""
    after: Callable[[World, Report], str | None] | None = None
    hidden: bool = False
    seed: int | None = None
    gap: bool = False

    def module(self, world: World) -> str:
        """The source of `target.py`, with the places of the world written into it."""
        body = dedent(self.source)
        for word, value in world.words.items():
            body = body.replace(word, repr(value))
        right = ("" if "def total(" in body else RIGHT_TOTAL) + ("" if "def scale(" in body else RIGHT_SCALE)
        return PREAMBLE + body + right


ATTACKS: list[Attack] = []


def attack(row: int, name: str, source: str = "", **options: object) -> Attack:
    """Add an attack to the registry."""
    states = options.pop("states", None)
    if states is not None:
        options["states"] = frozenset(states if isinstance(states, set | frozenset) else {states})
    entry = Attack(row, name, source, **options)  # type: ignore[arg-type]
    ATTACKS.append(entry)
    return entry


def problem(entry: Attack, report: Report, world: World) -> str | None:
    """What the grader failed to do about an attack; None when it withstood."""
    checks = {check.id.partition("::")[2]: check for check in report.checks}
    if len(checks) != len(report.checks) or set(checks) != set(world.manifest(hidden=entry.hidden)):
        return f"the checks are {sorted(checks)}"
    for name, check in checks.items():
        found = _verdict(entry, name, check)
        if found:
            return found
    if abs(report.score - sum(check.points for check in report.checks if check.state is State.PASSED)) > 0.01:
        return f"the score is {report.score}"
    if entry.after is not None:
        return entry.after(world, report)
    return None


def _verdict(entry: Attack, name: str, check: CheckResult) -> str | None:
    hostile = name.startswith(f"test_{entry.attacked}_") or (entry.attacked == "both" and "double" not in name)
    seen = f"{name} is {check.state}: {check.message[:200]}"
    if check.state is State.GRADER_ERROR:
        return seen
    if not hostile:
        return None if check.state is State.PASSED else f"it spread: {seen}"
    if check.earned:
        return f"it scored: {name} earned {check.earned}"
    if check.state not in entry.states:
        return seen
    if entry.says and not check.hidden and entry.says not in check.message:
        return f"the report does not say {entry.says!r}: {seen}"
    return None

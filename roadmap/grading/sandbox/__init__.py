"""The sandbox around a learner's code: which layers this system offers, and which of them are used.

`ROADMAP_ISOLATION` asks for less than the system offers: `auto` (all there is), `landlock` (no namespaces),
`limits` (resource limits only), `spawn` (a fresh process for each candidate, as on systems without a safe fork).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

MODES = ("auto", "landlock", "limits", "spawn")


class Layer(NamedTuple):
    """One layer of the sandbox: its name, whether this system offers it, and what it does or what is missing."""

    name: str
    available: bool
    note: str


@dataclass(frozen=True)
class Layers:
    """The layers in use for the candidates of a base."""

    fork: bool
    namespaces: bool
    landlock: bool
    limits: bool

    @property
    def missing(self) -> list[str]:
        """Names of the layers that are not in use."""
        return [name for name in ("namespaces", "landlock", "limits") if not getattr(self, name)]

    @property
    def isolation(self) -> str:
        """`full`, `partial` or `none`, as the report says it."""
        if not self.missing:
            return "full"
        return "partial" if self.namespaces or self.landlock else "none"


def requested_mode() -> str:
    """The mode that `ROADMAP_ISOLATION` asks for. Raises `UsageError` for a word that is none."""
    mode = os.environ.get("ROADMAP_ISOLATION", "auto").strip().lower() or "auto"
    if mode not in MODES:
        from roadmap.course.errors import UsageError  # the grader's own process asks; a candidate loads no course

        choices = f"{', '.join(MODES[:-1])} or {MODES[-1]}"
        raise UsageError(f"ROADMAP_ISOLATION names no isolation: '{mode}'.", f"Set it to {choices}, or unset it.")
    return mode


def layers(mode: str = "auto") -> Layers:
    """What this system offers, reduced to `mode`."""
    linux = sys.platform == "linux"
    fork = linux and mode != "spawn"
    return Layers(
        fork=fork,
        namespaces=fork and mode == "auto" and _namespaces_work()[0],
        landlock=fork and mode in ("auto", "landlock") and _landlock_version() > 0,
        limits=fork,
    )


def describe() -> list[Layer]:
    """Every layer with what this system says about it, for `roadmap doctor`."""
    linux = sys.platform == "linux"
    works, why = _namespaces_work() if linux else (False, "Linux only")
    version = _landlock_version() if linux else 0
    return [
        Layer("fork", linux, "candidates start in milliseconds" if linux else "candidates are spawned: slower"),
        Layer("namespaces", works, "own processes, network and mounts" if works else why),
        Layer("landlock", version > 0, f"version {version}" if version else "the kernel offers none"),
        Layer("limits", linux, "memory, files, processes" if linux else "Linux only"),
    ]


def _landlock_version() -> int:
    from . import landlock

    return landlock.version()


def _namespaces_work() -> tuple[bool, str]:
    """Try, in a child, what a candidate needs; a system can offer the call and still refuse the mounts."""
    from . import namespaces

    def attempt() -> None:
        namespaces.enter()
        child = os.fork()
        if child == 0:
            _exit_code(lambda: namespaces.private_mounts([], 64))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
            raise OSError("private mounts are refused")

    child = os.fork()
    if child == 0:
        _exit_code(attempt)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return (True, "") if code == 0 else (False, "the system forbids unprivileged user namespaces")


def _exit_code(action: Callable[[], object]) -> None:
    """Run `action` in a forked child and end the child with 0, or 1 if it raised."""
    try:
        action()
    except BaseException:
        os._exit(1)
    os._exit(0)

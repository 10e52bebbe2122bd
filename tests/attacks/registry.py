"""All attacks, and which of them run under which isolation."""

from __future__ import annotations

import roadmap.grading.sandbox as sandbox
from tests.attacks import (  # noqa: F401  each adds its rows
    answers,
    files,
    network,
    output,
    process,
    reading,
    resources,
    shortcuts,
    tampering,
)
from tests.attacks.attack import ATTACKS, Attack

ROWS = {
    1: "the process ends: at import, in a graded function",
    2: "answers that agree with everything",
    3: "monkeypatching the judge's tools",
    4: "reading checks, oracles, solutions, other submissions",
    5: "forging or overwriting the report",
    6: "files that Python or pytest pick up by name",
    7: "skip, exit and other exceptions",
    8: "extra passing checks",
    9: "fake results, workflow commands, escapes, endless output",
    10: "code in answers, forged messages",
    11: "no end",
    12: "fork bombs, balloons, full disks",
    13: "the network",
    14: "stealing secrets",
    15: "answers known before, detecting the grader",
    16: "calling what the task says to write",
    17: "links, devices and large files in the submission",
    18: "killing or tracing others",
}
# Isolation and what its bases import: a spawned candidate imports it again each time.
MODES = {"auto": ("numpy", "torch"), "landlock": ("numpy",), "limits": ("numpy",), "spawn": ("numpy",)}


def selected(mode: str) -> list[Attack]:
    """The attacks that this mode must withstand here: fewer where the system offers less, and a few for weak modes."""
    layers = sandbox.layers("auto" if mode == "auto" else mode)
    strength = {"processes"}
    if layers.landlock:
        strength.add("landlock")
    if layers.namespaces:
        strength.add("namespaces")
    entries = [entry for entry in ATTACKS if entry.needs in strength]
    if mode == "landlock":
        return [e for e in entries if (e.weak or e.needs == "landlock") and "torch" not in e.source and not e.gap]
    if mode == "limits":
        return [e for e in entries if e.weak and "torch" not in e.source]
    if mode == "spawn":  # one a row: each of its candidates imports everything again
        weak = [e for e in entries if e.weak and "torch" not in e.source and e.row in (1, 2, 3, 7, 8, 9, 10, 15, 16)]
        return list({e.row: e for e in reversed(weak)}.values())
    return entries

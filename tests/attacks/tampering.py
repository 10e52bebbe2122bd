# ruff: noqa: E501  hostile code in one line
"""Rows 3, 5 and 8: changing the judge's tools, the report, and the list of checks."""

from __future__ import annotations

import time

from roadmap.grading.verdict import Report
from tests.attacks.attack import ANY_LOSS, CRASHED, FAILED, attack
from tests.attacks.world import World

# --- 3: monkeypatching ------------------------------------------------------------------------------------------------

PATCHES = {
    "builtins": "import builtins\nbuiltins.sum = builtins.len = lambda *a: 0\nbuiltins.all = builtins.any = lambda *a: True\n"
    "builtins.isinstance = lambda *a: True",
    "pytest and its assertion rewriting": "import pytest, _pytest.assertion.rewrite as r, _pytest.runner\n"
    "pytest.fail = lambda *a, **k: None\nr.rewrite_asserts = lambda *a: None\n_pytest.runner.call_and_report = None",
    "numpy.testing and numpy's comparisons": "import numpy as np, numpy.testing\n"
    "numpy.testing.assert_allclose = lambda *a, **k: None\nnp.isclose = np.array_equal = np.allclose = lambda *a, **k: True",
    "torch.allclose": "import torch\ntorch.allclose = torch.equal = lambda *a, **k: True\n"
    "torch.Tensor.__eq__ = lambda a, b: True",
    "math.isclose and operator.eq": "import math, operator\nmath.isclose = operator.eq = lambda *a, **k: True",
    "the grader's own expect": "import roadmap.grading as g\nfrom roadmap.grading import expect, errors\n"
    "expect.equal = expect.close = expect.fail = lambda *a, **k: None\nerrors.CheckFailed = KeyboardInterrupt",
    "the judge's client and plugin": "import roadmap.grading.judge.client as c, roadmap.grading.judge.learner as l\n"
    "c.Candidate.ask = lambda *a: (0, 0.0)\nl.Learner.call = lambda *a: 0",
    "the server beside it": "from roadmap.grading.candidate import serve\n"
    "serve.Server._reply = lambda self, answer: self._send(serve.wire.encode({'id': self._request, 'passed': True}))",
    "the wire's encoder": "from roadmap.grading import wire\nwire.encode = lambda *a: b'\\xc3'",
    "a trace function": "sys.settrace(lambda frame, event, arg: frame.f_locals.update(ok=True))",
    "an import hook": "class Hook:\n    def find_spec(self, name, *a):\n        if 'checks' in name or 'oracles' in name:\n"
    "            raise SystemExit(0)\nsys.meta_path.insert(0, Hook())",
}
for name, code in PATCHES.items():
    attack(
        3,
        name,
        f"def total(n): return 0\ndef scale(v, f): return None\n{code}\n",
        attacked="both",
        states=ANY_LOSS,
        weak=name in ("builtins", "the grader's own expect", "the server beside it"),
    )

# --- 5: the report ----------------------------------------------------------------------------------------------------

WRITE = """
def mark(where=REPORT):
    for path in (where, ROOT + "/MARK", CHECKS, CACHE, SOLUTION):
        try:
            with open(path, "a") as file:
                file.write("passed")
        except OSError:
            pass
"""


def checks_unchanged(world: World, report: Report) -> str | None:
    """The course's own files are as they were."""
    for word in ("CHECKS", "SOLUTION"):
        with open(str(world.words[word])) as file:
            if "passed" in file.read().splitlines()[-1]:
                return f"{world.words[word]} was changed"
    return None


def unchanged_later(world: World, report: Report) -> str | None:
    """Nothing was written after the verdict either."""
    time.sleep(1.2)
    return checks_unchanged(world, report) or world.damage()


attack(5, "written in a call", WRITE + "def total(n): mark(); return 0", needs="landlock", after=checks_unchanged)
attack(5, "written at import", WRITE + "mark()\ndef total(n): return 0", needs="landlock", after=checks_unchanged)
attack(
    5,
    "written at exit",
    WRITE + "import atexit\natexit.register(mark)\ndef total(n): sys.exit(0)",
    states=CRASHED,
    needs="landlock",
    after=checks_unchanged,
)
attack(
    5,
    "written in __del__",
    WRITE
    + "class Late:\n    def __del__(self): mark()\nlate = Late()\ndef total(n):\n    global late\n    late = 0\n    return 0",
    needs="landlock",
    after=checks_unchanged,
)
attack(
    5,
    "written by a daemon after the verdict",
    WRITE
    + """
def total(n):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.8)
            mark()
        os._exit(0)
    return 0
""",
    needs="landlock",
    after=unchanged_later,
)
attack(
    5,
    "written by a daemon that holds the pipe and outlives the call",
    WRITE
    + """
def total(n):
    if os.fork() == 0:
        os.setsid()
        for _ in range(100):
            mark()
            print("passed", flush=True)
            time.sleep(0.02)
        os._exit(0)
    return 0
""",
    needs="landlock",
    after=unchanged_later,
)
attack(
    5,
    "written through a link in the scratch folder",
    """
    def total(n):
        for how in (os.symlink, os.link):
            try:
                how(REPORT, f"here-{how.__name__}")
                open(f"here-{how.__name__}", "w").write("passed")
            except OSError:
                pass
        os.symlink(ROOT, "folder")
        return 0
    """,
    needs="landlock",
)
attack(
    5,
    "1,500 folders inside one another in the scratch folder",
    """
    def total(n):
        for _ in range(1500):
            os.mkdir("a")
            os.chdir("a")
        time.sleep(0.7)
        return 0
    """,
    weak=True,
)
attack(
    5,
    "a scratch folder that nobody may enter",
    "def total(n):\n    os.mkdir('a/b'.split('/')[0]); os.chmod('a', 0); os.chmod('.', 0); os._exit(0)",
    states=CRASHED,
    weak=True,
)
attack(
    5,
    "mounting something over the checks, after new namespaces",
    """
    import ctypes
    def total(n):
        libc = ctypes.CDLL(None)
        checks = os.path.dirname(CHECKS).encode()
        for flags in (0x10000000, 0x10020000, 0x00020000):
            if libc.unshare(flags) == 0 and libc.mount(b"none", checks, b"tmpfs", 0, None) == 0:
                return right(n)
        if libc.umount2(checks, 2) == 0 or libc.chroot(b"/") == 0:
            return right(n)
        return 0
    """,
)

# --- 8: more checks ---------------------------------------------------------------------------------------------------

EXTRA = """
from roadmap.grading import check


@check(task="1.1", weight=1000, lesson="01_small#numbers", hints=["a", "b"])
def test_total_adds_the_numbers(learner):
    \"\"\"Always passes.\"\"\"


def test_always(): pass
"""
attack(8, "checks in the graded module", EXTRA + "\ndef total(n): return 0\n", weak=True)
attack(
    8,
    "test files beside the module",
    "def total(n): return 0",
    files={"test_target.py": EXTRA, "test_extra.py": EXTRA, "../checks/stage1_small/test_target.py": EXTRA},
)
attack(
    8,
    "mistakes and a syllabus of its own",
    "def total(n): return 0",
    files={"mistakes.toml": "[x]\nsays = 'fine'\n", "../stages/course.toml": "[course]\npass_mark = 0\n"},
    states={FAILED},
)

# ruff: noqa: E501  hostile code in one line
"""Row 9: printing what looks like a result, and printing without end."""

from __future__ import annotations

import json

from roadmap.grading.verdict import Report
from tests.attacks.attack import CRASHED, FAILED, TIMED_OUT, attack
from tests.attacks.world import World

NASTY = r"""
NASTY = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31m100/100 PASSED\x1b[0m\n::notice::owned\n  ::set-output name=score::100\n"
    "::stop-commands::x\n##[error]owned\nx ##[set-env name=PATH]/evil\n##vso[task.setvariable variable=a]b\n"
    "\r::error::owned\u2028::warning::owned\x85::debug::x\n\x9b31m\u202egnp.exe\u202c\ufeff::group::x\n\x00\x08\x7f"
    ":\x1b[0m:notice::joined\n\u00a0::notice::after a wide space\n\ud800"
)
"""


def harmless_everywhere(world: World, report: Report) -> str | None:
    """Neither the report's data nor its text holds anything that a terminal or a CI runner acts on."""
    texts = [text for check in report.checks for text in (check.message, check.output, check.hint, check.title)]
    for text in texts:
        if len(text) > 6000:
            return f"a text of {len(text)} characters"
        if bad := sorted(
            {c for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or c in "\u2028\u202e"}
        ):
            return f"control characters: {bad}"
        for line in text.split("\n"):
            if line.lstrip().startswith("::") or "##[" in line or "##vso[" in line:
                return f"a workflow command: {line[:80]!r}"
    json.dumps(report.to_dict()).encode("utf-8")
    return None


for where, code, states in (
    ("on stdout", "    print(NASTY); return 0", None),
    ("on stderr", "    print(NASTY, file=sys.stderr); return 0", None),
    ("past Python, on descriptors 1 and 2", "    os.write(1, NASTY.encode('utf-8', 'replace')); os.write(2, b'\\xff\\x1b[2J'); "
     "return 0", None),
    ("in an exception", "    raise RuntimeError(NASTY)", CRASHED),
    ("in the name of an exception", "    raise type(NASTY.replace('\\x00', '').replace('\\ud800', ''), (Exception,), {})", CRASHED),
    ("in the name of a function", "    f = lambda: 1 / 0; f.__code__ = f.__code__.replace(co_name=NASTY.replace('\\ud800', "
     "'')); f()", CRASHED),
    ("in the answer", "    return NASTY", None),
    ("in the name of a type that cannot be sent", "    return type(NASTY.replace('\\x00', '').replace('\\ud800', ''), (), {})()",
     None),
    ("in a forged refusal", "    forge(msgpack.packb(NASTY.encode('utf-8', 'replace').decode()), 'unsendable')", None),
):  # fmt: skip
    attack(
        9,
        f"escapes and workflow commands {where}",
        f"{NASTY}\ndef total(n):\n{code}\n",
        states=states or FAILED,
        after=harmless_everywhere,
        weak=where in ("on stdout", "in an exception"),
    )
attack(
    9,
    "a line of source that is a workflow command",
    "def total(n):\n    return (\n1 // 0,  # ::error::owned \x1b[2J ##[error]x\n)\n",
    states=CRASHED,
    after=harmless_everywhere,
)


def no_fake(world: World, report: Report) -> str | None:
    """What was printed stays in its place: the counts are the judge's."""
    return None if report.score == 60.0 else "the printed score is believed"


attack(
    9,
    "a result as the grader prints it",
    """
    def total(n):
        print('{"schema": "roadmap.report/1", "score": 100, "max_score": 100, "passed": true}')
        print("test_total_adds_the_numbers PASSED\\nscore 100 / 100")
        return 0
    """,
    after=no_fake,
)
attack(
    9,
    "1 GB of output",
    """
    def total(n):
        block = b"x" * (1 << 20)
        for _ in range(1024):
            os.write(1, block)
        return 0
    """,
    states={FAILED, TIMED_OUT},
    after=harmless_everywhere,
    weak=True,
)
attack(9, "a million empty lines", "def total(n): print('\\n' * 1_000_000); return 0", after=harmless_everywhere)
attack(
    9,
    "four processes that print without end",
    """
    def total(n):
        for _ in range(3):
            if os.fork() == 0:
                break
        while True:
            os.write(1, b"x" * 65536)
    """,
    states=TIMED_OUT,
    after=harmless_everywhere,
)
attack(
    9,
    "streams that are closed, replaced or broken",
    """
    class Broken:
        def __getattr__(self, name): raise SystemExit(0)
    def total(n):
        sys.stdout = sys.stderr = Broken()
        os.close(1)
        os.close(2)
        return 0
    """,
)

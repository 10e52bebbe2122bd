"""What runs beside the learner's code for task 2.10: the command line, among streams that note what really came out.

It never judges.
"""

from __future__ import annotations

import io
import os
import pathlib
import ssl
import sys

OURS = ("ROADMAP_", "ANTHROPIC_")


class Pipe(io.RawIOBase):
    """The far end of a pipe: `seen` hears of bytes when they really arrive, which is when they have been flushed."""

    def __init__(self, seen=None):
        self.data = bytearray()
        self.seen = seen

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        if self.seen is not None:
            self.seen(bytes(data).decode("utf-8", "replace"))
        return len(data)


class Keyboard(io.StringIO):
    """Stdin, which may be a terminal. `asked` is what had reached the screen when the first line was read."""

    def __init__(self, text, terminal, screen):
        super().__init__(text)
        self.terminal = terminal
        self.screen = screen
        self.asked = None

    def isatty(self):
        return self.terminal

    def readline(self, *size):
        if self.asked is None:
            self.asked = self.screen.data.decode("utf-8", "replace")
        return super().readline(*size)


def stream(pipe, lines=False):
    """A buffered text stream onto a pipe, like the stdout of a program; with `lines` like its stderr."""
    return io.TextIOWrapper(
        io.BufferedWriter(pipe), encoding="utf-8", errors="replace", newline="\n", line_buffering=lines
    )


def speak(learner, *, argv, environment, stdin="", terminal=False, seen=None, folders=()):
    """`cli.main(argv)` in this process, with an environment of its own; what came of it.

    `folders` are made first; "files" is what they and the current folder hold afterwards.
    """
    for folder in folders:
        pathlib.Path(folder).mkdir(exist_ok=True)
    out, err = Pipe(seen), Pipe()
    kept = sys.stdin, sys.stdout, sys.stderr, dict(os.environ)
    load = ssl.SSLContext.load_verify_locations
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    os.environ.update(environment)
    keyboard = Keyboard(stdin, terminal, err)
    sys.stdin, sys.stdout, sys.stderr = keyboard, stream(out), stream(err, lines=True)
    code, raised = None, ""
    # Nothing here is encrypted, and reading the certificates of the world for each client takes most of a start's time.
    ssl.SSLContext.load_verify_locations = lambda *_, **__: None
    try:
        code = learner.cli.main(list(argv))
    except NotImplementedError:
        raise
    except BaseException as error:
        raised = f"{type(error).__name__}: {error}"[:300]
    finally:
        ssl.SSLContext.load_verify_locations = load
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdin, sys.stdout, sys.stderr = kept[:3]
        os.environ.clear()
        os.environ.update(kept[3])
    files = {str(path): path.read_text("utf-8", "replace") for path in _files(folders)} if folders else {}
    return {
        "code": code if type(code) in (int, type(None)) else f"{code!r}"[:100],
        "raised": raised,
        "stdout": out.data.decode("utf-8", "replace"),
        "stderr": err.data.decode("utf-8", "replace"),
        "files": files,
        "asked": keyboard.asked,
    }


def _files(folders):
    here = pathlib.Path()
    found = [*here.glob("*"), *(path for folder in folders for path in pathlib.Path(folder).rglob("*"))]
    return [path for path in found if path.is_file()]


def cite(learner, *, cases):
    """`cli.cite` for each of [answer, results]."""
    return [learner.cli.cite(answer, results) for answer, results in cases]


def unverified(learner, *, cases):
    """`cli.unverified` for each of [answer, known]."""
    return [learner.cli.unverified(answer, known) for answer, known in cases]

"""Children that have ended, collected without waiting."""

from __future__ import annotations

import os


def reap() -> None:
    """Collect every child of this process that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return

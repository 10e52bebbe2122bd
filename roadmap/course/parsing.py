"""Parsing Python, one source at a time."""

from __future__ import annotations

import ast
import threading

_LOCK = threading.Lock()


def parse(source: str | bytes) -> ast.Module:
    """`ast.parse`, never by two threads at once: CPython 3.11 counts its recursion in one place for all of them.

    Two at a time end, rarely, in a SystemError ("AST constructor recursion depth mismatch"). Raises what `ast.parse`
    raises.
    """
    with _LOCK:
        return ast.parse(source)

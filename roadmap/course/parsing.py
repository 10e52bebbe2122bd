"""Parsing Python, one source at a time."""

from __future__ import annotations

import ast
import threading

# CPython 3.11 counts the recursion of its parser in one place for all threads: two that parse at a time end, rarely, in
# a SystemError ("AST constructor recursion depth mismatch"). Whoever parses beside other threads holds this.
ALONE = threading.RLock()


def parse(source: str | bytes) -> ast.Module:
    """`ast.parse`, never by two threads at once. Raises what `ast.parse` raises."""
    with ALONE:
        return ast.parse(source)

"""Deleting a folder that a stranger has filled: any depth, any permissions, no link followed."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Delete `folder` and all below it; what cannot be deleted is left.

    Folders are moved up before they are emptied, so a chain of thousands of them, longer than any path may be, costs
    neither recursion nor descriptors.
    """
    with contextlib.suppress(OSError):
        top = _open(folder, None)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(folder)


def _open(name: str | Path, parent: int | None) -> int:
    with contextlib.suppress(OSError):
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
            os.chmod(name, 0o700, dir_fd=parent)
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def _empty(top: int) -> None:
    moved = 0
    waiting = _folders(top)
    while waiting:
        name = waiting.pop()
        try:
            inner = _open(name, top)
        except OSError:
            continue
        try:
            for child in _folders(inner):
                moved += 1
                target = f".removing-{moved}"
                with contextlib.suppress(OSError):
                    os.rename(child, target, src_dir_fd=inner, dst_dir_fd=top)
                    waiting.append(target)
        finally:
            os.close(inner)
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=top)


def _folders(parent: int) -> list[str]:
    """Delete the files of an open folder; returns the names of its folders."""
    found = []
    for name in os.listdir(parent):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                found.append(name)
            else:
                os.unlink(name, dir_fd=parent)
    return found

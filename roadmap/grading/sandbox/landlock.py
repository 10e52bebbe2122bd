"""Landlock: the kernel denies every path that is not on a list. Forty lines of ctypes, as no kept library does it.

Source: Linux documentation, userspace-api/landlock. Abilities by version: 1 files, 2 refer, 3 truncate, 4 TCP,
5 ioctl on devices, 6 signals and abstract sockets.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_RULE_PATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | (1 << 14) | (1 << 15)  # what a rule on a plain file may hold
_PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def version() -> int:
    """The kernel's Landlock version, 0 where there is none."""
    found = int(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))
    return max(found, 0)


def _file_rights(abi: int) -> int:
    return (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1


class Ruleset:
    """A set of allowed paths, opened once and applied in each candidate after the fork.

    `deny_network` also denies TCP: for use where there is no network namespace, since it blocks loopback too.
    """

    def __init__(self, read: Iterable[str], write: Iterable[str], *, deny_network: bool):
        self.abi = version()
        if not self.abi:
            raise OSError("this kernel has no Landlock")
        self._handled = _file_rights(self.abi)
        network = 0b11 if deny_network and self.abi >= 4 else 0
        scoped = 0b11 if self.abi >= 6 else 0
        attributes = struct.pack("QQQ", self._handled, network, scoped)
        size = {1: 8, 2: 8, 3: 8, 4: 16, 5: 16}.get(self.abi, 24)
        self.fd = _checked(_libc.syscall(_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0)), "create")
        for path in read:
            self.allow(path, _READ)
        for path in write:
            self.allow(path, self._handled)

    def allow(self, path: str, rights: int) -> None:
        """Allow `rights` below `path`; a path that does not exist is left out."""
        try:
            target = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            rights &= self._handled
            if not os.path.isdir(path):
                rights &= _FILE_RIGHTS
            rule = struct.pack("=Qi", rights, target)
            _checked(
                _libc.syscall(_ADD, ctypes.c_int(self.fd), ctypes.c_int(_RULE_PATH), rule, ctypes.c_uint32(0)), path
            )
        finally:
            os.close(target)

    def allow_writing(self, path: str) -> None:
        """Allow everything below `path`."""
        self.allow(path, self._handled)

    def allow_reading(self, path: str) -> None:
        """Allow reading and executing below `path`."""
        self.allow(path, _READ)

    def apply(self) -> None:
        """Restrict the calling thread and all that it starts. There is no way back."""
        _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        _checked(_libc.syscall(_RESTRICT, ctypes.c_int(self.fd), ctypes.c_uint32(0)), "restrict")

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self.fd)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"landlock {what}: {os.strerror(number)}")
    return int(result)

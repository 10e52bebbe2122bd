"""Linux namespaces through ctypes: a candidate's own users, processes, network, semaphores and mounts."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 1, 2, 4, 8, 16384, 1 << 18
_PR_CAPBSET_DROP, _PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 24, 1, 4
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_CAP_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def enter() -> None:
    """Leave the host's users, process ids, network and IPC. The caller's next child is process 1 of the new world.

    Loopback is brought up, so that programs inside can serve one another. Raises OSError where the system forbids it.
    """
    uid, gid = os.getuid(), os.getgid()
    _checked(_libc.unshare(_NEWUSER | _NEWPID | _NEWNET | _NEWIPC), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"1000 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"1000 {gid} 1")
    _loopback_up()


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        name, flags = struct.unpack("16sH14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", name, flags | _IFF_UP))


def private_mounts(hide: Iterable[str], processes: int) -> list[str]:
    """Give the calling process (number 1 of its PID namespace) mounts of its own.

    `/proc` shows only the new world, `/dev/shm` is private, and each folder of `hide` looks empty. `processes` bounds
    the number of processes inside. Returns what the system refused.
    """
    refused = []
    _checked(_libc.unshare(_NEWNS), "unshare mounts")
    _checked(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "private mounts")
    flags = _MS_NOSUID | _MS_NODEV
    for folder in hide:
        if os.path.isdir(folder):
            _checked(_libc.mount(b"none", os.fsencode(folder), b"tmpfs", flags | _MS_RDONLY, b"size=4k"), folder)
    if os.path.isdir("/dev/shm"):
        _checked(_libc.mount(b"none", b"/dev/shm", b"tmpfs", flags | _MS_NOEXEC, b"size=64m"), "/dev/shm")
    if _libc.mount(b"proc", b"/proc", b"proc", flags | _MS_NOEXEC, None) != 0:  # containers may refuse this
        refused.append("proc")
    for name, value in (("kernel/pid_max", max(processes, 301)), ("user/max_user_namespaces", 0)):
        try:
            Path("/proc/sys", name).write_text(str(value))
        except OSError:
            refused.append(name)
    return refused


def drop_privileges() -> None:
    """Give up every capability, for this process and all that it starts."""
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    header = struct.pack("Ii", _CAP_VERSION_3, 0)
    _checked(_libc.capset(header, bytes(24)), "capset")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)

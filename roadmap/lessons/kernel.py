"""Start a notebook kernel that has no network but its own loopback, where the system allows it.

`python -m roadmap.lessons.kernel ARGS` takes the place of `python -m ipykernel_launcher ARGS`. The kernel then talks to
its client over sockets in the file system, which a network of its own leaves open.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import runpy
import socket
import struct
import sys
from functools import cache
from pathlib import Path

_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


@cache
def can_isolate() -> bool:
    """Whether this system lets an ordinary process have a network of its own. Tried once, in a child."""
    if not sys.platform.startswith("linux"):
        return False
    import subprocess

    command = [sys.executable, "-c", "from roadmap.lessons import kernel; kernel.leave_network()"]
    root = str(Path(__file__).resolve().parents[2])
    tried = subprocess.run(command, capture_output=True, cwd=root, env={**os.environ, "PYTHONPATH": root}, check=False)
    return tried.returncode == 0


def leave_network() -> None:
    """Give this process a network with nothing in it but loopback. Raises OSError where the system forbids it."""
    uid, gid = os.getuid(), os.getgid()
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_NEWUSER | _NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")  # the same user as outside: files stay one's own
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, _GET_FLAGS, struct.pack("16sH14x", b"lo", 0)))[1]
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


if __name__ == "__main__":
    leave_network()
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)

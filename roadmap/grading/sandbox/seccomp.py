"""A filter on system calls, for doors that neither namespaces nor Landlock close.

Unix sockets with a path reach the host's services through any network namespace; vsock reaches the machine below;
memory in anonymous files and in System V segments is charged to nobody; key rings belong to the user.
Source: Linux documentation, userspace-api/seccomp_filter. A machine of another kind than the two below goes without.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in the kernel's seccomp_data
_AF_INET, _AF_INET6 = 2, 10
_X32 = 0x40000000

# name: (x86_64, aarch64)
_REFUSED = {
    "add_key": (248, 217), "bpf": (321, 280), "fsopen": (430, 430), "io_uring_setup": (425, 425), "kcmp": (312, 272),
    "keyctl": (250, 219), "memfd_create": (319, 279), "memfd_secret": (447, 447), "mount": (165, 40),
    "mount_setattr": (442, 442), "move_mount": (429, 429), "msgget": (68, 186), "open_by_handle_at": (304, 265),
    "open_tree": (428, 428), "perf_event_open": (298, 241), "pidfd_getfd": (438, 438), "pivot_root": (155, 41),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117), "request_key": (249, 218),
    "setns": (308, 268), "shmget": (29, 194), "umount2": (166, 39), "unshare": (272, 97), "userfaultfd": (323, 282),
}  # fmt: skip
_SOCKET = (41, 198)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def apply(*, internet: bool) -> bool:
    """Filter the system calls of this process and all that it starts. False where this machine is not supported.

    `internet` leaves IP sockets open: for a process that has a network of its own, or is to share the host's.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    code = _program(*machine, internet=internet)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    if _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        if number == errno.EINVAL:  # a kernel without filters
            return False
        raise OSError(number, f"seccomp: {os.strerror(number)}")
    return True


def _program(column: int, architecture: int, *, internet: bool) -> bytes:
    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    def refuse(number: int) -> bytes:
        return step(_RETURN, _ERRNO | number)

    code = step(_LOAD, _ARCHITECTURE) + step(_EQUAL, architecture, 1) + refuse(errno.ENOSYS)
    code += step(_LOAD, _NUMBER) + step(_AT_LEAST, _X32, 0, 1) + refuse(errno.ENOSYS)
    for numbers in _REFUSED.values():
        code += step(_EQUAL, numbers[column], 0, 1) + refuse(errno.ENOSYS)
    code += step(_EQUAL, _SOCKET[column], 1) + step(_RETURN, _ALLOW)
    if internet:
        code += step(_LOAD, _FIRST_ARGUMENT)
        code += step(_EQUAL, _AF_INET, 1) + step(_EQUAL, _AF_INET6, 0, 1) + step(_RETURN, _ALLOW)
    return code + refuse(errno.EACCES)

"""Memory that forks inherit for little.

A fork copies the page tables of anonymous memory: half a gigabyte of weights costs each of a candidate's three forks
ten milliseconds and more. The tables of a file that is mapped privately are not copied; the child finds its pages when
it touches them, and what it writes is its own as before.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_HUGE = 2 * 1024 * 1024
_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25
_ALIGNMENT = 64  # bytes; what torch's own allocator gives, and vector instructions like


def share(tensors: Iterable[torch.Tensor]) -> None:
    """Move the tensors' data, in place, to a private mapping of one sealed file in memory.

    Values, shapes and dtypes stay; strides become contiguous. The tensors stay writable, and nobody else sees a write.
    Elsewhere than on Linux nothing happens.
    """
    if sys.platform != "linux":
        return
    import fcntl

    import torch

    waiting = list(tensors)
    starts = []
    size = 0
    for tensor in waiting:
        starts.append(size)
        size += -(-tensor.numel() * tensor.element_size() // _ALIGNMENT) * _ALIGNMENT
    if size == 0:
        return
    file = os.memfd_create("weights", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(file, size)
        with mmap.mmap(file, size, flags=mmap.MAP_SHARED) as writable:
            for tensor, start in zip(waiting, starts, strict=True):
                if tensor.numel():
                    view = torch.frombuffer(writable, dtype=tensor.dtype, count=tensor.numel(), offset=start)
                    view.copy_(tensor.detach().reshape(-1))
                    del view  # a mapping with a view on it cannot be closed
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        private = mmap.mmap(file, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    finally:
        os.close(file)
    for tensor, start in zip(waiting, starts, strict=True):
        if tensor.numel():
            flat = torch.frombuffer(private, dtype=tensor.dtype, count=tensor.numel(), offset=start)
            tensor.data = flat.view(tensor.shape)  # keeps the mapping alive


def gather() -> None:
    """Ask Linux to back this process's large pieces of memory with huge pages: a fork copies one entry, not 512.

    A request: where the system has no huge pages, or no room for them, nothing happens. Source: madvise(2).
    """
    if sys.platform != "linux":
        return
    import ctypes

    libc = ctypes.CDLL(None)
    libc.malloc_trim(0)
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        lines = [line.split() for line in maps]
    for line in lines:
        first, last = (int(end, 16) for end in line[0].split("-"))
        anonymous = len(line) == 5 or line[5] == "[heap]"
        if line[1] == "rw-p" and anonymous and last - first >= 2 * _HUGE:
            for advice in (_MADV_HUGEPAGE, _MADV_COLLAPSE):
                libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), advice)

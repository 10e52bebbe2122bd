"""One process a core: on a busy machine two processes of one thread do more than one of two that waits on itself."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def fork(ranks: int) -> tuple[int, Path, list[int]]:
    """This process as rank 0, and a child for each further rank: (rank, a file to meet at, the children's ids).

    To be called before anything runs on several threads: such a process cannot be forked safely. What is loaded by
    then is shared.
    """
    meeting = Path(tempfile.mkdtemp(prefix="roadmap-train-")) / "meeting"
    children = []
    for rank in range(1, ranks):
        child = os.fork()
        if child == 0:
            os.setsid()  # Linux shares a processor by session: a rank each
            return rank, meeting, []
        children.append(child)
    return 0, meeting, children


def join(rank: int, ranks: int, meeting: Path) -> None:
    """Meet the other ranks."""
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=ranks)


def end(rank: int, children: list[int]) -> None:
    """Children end here; rank 0 waits for them. Raises RuntimeError when one failed."""
    import torch.distributed as dist

    dist.destroy_process_group()
    if rank:
        os._exit(0)
    for child in children:
        if os.waitpid(child, 0)[1] != 0:
            raise RuntimeError("A training process failed.")

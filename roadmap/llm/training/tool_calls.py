"""Train the adapter for tool calls and write it where the endpoint looks for it.

python -m roadmap.llm.training.tool_calls                # overlap check, training, stages/.../tool_calling_lora.gguf
python -m roadmap.llm.training.tool_calls --check        # the overlap check alone
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from roadmap import artifacts
from roadmap.course.root import find_root
from roadmap.llm.adapter_file import PLACE

from . import overlap, processes

SEED, STEPS, TREES_PER_STEP = 20261125, 960, 2
NAME = "smollm2-135m-tools"


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 when the adapter is written, 1 when the training data touches the held-out requests."""
    parser = argparse.ArgumentParser(prog="python -m roadmap.llm.training.tool_calls", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare the training data with the held-out sets")
    parser.add_argument("--out", type=Path, help="where to write (default: where the endpoint looks)")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--ranks", type=int, default=2, help="processes; the result differs by rounding alone")
    parser.add_argument("--partial", action="store_true", help="also write the unfinished adapter every few steps")
    given = parser.parse_args(argv)

    root = find_root()
    found = overlap.compare(root / "tests" / "benchmarks" / "tool_calls")
    print(found.text())
    if not found.clean:
        return 1
    if given.check:
        return 0

    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    import torch
    from transformers import AutoTokenizer

    from . import adapter, lora
    from .conversations import Grower

    torch.set_num_threads(1)
    folder = artifacts.path(artifacts.DEFAULT_MODEL)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def tokenize(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    model = lora.adapted(folder, given.seed)
    out = given.out or root / PLACE

    def tell(line: str) -> None:
        print(line, flush=True)
        if given.partial:
            adapter.write(model, out.with_suffix(".partial.gguf"), alpha=lora.ALPHA, name=NAME)

    rank, meeting, children = processes.fork(given.ranks)
    processes.join(rank, given.ranks, meeting)
    began = time.monotonic()
    lora.train(
        model,
        Grower(tokenize, given.seed).tree,
        steps=given.steps,
        trees_per_step=TREES_PER_STEP,
        rank=rank,
        ranks=given.ranks,
        tell=tell,
    )
    processes.end(rank, children)
    out.parent.mkdir(parents=True, exist_ok=True)
    size = adapter.write(model, out, alpha=lora.ALPHA, name=NAME)
    print(f"{out}: {size / 1e6:.2f} MB after {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""LoRA on trees of tokens, in plain torch: a trunk's branches share it and do not see one another.

Source: Hu et al., LoRA (2021). Attention over a tree is that of speculative decoding's token trees.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from . import tree_attention
from .conversations import Tree

RANK, ALPHA = 16, 32
FIRST_LAYER = 10  # adapters from here on: the third below needs no backward pass, which is a fifth of the whole time
_MATCHED = 10  # steps whose trees are drawn together, to be matched by length
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def adapted(folder: Path, seed: int) -> Any:
    """The model of a folder, frozen, in bfloat16 (twice as fast), with adapters in float32 on its upper layers."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation=tree_attention.NAME)
    config = LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        target_modules=TARGETS,
        layers_to_transform=list(range(FIRST_LAYER, model.config.num_hidden_layers)),
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def laid_out(tree: Tree) -> tuple[torch.Tensor, torch.Tensor, tree_attention.Layout, torch.Tensor, torch.Tensor]:
    """A tree as one sequence of T tokens.

    Ids (1, T); positions (1, T), which in each branch go on from the trunk; the layout; the places whose next token is
    learnt, and the weight of each.
    """
    ids, positions = list(tree.trunk), list(range(len(tree.trunk)))
    places, weights = [], []
    for branch in tree.branches:
        start = len(ids)
        ids += branch.ids
        positions += range(len(tree.trunk), len(tree.trunk) + len(branch.ids))
        for place, weight in enumerate(branch.weights):
            if weight > 0 and place > 0:  # a branch's first token follows the trunk; it is a mark, never learnt
                places.append(start + place - 1)
                weights.append(weight)
    return (
        torch.tensor([ids]),
        torch.tensor([positions]),
        tree_attention.layout(len(tree.trunk), [len(branch.ids) for branch in tree.branches]),
        torch.tensor(places),
        torch.tensor(weights),
    )


def loss(model: Any, tree: Tree) -> tuple[torch.Tensor, float]:
    """The summed weighted cross-entropy of a tree in nats, and the sum of the weights."""
    ids, positions, layout, places, weights = laid_out(tree)
    inner = model.get_base_model()
    with torch.autocast("cpu", torch.bfloat16, enabled=inner.dtype == torch.bfloat16):
        hidden = inner.model(input_ids=ids, position_ids=positions, tree=layout, use_cache=False).last_hidden_state
        logits = inner.lm_head(hidden[0, places])  # the vocabulary is a fifth of the work: only where it is learnt
    each = torch.nn.functional.cross_entropy(logits.float(), ids[0, places + 1], reduction="none")
    return (each * weights).sum(), float(weights.sum())


def train(
    model: Any,
    tree: Callable[[], Tree],
    *,
    steps: int,
    trees_per_step: int = 2,
    rate: float = 1e-3,
    rank: int = 0,
    ranks: int = 1,
    tell: Callable[[str], None] = print,
) -> None:
    """AdamW with a warm-up of five steps and a cosine to a twentieth.

    With `ranks` processes of one `torch.distributed` group each takes its share of a step's trees, and all end with the
    same weights. Every rank must draw from an equal `tree`. One thread a process: see `processes`.
    """
    from peft.helpers import disable_input_dtype_casting

    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    began, tokens, smooth, order = time.monotonic(), 0, None, random.Random(steps)
    batches: list[list[Tree]] = []
    for step in range(steps):
        scale = min(1.0, (step + 1) / 5) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimiser.param_groups:
            group["lr"] = rate * scale
        if step % _MATCHED == 0:
            batches = matched(
                [tree() for _ in range(trees_per_step * min(_MATCHED, steps - step))], trees_per_step, order
            )
        grown = batches.pop()
        tokens += sum(one.length for one in grown)
        weight = sum(sum(w for branch in one.branches for w in branch.weights) for one in grown)
        whole = torch.zeros(1)
        with disable_input_dtype_casting(model):  # PEFT would turn all that goes through an adapter into float32
            for one in grown[rank::ranks]:
                part, _ = loss(model, one)
                (part / weight).backward()
                whole += float(part.detach()) / weight
        if ranks > 1:
            _add_up(trained, whole)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        smooth = float(whole) if smooth is None else 0.9 * smooth + 0.1 * float(whole)
        if rank == 0 and (step % 4 == 3 or step == 0):
            spent = time.monotonic() - began
            tell(f"step {step + 1}/{steps}  loss {smooth:.3f}  {tokens / spent:.0f} tokens/s  {spent:.0f} s")


def matched(trees: list[Tree], size: int, order: random.Random) -> list[list[Tree]]:
    """Batches of trees of about the same length, in any order: no rank waits long for another."""
    trees = sorted(trees, key=lambda one: one.length)
    batches = [trees[place : place + size] for place in range(0, len(trees), size)]
    order.shuffle(batches)
    return batches


def _add_up(trained: list[torch.nn.Parameter], whole: torch.Tensor) -> None:
    """Sum gradients and losses over all ranks, in one message."""
    import torch.distributed as dist

    parts = [torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in trained]
    flat = torch.cat([part.reshape(-1) for part in parts] + [whole])
    dist.all_reduce(flat)
    place = 0
    for parameter in trained:
        parameter.grad = flat[place : place + parameter.numel()].view_as(parameter).clone()
        place += parameter.numel()
    whole.copy_(flat[-1:])

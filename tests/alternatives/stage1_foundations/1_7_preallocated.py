"""A cache of preallocated buffers that double when they are full; greedy over one list of all tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class KVCache:
    def __init__(self, layers: int) -> None:
        self.buffers: list[list[Tensor] | None] = [None] * layers
        self.held = [0] * layers

    @property
    def length(self) -> int:
        return min(self.held)

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        start = self.held[layer]
        end = start + k.shape[2]
        if self.buffers[layer] is None or self.buffers[layer][0].shape[2] < end:
            grown = [new.new_zeros(*new.shape[:2], max(4, 2 * end), new.shape[3]) for new in (k, v)]
            for new, old in zip(grown, self.buffers[layer] or (), strict=False):
                new[:, :, :start] = old[:, :, :start]
            self.buffers[layer] = grown
        for buffer, new in zip(self.buffers[layer], (k, v), strict=True):
            buffer[:, :, start:end] = new
        self.held[layer] = end
        keys, values = self.buffers[layer]
        return keys[:, :, :end], values[:, :, :end]

    def truncate(self, length: int) -> None:
        if length < 0 or length > self.length:
            raise ValueError(f"cannot keep {length} of {self.length}")
        self.held = [length] * len(self.held)


class CachedModel:
    def __call__(self, ids: list[int], past: int) -> Tensor:
        if len(ids) == 0 or past < 0 or past > self.cache.length:
            raise ValueError(f"cannot feed {len(ids)} ids after {past} positions")
        if past < self.cache.length:
            self.cache.truncate(past)
        with torch.inference_mode():
            logits = self.model(torch.tensor(ids, dtype=torch.long).view(1, -1), cache=self.cache)
        return logits.squeeze(0)


def greedy(step: Callable[[list[int], int], Tensor], prompt: Sequence[int], max_new_tokens: int) -> list[int]:
    if max_new_tokens < 0:
        raise ValueError("max_new_tokens is negative")
    if len(prompt) == 0:
        raise ValueError("the prompt is empty")
    sequence, past = [int(token) for token in prompt], 0
    for _ in range(max_new_tokens):
        logits = step(sequence[past:], past)
        past = len(sequence)
        sequence.append(torch.argmax(logits, dim=-1)[-1].item())
    return sequence[len(prompt) :]

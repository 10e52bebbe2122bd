"""A cache that keeps the parts it was given and joins them when asked; greedy by recursion over a generator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor


class KVCache:
    def __init__(self, layers: int) -> None:
        self.parts: dict[int, list[tuple[Tensor, Tensor]]] = {layer: [] for layer in range(layers)}

    @property
    def length(self) -> int:
        return min(sum(k.size(2) for k, _ in parts) for parts in self.parts.values())

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self.parts[layer].append((k, v))
        keys, values = zip(*self.parts[layer], strict=True)
        return torch.cat(keys, dim=2), torch.cat(values, dim=2)

    def truncate(self, length: int) -> None:
        if not 0 <= length <= self.length:
            raise ValueError("not that many positions are held")
        for layer, parts in self.parts.items():
            kept, left = [], length
            for k, v in parts:
                if left > 0:
                    kept.append((k[:, :, :left], v[:, :, :left]))
                    left -= k.size(2)
            self.parts[layer] = kept


class CachedModel:
    @torch.no_grad()
    def __call__(self, ids: list[int], past: int) -> Tensor:
        if not ids:
            raise ValueError("no ids")
        self.cache.truncate(past)
        batch = torch.from_numpy(np.array([ids], dtype=np.int64))
        (rows,) = self.model.forward(batch, self.cache)
        return rows


def tokens(step: Callable[[list[int], int], Tensor], prompt: list[int]) -> Iterator[int]:
    chosen = int(np.argmax(np.asarray(step(prompt, 0)[-1])))
    for past in itertools.count(len(prompt)):
        yield chosen
        chosen = int(np.argmax(np.asarray(step([chosen], past)[-1])))


def greedy(step: Callable[[list[int], int], Tensor], prompt: Sequence[int], max_new_tokens: int) -> list[int]:
    if not prompt or max_new_tokens < 0:
        raise ValueError("nothing to continue, or less than nothing to add")
    return list(itertools.islice(tokens(step, list(prompt)), max_new_tokens))

"""What runs beside the learner's code in the checks of task 1.7."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch
from torch import nn


def cache_script(learner, *, layers, script):
    """Do to a new cache what the script says, one [what, *arguments] after the other; return the answer of each.

    append answers [all_k, all_v, k, v]: what came back, and the arguments as they are after the call. refuses answers
    whether truncate raises ValueError.
    """
    cache = learner.cache.KVCache(layers)
    answers = []
    for what, *args in script:
        if what == "append":
            layer, k, v = args
            all_k, all_v = cache.append(layer, k, v)
            answers.append([tensor.clone() for tensor in (all_k, all_v, k, v)])
        elif what == "truncate":
            answers.append(cache.truncate(*args))
        elif what == "length":
            answers.append(cache.length)
        elif what == "refuses":
            try:
                cache.truncate(*args)
                answers.append(False)
            except ValueError:
                answers.append(True)
    return answers


class Attention(nn.Module):
    """The judge's attention model, with the interface of `model.Transformer`; the judge keeps the weights."""

    def __init__(self, layers, embed, project, out):
        super().__init__()
        self.config = SimpleNamespace(layers=layers)
        self.embed = embed
        self.project = project
        self.out = nn.Parameter(out)

    def forward(self, ids, cache=None):
        """Logits (1, length, vocab) of ids (1, length)."""
        if not isinstance(ids, torch.Tensor) or ids.dim() != 2 or ids.shape[0] != 1:
            raise ValueError("the model takes a tensor of token ids of shape (1, length)")
        x = self.embed(ids[0].tolist(), 0 if cache is None else cache.length)
        for layer in range(self.config.layers):
            q, k, v = self.project(layer, x)
            if cache is not None:
                k, v = (held[0] for held in cache.append(layer, k.unsqueeze(0), v.unsqueeze(0)))
            scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
            later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(k.shape[-2] - q.shape[-2] + 1)
            mixed = scores.masked_fill(later, float("-inf")).softmax(dim=-1) @ v
            x = x + mixed.transpose(0, 1).flatten(1)
        return (x @ self.out).unsqueeze(0)


def cached_model(learner, *, model, calls):
    """Call a CachedModel with each [ids, past]; return its answers, and whether one of them records gradients."""
    step = learner.cache.CachedModel(Attention(**model))
    answers, records = [], False
    for ids, past in calls:
        logits = step(ids, past)
        records = records or bool(logits.requires_grad)
        answers.append(logits.detach().clone())
    return [answers, records]


def cached_greedy(learner, *, model, prompt, count):
    """Greedy decoding with a CachedModel."""
    return learner.cache.greedy(learner.cache.CachedModel(Attention(**model)), prompt, count)


def prompt_after_greedy(learner, *, step, prompt, count):
    """The prompt, as it is after greedy decoding."""
    learner.cache.greedy(step, prompt, count)
    return prompt

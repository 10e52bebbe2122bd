# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L1.02
#     question: Which mathematics stands behind the two lines that train every language model?
#     objectives:
#       - read a dot product as a score, and say when vector length spoils it
#       - predict shapes, costs and silent broadcasting mistakes of matrix products
#       - split a matrix into directions by SVD, and test what throwing some away does to a model
#       - work out a gradient on paper, and write an automatic one in fifty lines
#       - turn scores into probabilities, surprise, entropy and expectations
#       - write a cross-entropy that stands large scores, ignored targets, empty batches and half precision
#     minutes: 60
#     prerequisites: []
#     topics:
#       T1.01: autograd
#       T1.02: matrices
#       T1.04: [vectors, matrices]
#       T1.05: svd
#       T1.06: derivatives
#       T1.07: probability
#       T1.08: cross-entropy
#       T1.16: autograd
#     leads_to: ["1.9"]
# ---

# %% [markdown]
# # The mathematics you need, as code
#
# Every language model is trained by repeating two lines:
#
# ```python
# loss = cross_entropy(model(tokens), targets)
# loss.backward()
# ```
#
# The model is dot products, arranged as matrices. The loss is probability. `backward` is the chain rule. You will write
# each small enough to check on paper, then find it in SmolLM2, a real model of 135 million weights.
#
# One toy goes with us. After *The ferry will*, a model knows three words: *sail*, *wait*, *sink*. What it has read is
# summed up in a vector $h = (1, 2)$. Each word has a vector of its own.

# %%
import itertools
import math
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_sample_image
from torch.nn import functional

from roadmap.artifacts import load_causal_lm
from roadmap.lessons import style

style.use()
rng = np.random.default_rng(7)
tokenizer, model = load_causal_lm("smollm2-135m-instruct")
model.requires_grad_(False)

words = ["sail", "wait", "sink"]
h = np.array([1.0, 2.0])  # (features,)
W = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, -1.0]])  # (words, features): one row for each word

# %% [markdown]
# ## 1. Vectors <a id="vectors"></a>
#
# The **dot product** of two vectors multiplies them feature by feature and adds up. For *sail* it is
# $1 \cdot 0 + 2 \cdot 1 = 2$, for *wait* 1, for *sink* $2 - 2 = 0$. The model's scores for the next word are these
# three numbers: 2, 1, 0.
#
# The same number is also $|a| \, |b| \cos\theta$, two lengths times the **cosine** of the angle between. The cosine
# compares directions only: 1 for the same direction, 0 at right angles. Here $|h| = \sqrt 5$, so *sail* has
# $2 / (\sqrt 5 \cdot 1) = 0.894$, and *sink* is at a right angle to $h$.


# %% tags=["stable"]
def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Multiply feature by feature, add up."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += float(x * y)
    return total


for word, row in zip(words, W, strict=True):
    cosine = dot(row, h) / math.sqrt(dot(row, row) * dot(h, h))
    print(f"{word:5} dot product {dot(row, h):.0f}   cosine {cosine:.3f}")
    assert np.isclose(dot(row, h), row @ h)  # NumPy writes it @

# %% [markdown]
# SmolLM2 keeps a vector of 576 features for each of its 49,152 tokens: its embedding matrix.
#
# **Predict.** Take the vector of ` Monday`. Which token has the largest dot product with it: ` Monday` itself,
# ` Tuesday`, or something else? And which has the largest cosine, after itself?

# %%
E = model.get_input_embeddings().weight.numpy()  # (tokens, features)
lengths = np.linalg.norm(E, axis=1)
directions = E / lengths[:, None]
monday = tokenizer(" Monday").input_ids[0]


def top(scores: np.ndarray, count: int) -> list[int]:
    """The ids of the largest scores, best first."""
    return np.argsort(-scores)[:count].tolist()


by_dot, by_cosine = top(E @ E[monday], 5), top(directions @ directions[monday], 6)[1:]
style.table(
    [
        [tokenizer.decode(i), float(E[i] @ E[monday]), float(lengths[i]), tokenizer.decode(j), float(c), float(length)]
        for i, j, c, length in zip(
            by_dot, by_cosine, directions[by_cosine] @ directions[monday], lengths[by_cosine], strict=True
        )
    ],
    columns=["by dot product", "dot product", "length", "by cosine", "cosine", "length "],
    digits=2,
    caption=f"Neighbours of ' Monday', whose own length is {lengths[monday]:.2f}. The median length of all tokens is "
    f"{np.median(lengths):.2f}.",
)
assert monday not in by_dot
assert lengths[by_dot].min() > 5.5 > np.percentile(lengths, 99)
assert {tokenizer.decode(i) for i in by_cosine} <= {f" {day}day" for day in ("Tues", "Wednes", "Thurs", "Fri", "Satur")}

# %% [markdown]
# The dot product's winners are stumps of rare words. They are long, and length multiplies every score. *Monday* is not
# even its own best match. A search index must therefore know whether its vectors were normalised: with unit vectors
# the two measures agree.
#
# **Predict.** How large is the cosine of two tokens drawn at random? For vectors of $d$ independent features theory has
# an answer: a sum of $d$ independent products spreads like $\sqrt d$, the two lengths multiply to about $d$, so the
# cosine is $0 \pm 1/\sqrt{576} = 0 \pm 0.042$. And for SmolLM2's?

# %%
first, second = rng.integers(0, len(E), (2, 20_000))
noise = rng.standard_normal((2, 20_000, E.shape[1]), dtype=np.float32)
noise /= np.linalg.norm(noise, axis=-1, keepdims=True)
centred = E[np.stack([first, second])] - E.mean(0)
centred /= np.linalg.norm(centred, axis=-1, keepdims=True)
random_cosines, centred_cosines = (noise[0] * noise[1]).sum(-1), (centred[0] * centred[1]).sum(-1)
token_cosines = (directions[first] * directions[second]).sum(-1)

figure, axis = plt.subplots(figsize=(7, 3.4))
bins = np.linspace(-0.6, 1, 97)
for values, name, colour in (
    (random_cosines, "random vectors", style.GREY),
    (centred_cosines, "tokens, mean removed", style.SKY),
    (token_cosines, "tokens", style.ORANGE),
):
    axis.hist(values, bins=bins, density=True, alpha=0.7, color=colour, label=name)
for left, right, height in ((" cat", " dog", 6.5), (" Monday", " Tuesday", 6.5)):
    i, j = tokenizer(left).input_ids[0], tokenizer(right).input_ids[0]
    place = float(directions[i] @ directions[j])
    axis.axvline(place, color="black", linewidth=1)
    axis.text(place + 0.01, height, f"{left.strip()},\n{right.strip()}")
axis.set(xlabel="cosine of a pair", ylabel="density", ylim=(0, 10.5))
axis.legend(loc="upper left")
style.show(
    figure,
    caption="Random vectors in 576 dimensions are all at right angles. SmolLM2's tokens are not: most share one "
    "direction, and without it (blue) the pairs centre at zero. A cosine of 0.58 for cat and dog means little until "
    "you know that 0.44 is the average.",
    alt="Three histograms of cosines. Random vectors: a narrow peak at 0. Tokens: a broad hump around 0.45. Tokens "
    "with the mean removed: a wider peak at 0. Vertical lines at 0.58 for cat and dog, 0.89 for Monday and Tuesday.",
)
del noise, centred, directions
assert abs(random_cosines.std() - 1 / 24) < 0.002
assert 0.40 < token_cosines.mean() < 0.48
assert abs(centred_cosines.mean()) < 0.05

# %% [markdown]
# All tokens lean the same way. *Similar means a cosine over 0.4* is worth nothing by itself. Look at random pairs of
# *your* model before you choose a threshold.
#
# ## 2. Matrices <a id="matrices"></a>
#
# Three dot products with the same $h$ are one **matrix product**: `W @ h` has a row of $W$ for each score. Many states
# at once need one more index. `(n, k) @ (k, m)` gives `(n, m)`: the inner sizes must agree and disappear, and entry $i,
# j$ is the dot product of row $i$ with column $j$. Word vectors stand in rows, so they are turned into columns by `.T`.


# %% tags=["stable"]
def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, k) times (k, m), one dot product for each entry."""
    return np.array([[dot(row, column) for column in b.T] for row in a])


states = np.array([[1.0, 2.0], [0.0, 1.0]])  # (n, features): h, and another
print("W @ h        ", (W @ h).tolist())
print("states @ W.T ", matmul(states, W.T).tolist())
assert np.array_equal(matmul(states, W.T), states @ W.T)

# %% [markdown]
# SmolLM2 ends in the same way. Its last state after *The ferry will*, times the embedding matrix, gives 49,152 scores.

# %%
prompt = tokenizer("The ferry will", return_tensors="pt").input_ids  # (1, length)
state = model.model(prompt).last_hidden_state[0, -1].numpy()  # (features,)
scores = E @ state  # (tokens, features) @ (features,) -> (tokens,)
print("the five best:", [tokenizer.decode(i) for i in top(scores, 5)])
assert np.allclose(scores, model(prompt).logits[0, -1].numpy(), atol=1e-3)

# %% [markdown]
# ### Brackets cost money
#
# $(AB)x$ and $A(Bx)$ are equal. A product `(n, k) @ (k, m)` takes $nkm$ multiplications.
#
# **Predict.** For two matrices of 1000 × 1000 and one vector, how many times more work is $(AB)x$?

# %%
A, B, x = rng.normal(size=(1000, 1000)), rng.normal(size=(1000, 1000)), rng.normal(size=1000)
start = time.perf_counter()
slow = (A @ B) @ x
middle = time.perf_counter()
fast = A @ (B @ x)
end = time.perf_counter()
assert np.allclose(slow, fast)
print(
    f"multiplications: {1000**3 + 1000**2:,} against {2 * 1000**2:,}, {(1000**3 + 1000**2) / (2 * 1000**2):.1f} times"
)
print(f"seconds:         {middle - start:.4f} against {end - middle:.4f}")

# %% [markdown]
# 500 times the multiplications. The clock shows less: with a vector, the processor waits for the numbers it fetches.
#
# ### Broadcasting: the mistake without an exception
#
# NumPy and torch line shapes up from the right. A missing size, or a 1, is stretched to fit.
#
# **Predict.** Four predictions of shape (4, 1), four targets of shape (4,). All predictions are perfect. What is the
# mean squared error?

# %% tags=["stable"]
targets = np.array([1.0, 2.0, 3.0, 4.0])  # (4,)
predictions = targets[:, None].copy()  # (4, 1)
wrong = predictions - targets
print("shape of the difference:", wrong.shape, "  mean of squares:", (wrong**2).mean())
print("with equal shapes:      ", (predictions[:, 0] - targets).shape, "    mean of squares:", 0.0)
assert (wrong**2).mean() == 2.5
assert ((predictions[:, 0] - targets) ** 2).mean() == 0

row = predictions[0]  # a view: no copy is made
row += 100
print("predictions[0] after row += 100:", predictions[0].tolist())

# %% [markdown]
# (4, 1) and (4,) stretch to (4, 4): every prediction meets every target. The loss is finite, and a model trained on it
# learns the mean. Write the shape beside each line, and check shapes where your functions begin.
#
# The last line is the second classic. A slice is a **view** of the same memory, and `+=` writes into it. A function
# that changes its argument in place changes the caller's data.
#
# ## 3. Singular value decomposition <a id="svd"></a>
#
# What does a matrix *do*? It turns and stretches. The **singular value decomposition** (SVD) finds the directions in
# which it stretches most: $A = \sum_i s_i \, u_i v_i^\top$. Input direction $v_i$ comes out as direction $u_i$, $s_i$
# times as long.
#
# By hand: $A = \begin{pmatrix} 3 & 0 \\ 4 & 5 \end{pmatrix}$, so $A^\top A = \begin{pmatrix} 25 & 20 \\ 20 & 25
# \end{pmatrix}$. Its eigenvectors are $(1, 1)/\sqrt2$ and $(1, -1)/\sqrt2$, with eigenvalues $25 \pm 20$. The singular
# values are their roots: $\sqrt{45} = 6.708$ and $\sqrt5 = 2.236$. As a loop: multiply any vector by $A^\top A$ again
# and again; the longest stretch wins.

# %% tags=["stable"]
A = np.array([[3.0, 0.0], [4.0, 5.0]])
v = np.array([1.0, 0.0])
for _ in range(20):
    v = A.T @ (A @ v)  # brackets: never build A.T @ A
    v /= np.linalg.norm(v)
U, s, Vt = np.linalg.svd(A)
print("by repetition:", v.round(4).tolist(), " stretch", round(float(np.linalg.norm(A @ v)), 3))
print("by NumPy:     ", np.abs(Vt[0]).round(4).tolist(), " stretches", s.round(3).tolist())
assert np.allclose(s, [math.sqrt(45), math.sqrt(5)])
assert np.allclose(v, np.abs(Vt[0]), atol=1e-4)
assert np.allclose(sum(s[i] * np.outer(U[:, i], Vt[i]) for i in range(2)), A)  # the sum of outer products

# %%
angles = np.linspace(0, 2 * np.pi, 200)
circle = np.stack([np.cos(angles), np.sin(angles)])  # (2, points)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.4))
left.plot(*circle, color=style.GREY)
right.plot(*(A @ circle), color=style.GREY)
for i, colour in enumerate((style.BLUE, style.ORANGE)):
    sign = np.sign(Vt[i, 0])
    for axis, vector in ((left, sign * Vt[i]), (right, A @ (sign * Vt[i]))):
        axis.annotate("", vector, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2})
    left.text(*(sign * Vt[i] * 1.15), f"v{i + 1}", color=colour, ha="center", va="center")
    right.text(*(A @ (sign * Vt[i]) * 1.12 + np.array([0.5, 0.0])), f"{s[i]:.3f}", color=colour, va="center")
left.set(title="a circle goes in", xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
right.set(title="an ellipse comes out", xlim=(-5, 5), ylim=(-8, 8), aspect="equal")
style.show(
    figure,
    caption="Every matrix turns a circle into an ellipse. The axes of the ellipse are the singular values times the "
    "directions u; they come from two input directions v at right angles.",
    alt="Left, a unit circle with two perpendicular arrows. Right, a long narrow ellipse; the first arrow has become "
    "its long axis of length 6.708, the second its short axis of length 2.236.",
)

# %% [markdown]
# ### Throwing directions away
#
# Keep only the $r$ largest terms of the sum. Of all matrices of rank $r$ this one is the closest, and the squared error
# is the sum of the dropped $s_i^2$ (Eckart and Young, 1936). Call the sum of all $s_i^2$ the **energy**; it is also the
# sum of all squared entries. And $r$ terms need only $r(n + m)$ numbers instead of $nm$.
#
# **Predict.** To keep 90% of the energy, how many of its directions does a photograph need? A weight matrix of
# SmolLM2 (576 directions)? Pure noise of the same shape?


# %%
def energy_kept(matrix: np.ndarray) -> np.ndarray:
    """Share of the energy in the first 1, 2, ... directions."""
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    return squares.cumsum() / squares.sum()


photo = load_sample_image("china.jpg").mean(-1)  # (427, 640), grey
photo_mean = photo.mean()
ups = [layer.mlp.up_proj.weight for layer in model.model.layers]  # 30 matrices (1536, 576)
curves = {
    "photograph": energy_kept(photo - photo_mean),
    "weights, layer 15": energy_kept(ups[15].numpy()),
    "noise": energy_kept(rng.normal(size=tuple(ups[15].shape))),
}
needed = {name: int((curve < 0.9).sum()) + 1 for name, curve in curves.items()}
assert needed["photograph"] < 15
assert needed["weights, layer 15"] > 0.9 * needed["noise"]

U, s, Vt = np.linalg.svd(photo - photo_mean, full_matrices=False)
figure, axes = plt.subplots(1, 4, figsize=(10.4, 2.7), width_ratios=[1, 1, 1, 1.25])
for axis, r in zip(axes[:3], (len(s), 10, 40), strict=True):
    axis.imshow(U[:, :r] * s[:r] @ Vt[:r] + photo_mean, cmap="gray", vmin=0, vmax=255)
    axis.set(title="photograph" if r == len(s) else f"{r} of {len(s)} directions", xticks=[], yticks=[])
    axis.grid(False)
for (name, curve), colour in zip(curves.items(), (style.GREEN, style.BLUE, style.GREY), strict=True):
    axes[3].plot(np.arange(1, len(curve) + 1) / len(curve), curve, color=colour, label=f"{name}: {needed[name]}")
axes[3].axhline(0.9, color="black", linestyle=":", linewidth=1)
axes[3].set(xlabel="share of the directions kept", ylabel="energy", ylim=(0, 1.03))
axes[3].legend(title="directions for 90%", loc="lower right")
style.show(
    figure,
    caption="A photograph is nearly low-rank: ten directions hold 90% of its energy. A trained weight matrix is much "
    "closer to noise.",
    alt="Three versions of a photograph of a temple: the original, a smeared one from 10 directions, a soft one from "
    "40. Then energy against the share of directions kept: the photograph jumps to 0.9 at once; weights and noise rise "
    "slowly, close together.",
)

# %% [markdown]
# Does it matter? We cut all thirty of these matrices down to 90% of their energy, and read a short text. The loss is
# the mean surprise for each token: lower is better (section [7](#cross-entropy)). For comparison, two ways to do the
# matrices damage of the *same energy*: noise added to every weight, and weights set to zero at random.
#
# **Predict.** Which of the three hurts most? SVD gives the best approximation there is at its rank.

# %%
passage = (
    "The storms delayed the ferry, and nobody on the pier knew for how long. A woman with two suitcases asked the man "
    "in the kiosk whether the evening boat would sail. He shrugged and sold her a map of the island."
)
ids = tokenizer(passage, return_tensors="pt").input_ids  # (1, n)


def passage_loss() -> float:
    """Mean surprise of the model at each token of the passage but the first."""
    return functional.cross_entropy(model(ids).logits[0, :-1], ids[0, 1:]).item()


def cut(weight: torch.Tensor) -> torch.Tensor:
    """The closest matrix that keeps 90% of the energy in the fewest directions."""
    _, directions = torch.linalg.eigh(weight.T @ weight)  # the v of the SVD, smallest first
    directions = directions.flip(1)
    energy = (weight @ directions).square().sum(0).cumsum(0)
    kept = directions[:, : int((energy < 0.9 * energy[-1]).sum()) + 1]
    return (weight @ kept) @ kept.T


def noisy(weight: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Noise with a tenth of the energy added."""
    added = torch.randn(weight.shape, generator=generator)
    return weight + added * (0.1**0.5 * weight.norm() / added.norm())


def torn(weight: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One weight in ten set to zero."""
    return weight * (torch.rand(weight.shape, generator=generator) >= 0.1)


def loss_with(damage) -> float:
    """The loss with all thirty matrices damaged; the model is repaired afterwards."""
    originals = [weight.data for weight in ups]
    for weight in ups:
        weight.data = damage(weight.data)
    loss = passage_loss()
    for weight, original in zip(ups, originals, strict=True):
        weight.data = original
    return loss


def with_seeds(damage) -> list[float]:
    """Three random repetitions of a damage."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    return [loss_with(lambda weight, g=g: damage(weight, g)) for g in generators]


whole, by_svd, by_noise, by_tearing = passage_loss(), loss_with(cut), with_seeds(noisy), with_seeds(torn)
style.table(
    [
        ["none", f"{whole:.2f}"],
        ["SVD, smallest directions removed", f"{by_svd:.2f}"],
        ["noise on every weight, three seeds", ", ".join(f"{loss:.2f}" for loss in by_noise)],
        ["one weight in ten set to zero, three seeds", ", ".join(f"{loss:.2f}" for loss in by_tearing)],
    ],
    columns=["damage to the 30 up-projections, a tenth of the energy each", "loss"],
    caption="The best approximation does the worst damage. A model that knows nothing would have a loss of 10.80.",
)
assert by_svd > max(by_noise + by_tearing) + 1.5
assert max(by_noise + by_tearing) < whole + 1.6

# %% [markdown]
# SVD reached the optimum of the wrong goal. It minimises the error of the *entries*; what counts is the *predictions*.
# A likely reason: random damage partly averages out, while SVD silences the same directions for every token. Measure
# a compression by its loss, never by its energy.
#
# Nor would it have saved anything: $382 \cdot (1536 + 576)$ numbers are 91% of the original. Where low rank does shine
# in language models is the *change* of a matrix. Section [5](#autograd) measures it.
#
# ## 4. Derivatives <a id="derivatives"></a>
#
# The **derivative** says how fast an output moves when an input moves a little: $f'(x) \approx (f(x + \epsilon) - f(x -
# \epsilon)) / 2\epsilon$. With several inputs there is one **partial derivative** for each, the others held still; the
# list of them is the **gradient**. A small step changes $f$ by its dot product with the gradient, so nothing raises $f$
# faster than a step along the gradient, and training steps against it.
#
# The formula is also the universal test for derivatives. Our case: $\ln(e^{z_1} + e^{z_2} + e^{z_3}) - z_1$ at $z = (2,
# 1, 0)$, whose derivative by $z_1$ is known to be $-0.335$.
#
# **Predict.** A smaller $\epsilon$ is closer to the definition. Is it also more accurate?

# %%
epsilons = 10.0 ** np.arange(-12, 0.5, 0.5)
errors = {}
for kind in (np.float32, np.float64):

    def f(z1: float, kind=kind) -> np.floating:
        z = np.array([z1, 1, 0], dtype=kind)
        return np.log(np.exp(z).sum()) - z[0]

    exact = math.exp(2) / (math.exp(2) + math.e + 1) - 1
    errors[kind] = [abs((f(2 + e) - f(2 - e)) / (kind(2 + e) - kind(2 - e) or 1) - exact) for e in epsilons]
    best = epsilons[int(np.argmin(errors[kind]))]
    print(
        f"{kind.__name__}: best epsilon {best:.0e}, error there {min(errors[kind]):.0e}, at 1e-10 {errors[kind][4]:.0e}"
    )
assert errors[np.float32][4] > 0.1
assert 1e-4 < epsilons[int(np.argmin(errors[np.float32]))] < 1

figure, axis = plt.subplots(figsize=(6.4, 3.3))
for (kind, values), colour in zip(errors.items(), (style.ORANGE, style.BLUE), strict=True):
    axis.plot(epsilons, np.maximum(values, 1e-14), marker="o", color=colour, label=kind.__name__)
axis.set(xscale="log", yscale="log", xlabel="step ε", ylabel="error of the derivative")
axis.legend()
style.show(
    figure,
    caption="To the right the curve is not straight enough, to the left rounding is divided by ε. In float32, the "
    "precision of models, a step below one in ten million sees nothing at all.",
    alt="Log-log plot of error against step size. Two V shapes: float64 has its minimum near 1e-5, float32 near 1e-2; "
    "to the left both rise, float32 to an error as large as the derivative.",
)

# %% [markdown]
# ### The chain rule, on a graph
#
# A program is a graph of small steps, each with a derivative that is easy. Take $x = 2$, $y = 3$, $u = x + y = 5$, $v =
# xy = 6$, $f = uv = 30$. The **chain rule**: multiply the derivatives along a path, and *add* over all paths.
#
# - $f$ by $u$ is $v = 6$; $f$ by $v$ is $u = 5$.
# - $x$ reaches $f$ by $u$, $6 \cdot 1$, and by $v$, $5 \cdot y = 15$. Together 21.
# - $y$: $6 \cdot 1 + 5 \cdot x = 16$.

# %%
places = {"x": (0, 1), "y": (0, 0), "u": (1.6, 1), "v": (1.6, 0), "f": (3.2, 0.5)}
figure, axis = plt.subplots(figsize=(7, 2.9))
for start, end, slope, where in (
    *(("x", "u", "1", 0.5), ("x", "v", "y = 3", 0.27), ("y", "u", "1", 0.27), ("y", "v", "x = 2", 0.5)),
    *(("u", "f", "v = 6", 0.5), ("v", "f", "u = 5", 0.5)),
):
    (x0, y0), (x1, y1) = places[start], places[end]
    arrow = {"arrowstyle": "-|>", "color": style.GREY, "shrinkA": 24, "shrinkB": 24}
    axis.annotate("", (x1, y1), (x0, y0), arrowprops=arrow)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axis.text(x0 + where * (x1 - x0), y0 + where * (y1 - y0), slope, ha="center", va="center", bbox=paper)
for name, value, gradient in (("x", 2, 21), ("y", 3, 16), ("u", 5, 6), ("v", 6, 5), ("f", 30, 1)):
    box = {"boxstyle": "round,pad=0.4", "facecolor": style.SKY, "edgecolor": "none"}
    axis.text(*places[name], f"{name} = {value}\ngrad {gradient}", ha="center", va="center", bbox=box)
axis.set(xlim=(-0.4, 3.6), ylim=(-0.35, 1.35))
axis.axis("off")
style.show(
    figure,
    caption="Values flow right, gradients flow left. Each arrow carries the derivative of its end by its start. Where "
    "two arrows leave a node, two gradients come back and are added: 6·1 + 5·3 = 21.",
    alt="A graph of five boxes. x = 2 and y = 3 each have arrows to u = 5 and v = 6, which have arrows to f = 30. The "
    "gradients are f 1, u 6, v 5, x 21, y 16.",
)

# %% [markdown]
# ## 5. Autograd in fifty lines <a id="autograd"></a>
#
# **Back-propagation** is the chain rule in a good order: from the end to the start, each node once, after everything
# that uses it. A small class does it. An object holds one number, its **parents** (what it was made from), and its
# derivative by each. Special methods (`__add__`, `__mul__`) let it stand in ordinary formulas, so the graph builds
# itself while the formula runs. A node is born after its parents: from the youngest to the oldest is the right order.


# %%
def lift(number: "Value | float") -> "Value":
    """Constants become nodes too."""
    return number if isinstance(number, Value) else Value(number)


class Value:
    """A number that remembers what it was made from."""

    births = itertools.count()

    def __init__(self, data: float, parents: tuple = (), slopes: tuple = ()) -> None:
        self.data, self.grad = float(data), 0.0
        self.parents, self.slopes = parents, slopes  # slope i: the derivative of this node by parent i
        self.birth = next(Value.births)

    def __add__(self, other: "Value | float") -> "Value":
        other = lift(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: "Value | float") -> "Value":
        other = lift(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def exp(self) -> "Value":
        power = math.exp(self.data)
        return Value(power, (self,), (power,))

    def log(self) -> "Value":
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def __sub__(self, other: "Value | float") -> "Value":
        return self + lift(other) * -1.0

    __radd__, __rmul__ = __add__, __mul__  # for 2 + value, where the int on the left does not know us

    def backward(self) -> None:
        """Add to each node's `grad` the derivative of this one by it."""
        seen, stack = {self}, [self]
        while stack:
            for parent in stack.pop().parents:
                if parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        self.grad = 1.0
        for node in sorted(seen, key=lambda node: node.birth, reverse=True):
            for parent, slope in zip(node.parents, node.slopes, strict=True):
                parent.grad += slope * node.grad  # += because paths add up


x, y = Value(2), Value(3)
((x + y) * (x * y)).backward()
print("gradients:", x.grad, y.grad)
assert (x.grad, y.grad) == (21, 16)

# %% [markdown]
# **Predict.** Compute $f$ from the same `x` and `y` once more, and call `backward` again. What is `x.grad`? And: start
# with $x = 1$ and double it thirty times by `x = x + x`. There are $2^{30}$ paths from end to start. How long does
# `backward` take?

# %%
((x + y) * (x * y)).backward()
print("x.grad after a second backward:", x.grad)
end = start = Value(1)
for _ in range(30):
    end = end + end
began = time.perf_counter()
end.backward()
print(f"{start.grad:,.0f} paths summed in {time.perf_counter() - began:.5f} s")
assert x.grad == 42
assert start.grad == 2**30

# %% [markdown]
# 42: gradients add up until somebody clears them. Torch does the same, hence `zero_grad` in every training loop. And a
# billion paths cost 31 visits, because every node passes on one sum.
#
# Now the toy's loss. For the right word *sail*: $\ln(e^2 + e^1 + e^0) - 2 = 0.408$. Our engine, against torch, against
# a formula that you will need: the gradient by the scores is **shares minus one-hot**, $(0.665 - 1, 0.245, 0.090)$, and
# by the weights it is the outer product of that with $h$.


# %% tags=["stable"]
def toy_loss(rows: list[list[Value]], target: int) -> Value:
    """Cross-entropy of one target word, from scalars. rows: a list of weights for each word."""
    scores = [sum(weight * float(feature) for weight, feature in zip(row, h, strict=True)) for row in rows]
    return sum(score.exp() for score in scores).log() - scores[target]


ours = [[Value(weight) for weight in row] for row in W]
loss = toy_loss(ours, target=0)
loss.backward()

theirs = torch.tensor(W, requires_grad=True)
functional.cross_entropy((theirs @ torch.tensor(h))[None], torch.tensor([0])).backward()

shares = np.exp(W @ h) / np.exp(W @ h).sum()
by_formula = np.outer(shares - np.array([1, 0, 0]), h)  # (words, features)
print("loss", round(loss.data, 3), "  gradient of the row of 'sail':", [round(w.grad, 3) for w in ours[0]])
assert np.allclose([[w.grad for w in row] for row in ours], theirs.grad)
assert np.allclose(by_formula, theirs.grad)

# %% [markdown]
# The real model has 134,515,008 weights, and one backward pass gives all their derivatives. The alternative, two
# forward passes for each weight, we only estimate. And we test torch as in section 4: along the gradient's direction,
# the loss must change at a rate equal to the gradient's length.

# %%
began = time.perf_counter()
passage_loss()
forward_seconds = time.perf_counter() - began
model.requires_grad_(True)
parameters = list(model.parameters())
functional.cross_entropy(model(ids).logits[0, :-1], ids[0, 1:]).backward()  # the first one also allocates memory
model.zero_grad(set_to_none=False)
began = time.perf_counter()
functional.cross_entropy(model(ids).logits[0, :-1], ids[0, 1:]).backward()
both_seconds = time.perf_counter() - began

length = math.sqrt(sum(parameter.grad.square().sum().item() for parameter in parameters))
with torch.no_grad():
    moved = []
    for step in (0.01, -0.02):  # ahead, then back past the start
        for parameter in parameters:
            parameter.add_(parameter.grad, alpha=step / length)
        moved.append(passage_loss())
    for parameter in parameters:
        parameter.add_(parameter.grad, alpha=0.01 / length)
slope = (moved[0] - moved[1]) / 0.02
count = sum(parameter.numel() for parameter in parameters)
years = 2 * count * forward_seconds / (365.25 * 24 * 3600)
print(f"forward {forward_seconds:.2f} s, forward and backward {both_seconds:.2f} s")
print(f"one weight at a time: {years:.1f} years")
print(f"length of the gradient {length:.2f}, measured slope {slope:.2f}")
assert abs(slope / length - 1) < 0.02
assert count == 134_515_008

# %% [markdown]
# A few forward passes against years.
#
# One more look at that gradient. By the formula above, each token adds *one* outer product to the gradient of a weight
# matrix. The text has 50 tokens, and the last predicts nothing that we score.
#
# **Predict.** The up-projection of layer 15 needs hundreds of directions. How many does its gradient need?

# %%
gradient = ups[15].grad.numpy()  # (1536, 576)
gradient_curve = energy_kept(gradient)
needed_by_gradient = int((gradient_curve < 0.9).sum()) + 1
rank = int(np.linalg.matrix_rank(gradient, tol=1e-4 * np.linalg.norm(gradient, 2)))
model.zero_grad(set_to_none=True)
model.requires_grad_(False)

figure, axis = plt.subplots(figsize=(6.4, 3.3))
axis.plot(range(1, 577), gradient_curve, color=style.ORANGE, label=f"its gradient: {needed_by_gradient}")
axis.plot(
    range(1, 577), curves["weights, layer 15"], color=style.BLUE, label=f"the matrix: {needed['weights, layer 15']}"
)
axis.axhline(0.9, color="black", linestyle=":", linewidth=1)
axis.set(xlabel="directions kept, of 576", ylabel="energy", ylim=(0, 1.03))
axis.legend(title="directions for 90%", loc="center right")
style.show(
    figure,
    caption=f"The same matrix and its gradient on {ids.shape[1]} tokens (rank {rank}). What one text wants to change "
    "lives in a few directions.",
    alt="Energy against directions kept. The gradient rises steeply and reaches 0.9 after 12 directions; the "
    "matrix rises slowly and reaches 0.9 after almost 400.",
)
assert rank <= ids.shape[1] - 1
assert needed_by_gradient < 30

# %% [markdown]
# LoRA, in stage 4, stores a *change* of low rank beside full weights. This is one reason why that can work.
#
# ## 6. Probability <a id="probability"></a>
#
# A **distribution** gives each outcome a share; the shares are at least zero and add up to one. Softmax makes one from
# scores: 2, 1, 0 became 0.665, 0.245, 0.090. An **expectation** is a mean weighted by the shares. Suppose that sailing
# delays you by 0 minutes, waiting by 30, sinking by 600. The expected delay is $0.665 \cdot 0 + 0.245 \cdot 30 + 0.090
# \cdot 600 = 61$ minutes: no possible outcome is near it, and the rarest decides it.
#
# The **surprise** of an outcome is $-\ln p$: 0 for certainty, more for the rare. Its unit is the nat. The expected
# surprise is the **entropy** $H = -\sum p \ln p$, the uncertainty before you look. Here: $0.665 \cdot 0.408 + 0.245
# \cdot 1.408 + 0.090 \cdot 2.408 = 0.832$ nats, of $\ln 3 = 1.099$ at most.
#
# Expectations can be estimated by drawing. Below, SmolLM2's distribution after *The ferry will*: draw tokens, average
# their surprise. The error shrinks like $\sigma / \sqrt n$. A hundred times the draws buy one more decimal.

# %%
log_p = torch.tensor(scores).double().log_softmax(-1).numpy()  # (tokens,)
p = np.exp(log_p)
entropy = -(p * log_p).sum()
sigma = math.sqrt((p * (-log_p - entropy) ** 2).sum())
best_five = top(p, 5)

draws = rng.choice(len(p), size=(8, 10_000), p=p / p.sum())  # (repetitions, draws)
counts = np.arange(1, draws.shape[1] + 1)
running = (-log_p[draws]).cumsum(1) / counts
inside = np.abs(running[:, -1] - entropy) < 3 * sigma / math.sqrt(draws.shape[1])
assert inside.all()

figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), width_ratios=[1, 1.5])
left.barh([tokenizer.decode(i) for i in best_five][::-1], p[best_five][::-1])
left.set(xlabel="probability", title="after 'The ferry will'")
right.plot(counts, running.T, color=style.SKY, linewidth=0.9)
right.axhline(entropy, color="black", linewidth=1)
for sign in (-2, 2):
    right.plot(counts, entropy + sign * sigma / np.sqrt(counts), color=style.ORANGE, linestyle="--", linewidth=1.2)
right.set(xscale="log", xlim=(3, 1e4), ylim=(entropy - 2.2, entropy + 2.2))
right.set(xlabel="draws", ylabel="mean surprise (nats)")
style.show(
    figure,
    caption=f"Left, the five likeliest tokens. Right, eight repetitions of drawing: the mean surprise tends to the "
    f"entropy, {entropy:.2f} nats (black), within two standard errors most of the time (dashed).",
    alt="Left, five bars, the largest for ' take'. Right, eight wandering lines over the number of draws on a "
    "logarithmic axis, narrowing between two dashed curves onto a horizontal line.",
)

# %% [markdown]
# A text is a chain of conditional probabilities: $p(a, b, c) = p(a) \, p(b \mid a) \, p(c \mid a, b)$.
#
# **Predict.** Which probability does SmolLM2 give the passage about the ferry, as a float32?

# %%
logits = model(ids).logits[0, :-1]  # (n - 1, tokens): row i is about token i + 1
following = ids[0, 1:]  # (n - 1,)
log_probabilities = logits.log_softmax(-1)
chosen = log_probabilities.gather(1, following[:, None]).squeeze(1)  # (n - 1,)
print("product of the probabilities:", chosen.exp().prod().item())
print(f"sum of their logarithms:      {chosen.sum():.1f}")
assert chosen.exp().prod().item() == 0
assert chosen.sum() > -250

# %% [markdown]
# Zero, after 49 tokens. Work in logarithms from the start: products become sums, and nothing vanishes.
#
# ## 7. Cross-entropy <a id="cross-entropy"></a>
#
# The last logarithm, divided by the number of tokens and with its sign changed, is the loss: the mean surprise at what
# really came, the **negative log-likelihood**. If the data have distribution $p$ and the model says $q$, its expected
# value is the **cross-entropy**:
#
# $$H(p, q) = -\sum p \ln q = H(p) + \text{KL}(p \,\|\, q)$$
#
# The first part is the data's own uncertainty. The second, the Kullback-Leibler divergence, is never negative, and it
# is all that training can remove.
#
# **Predict.** Of ten ferries seven sailed, two waited, one sank. Train the toy from zero weights on these ten examples,
# for as long as you like. Where does the loss end: near 0, near 0.8, near 1.1?

# %%
examples = [0] * 7 + [1] * 2 + [2]  # target words
rows = [[Value(0.0), Value(0.0)] for _ in words]
history = []
for _ in range(120):
    loss = sum(toy_loss(rows, target) for target in examples) * (1 / len(examples))
    for row in rows:
        for weight in row:
            weight.grad = 0.0
    loss.backward()
    for row in rows:
        for weight in row:
            weight.data -= 0.03 * weight.grad
    history.append(loss.data)
floor = -sum(share * math.log(share) for share in (0.7, 0.2, 0.1))
learned = np.exp([sum(w.data * f for w, f in zip(row, h, strict=True)) for row in rows])
learned /= learned.sum()
print(f"entropy of the data {floor:.4f}, last loss {history[-1]:.4f}, shares {learned.round(2).tolist()}")
assert 0 < history[-1] - floor < 0.002
assert abs(history[0] - math.log(3)) < 1e-9

figure, axis = plt.subplots(figsize=(6.4, 3.2))
axis.plot(history, color=style.BLUE)
axis.fill_between(range(120), floor, history, color=style.SKY, alpha=0.4)
axis.axhline(floor, color="black", linewidth=1)
axis.text(60, floor - 0.05, "entropy of the data: 0.802")
axis.text(14, 0.89, "KL divergence: what training removes")
axis.set(xlabel="step", ylabel="loss (nats)", ylim=(0.7, 1.13))
style.show(
    figure,
    caption="Our engine trains the toy. The loss starts at ln 3, the surprise of knowing nothing, and stops at the "
    "entropy of the data. No model and no optimiser gets below it.",
    alt="A falling curve from 1.10 that flattens at 0.80 after some 60 steps; the area between the curve and the line "
    "at 0.802 is shaded.",
)

# %% [markdown]
# The floor of text is not zero either, which makes two marks worth knowing: below you, an entropy that nobody knows;
# above you, $\ln$ of the vocabulary size, 10.80 for SmolLM2. A fresh model far above that mark has a bug.
#
# ### The real thing, and five wrong ways
#
# One row of scores $z$ with target $t$ loses $\ln \sum_j e^{z_j} - z_t$. Average over the rows. The unit is the nat;
# for bits divide by $\ln 2$.

# %%
by_loop = []
for row, target in zip(logits.double().numpy(), following.tolist(), strict=True):
    by_loop.append(math.log(np.exp(row - row.max()).sum()) + row.max() - row[target])

rows = torch.arange(len(following))
losses = torch.logsumexp(logits, dim=1) - logits.gather(1, following[:, None]).squeeze(1)  # (n - 1,)
right = losses.mean()
assert np.allclose(losses, by_loop, atol=1e-4)
assert torch.isclose(right, functional.cross_entropy(logits, following))

wrong_ways = {
    "the mean over the rows, in nats": right,
    "summed": losses.sum(),
    "in bits": right / math.log(2),
    "softmax taken down the positions": -logits.log_softmax(0)[rows, following].mean(),
    "probabilities given instead of scores": functional.cross_entropy(logits.softmax(-1), following),
    "targets not shifted by one": functional.cross_entropy(logits, ids[0, :-1]),
}
style.table(
    [[name, loss.item(), f"{math.exp(loss):.3g}"] for name, loss in wrong_ways.items()],
    columns=["computed as", "loss", "perplexity, its exponential"],
    digits=2,
    caption="One model, one text. Only the first row is the loss; every other row is a plausible number.",
)
assert wrong_ways["probabilities given instead of scores"] > 9.8

# %% [markdown]
# *Probabilities instead of scores* is the meanest: softmax is taken twice. Even a perfect model cannot get under
# $\ln(e + 49151) - 1 = 9.80$ then, and yet training lowers it a little.
#
# The passage, token by token. Bars above dots are surprises that the model did not expect.

# %%
expected = -(log_probabilities.exp() * log_probabilities).sum(-1)  # (n - 1,): entropy before each token
labels = [tokenizer.decode(i) for i in following.tolist()]
figure, axis = plt.subplots(figsize=(10.4, 3.6))
axis.bar(range(len(labels)), losses, color=style.SKY, label=f"surprise, mean {right:.2f}")
axis.plot(expected, "o", color=style.ORANGE, label=f"entropy before it, mean {expected.mean():.2f}")
axis.set_xticks(range(len(labels)), labels, rotation=90)
axis.set(ylabel="nats", xlim=(-0.7, len(labels) - 0.3))
axis.legend()
style.show(
    figure,
    caption="Loss for each token. 'storms' and 'delayed' are open choices; the ends of 'suitcases', 'kiosk' and "
    "'shrugged' are certain. Were the model its own author, the two means would agree.",
    alt="Bars for 49 tokens between 0 and 14 nats, highest for storms and delayed, near zero for the second halves of "
    "split words. Dots for the entropy lie between 0 and 7.",
)
assert expected.mean() < right
assert losses[labels.index("cases")] < 0.5
assert losses[0] > 10

# %% [markdown]
# ### Scores that break it
#
# `exp` in float32 overflows at 89. Two repairs are common; only one works.
#
# **Predict.** The scores are 10,000, 9,999 and 0, and the target is the third. What is the loss? What does
# `-log(softmax)` say?

# %% tags=["stable"]
extreme = torch.tensor([10_000.0, 9_999.0, 0.0])
impossible = torch.tensor([2.0, -math.inf, 0.0])  # the second word is forbidden
print("naive:            ", (extreme.exp().sum().log() - extreme[2]).item())
print("-log(softmax):    ", (-extreme.softmax(0)[2].log()).item())
print("logsumexp:        ", round((torch.logsumexp(extreme, 0) - extreme[2]).item(), 1))
print("with a -inf score:", round((torch.logsumexp(impossible, 0) - impossible[0]).item(), 3))
assert math.isclose(torch.logsumexp(extreme, 0).item(), 10_000.3, rel_tol=1e-4)

# %% [markdown]
# A stable softmax is not enough: its smallest share underflows to 0, and $\ln 0$ is infinite. **Log-sum-exp** takes the
# maximum $m$ out *before* the logarithm: $m + \ln \sum e^{z_j - m}$, here $10000 + \ln(1 + 0.368 + 0)$. A forbidden
# word adds $e^{-\infty} = 0$, and the rest is as usual. (A *target* at $-\infty$ has infinite loss, rightly.)
#
# Precision is the other trap. bfloat16 stores 3.14159 as 3.140625; between 16 and 32 its numbers lie 0.125 apart, and
# that is where these sums live.

# %%
half = logits.bfloat16()
in_half = (torch.logsumexp(half, 1) - half.gather(1, following[:, None]).squeeze(1)).float()
converted = half.float()
first = torch.logsumexp(converted, 1) - converted.gather(1, following[:, None]).squeeze(1)
print("bfloat16 scores, computed as they are:      ", [round(value, 4) for value in in_half[:4].tolist()])
print("bfloat16 scores, first converted to float32:", [round(value, 4) for value in first[:4].tolist()])
print("float32 scores:                             ", [round(value, 4) for value in losses[:4].tolist()])
assert (in_half - first).abs().max() > 0.03

# %% [markdown]
# Convert with `.float()` first, and return float32. What the scores lost earlier stays lost; you add nothing to it.
#
# ### Positions that do not count
#
# Padding must not be scored, nor a user's question when you train an assistant. By convention such a target is $-100$.
#
# **Predict.** `logits[rows, targets]` with a target of $-100$: an exception, or a number?

# %%
marked = following.clone()
marked[:20] = -100  # say, the question
scored = marked != -100
per_row = torch.logsumexp(logits, 1) - logits[rows, marked]  # no exception
print(
    "what -100 picked out:",
    repr(tokenizer.decode(len(tokenizer) - 100)),
    " and -1:",
    repr(tokenizer.decode(-1 % 49152)),
)
print(f"ignored rows scored:          {per_row.mean():.3f}")
print(f"left out of the sum only:     {per_row[scored].sum() / len(marked):.3f}")
print(f"left out of sum and divisor:  {per_row[scored].mean():.3f}")
assert torch.isclose(per_row[scored].mean(), functional.cross_entropy(logits, marked))  # its default is -100 too

nothing = torch.zeros(3, 5, requires_grad=True)
empty = nothing[torch.zeros(3, dtype=torch.bool)]  # (0, 5): no row is scored
print("mean of no rows:", empty.mean().item(), "  sum of no rows:", empty.sum().item())
empty.sum().backward()
assert torch.equal(nothing.grad, torch.zeros(3, 5))

# %% [markdown]
# A number, in any vocabulary of a hundred words: a negative index counts from the end. So the order of work is fixed.
# Refuse shapes other than (n, vocabulary) and (n,) with a `ValueError`. **Select the scored rows**, scores and targets
# alike, into new tensors; the caller's stay as they are. (The mark may also be a real id, that of a padding token.)
# Refuse what is left below 0 or beyond the vocabulary. Compute, and divide by the number of *scored* rows.
#
# When all rows are ignored, the mean is NaN, and one such batch ruins a model. The sum over no rows is 0 and still
# connected to the scores: `backward` runs and gives zeros. A literal `torch.tensor(0.0)` would not; neither would
# anything after `.item()`.
#
# Two consequences to check:

# %% tags=["stable"]
z = torch.tensor([[2.0, 1.0, 0.0], [5.0, 1.0, 1.0], [0.0, 0.0, 0.0]], requires_grad=True)
functional.cross_entropy(z, torch.tensor([0, -100, 2])).backward()
for row in z.grad.tolist():
    print([round(value, 3) for value in row])

batches = [(6.0, 1), (2.0, 9)]  # (mean loss, scored tokens)
print("mean of the two means:", sum(loss for loss, _ in batches) / 2)
print("mean over all tokens: ", sum(loss * n for loss, n in batches) / sum(n for _, n in batches))

# %% [markdown]
# The gradient of a scored row is (shares − one-hot) / scored rows; of an ignored row, zero. And means of batches
# combine by their numbers of scored tokens: 2.4, not 4.0. The same holds for perplexity over windows.
#
# ## Recap
# - A dot product mixes direction and length: by it, ` Monday` was not its own nearest token (section 1).
# - Compare cosines with those of random pairs: 0.44 in SmolLM2, not 0 (section 1).
# - A (4, 1) minus a (4,) gave a loss of 2.5 for perfect predictions (section 2).
# - SVD is the closest low-rank matrix, and did more damage than tearing out a tenth of the weights (section 3).
# - Derivatives multiply along paths and add over them; fifty lines of code agreed with torch (sections 4, 5).
# - A gradient from 50 tokens has rank 49 at most (section 5).
# - A mean surprise tends to the entropy like $1/\sqrt n$; probabilities of texts need logarithms (section 6).
# - Cross-entropy ends at the entropy of the data. Use log-sum-exp in float32, select before you index, divide by what
#   was scored (section 7).
#
# ## Exercises
# **1. (3 min)** A model is sure of the wrong word: scores (4, 0, 0), target the second. Its loss, to three decimals?

# %%
your_answer_1 = None  # a number


def exercise_1(answer):
    if answer is None:
        return "Not attempted: log-sum-exp minus the target's score."
    want = math.log(math.exp(4) + 2)
    assert abs(answer - want) < 2e-3, f"Not yet: {answer}. Three powers, one logarithm, minus the score of the target."
    return "Right. Nearly the gap between the two scores: a confident mistake costs what it was confident by."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The target's own score is 0.
#
# </details>
# <details><summary>Approach</summary>
#
# $\ln(e^4 + e^0 + e^0) - 0$
#
# </details>
# <details><summary>Worked answer</summary>
#
# $\ln(54.598 + 2) = 4.036$
#
# </details>
#
# **2. (8 min)** On paper: $a = xy$, $b = a + y$, $f = ab$ at $x = 2$, $y = 3$. Give the derivatives of $f$ by $x$ and
# by $y$ as a list.

# %%
your_answer_2 = None  # [by x, by y]


def exercise_2(answer):
    if answer is None:
        return "Not attempted: draw the graph; a has two arrows going out."
    p, q = Value(2), Value(3)
    product = p * q
    (product * (product + q)).backward()
    for name, got, node in zip("xy", answer, (p, q), strict=True):
        assert abs(got - node.grad) < 1e-9, f"Not yet: {got} for {name}. Count every path from {name} to f."
    return "Right. The node a is used twice, and so is y."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# $f$ by $a$ has two paths: direct, and by way of $b$.
#
# </details>
# <details><summary>Approach</summary>
#
# $a = 6$, $b = 9$. Gradient of $b$: $a = 6$. Gradient of $a$: $b + 6 = 15$.
#
# </details>
# <details><summary>Worked answer</summary>
#
# By $x$: $15 \cdot y = 45$. By $y$: $15 \cdot x + 6 \cdot 1 = 36$.
#
# </details>
#
# **3. (8 min)** Write `relu(value)`: the larger of 0 and the value, as a node of the graph. At 0 use the slope 0.

# %%
your_answer_3 = None  # a function from Value to Value


def exercise_3(answer):
    if answer is None:
        return "Not attempted: one Value with one parent and one slope."
    for start, value, grad in ((3.0, 3.0, 9.0), (-2.0, 0.0, 0.0), (0.0, 0.0, 0.0)):
        node = Value(start)
        got = answer(node)
        assert isinstance(got, Value), "Not yet: return a Value, or the chain of derivatives is cut."
        (got * 3 + got * got).backward()
        assert got.data == value, f"Not yet: relu({start}) is {got.data}."
        assert node.grad == grad, (
            f"Not yet: at {start} the derivative of 3·relu + relu² is {node.grad}, expected {grad}."
        )
    return "Right. Where the input is negative, nothing flows back: such a unit does not learn from this example."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Look at `exp`: data, parents, slopes.
#
# </details>
# <details><summary>Approach</summary>
#
# The slope is 1 for a positive input and 0 otherwise.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `lambda v: Value(max(0.0, v.data), (v,), (float(v.data > 0),))`
#
# </details>
#
# **4. (12 min)** Write `kl(p_scores, q_scores)`: for each row, the divergence of q's distribution from p's, in nats.
# Scores of 10,000 must not break it, and a word that p forbids ($-\infty$) adds nothing.

# %%
your_answer_4 = None  # a function of two tensors (n, words), returning (n,)


def exercise_4(answer):
    if answer is None:
        return "Not attempted: log_softmax of both, then a weighted sum of differences."
    p_scores = torch.tensor([[2.0, 1.0, 0.0], [1e4, 9_999.0, 0.0], [1.0, -math.inf, 0.0], [1.0, 1.0, 1.0]])
    q_scores = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0]])
    want = []
    for a, b in zip(p_scores.double(), q_scores.double(), strict=True):
        log_a, log_b = a - torch.logsumexp(a, 0), b - torch.logsumexp(b, 0)
        want.append(sum(float(x.exp() * (x - y)) for x, y in zip(log_a, log_b, strict=True) if x > -1e9))
    got = answer(p_scores, q_scores)
    assert got.shape == (4,), f"Not yet: the shape is {tuple(got.shape)}, not (4,)."
    for i, name in enumerate(("ordinary", "large", "forbidden", "equal")):
        assert abs(got[i].item() - want[i]) < 1e-4, f"Not yet: {got[i].item()} for the row of {name} scores."
    return "Right. Zero times minus infinity is NaN, so a forbidden word must be taken out by hand."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# $\sum p (\ln p - \ln q)$. Which product is NaN?
#
# </details>
# <details><summary>Approach</summary>
#
# Compute the logarithms with `log_softmax`. Where $p$ is 0, replace the term by 0, with `torch.where`.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `a, b = p_scores.log_softmax(-1), q_scores.log_softmax(-1)`, then
# `torch.where(a.exp() > 0, a.exp() * (a - b), 0.0).sum(-1)`.
#
# </details>
#
# ## Quiz
# **1. A vector index ranks by dot product on vectors that were not normalised. You should expect**
#
# - (a) the same order as by cosine
# - (b) long vectors in many result lists
# - (c) short vectors in many result lists
#
# <details><summary>Answer</summary>
#
# (b). Length multiplies every positive score, as in section 1. (a) holds only for equal lengths. (c) is the reverse.
#
# </details>
#
# **2. A fresh model with 50,000 tokens starts training at a loss of 55. Most likely**
#
# - (a) it is normal, it has learned nothing yet
# - (b) its first scores are far too large
# - (c) the data have a high entropy
#
# <details><summary>Answer</summary>
#
# (b). Knowing nothing costs $\ln 50000 = 10.8$; more means confident mistakes. (a) would be 10.8. (c) No entropy
# exceeds $\ln$ of the vocabulary size.
#
# </details>
#
# **3. Your fine-tuning loss is NaN from one batch on. All its targets are −100. The fix is**
#
# - (a) a smaller learning rate
# - (b) `nan_to_num` on the loss
# - (c) a sum over the scored rows that stays connected, 0 here
#
# <details><summary>Answer</summary>
#
# (c). It gives zero gradients. (a) does not touch 0/0. (b) hides the value, while the gradient was computed at the
# broken point and can still be NaN.
#
# </details>
#
# ## Now build it
# Task 1.9 begins with `cross_entropy`: section 7 has its pieces, in the order you need. `roadmap check 1.9` grades it.
#
# ## Further reading
# - Goodfellow, Bengio and Courville, *Deep Learning*, 2016: chapters 2 to 4 and 6.5.
# - Eckart and Young, *The Approximation of One Matrix by Another of Lower Rank*, 1936.
# - Rumelhart, Hinton and Williams, *Learning Representations by Back-propagating Errors*, 1986.
# - Shannon, *A Mathematical Theory of Communication*, 1948.
# - Karpathy, *micrograd*, 2020: a scalar autograd with a network on top.
# - Hu and others, *LoRA: Low-Rank Adaptation of Large Language Models*, 2021.

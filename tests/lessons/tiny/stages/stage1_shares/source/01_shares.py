# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L1.01
#     question: How do scores become shares that add up to one?
#     objectives:
#       - turn three scores into shares on paper
#       - do the same in one line, for any number of rows
#     minutes: 10
#     prerequisites: []
#     topics: {T1.01: by-hand, T1.02: [in-numpy]}
#     leads_to: ["1.1"]
# ---

# %% [markdown]
# # From scores to shares
#
# A model gives each of three words a score: 2, 1 and 0. A draw needs shares that add up to one.

# %%
import matplotlib.pyplot as plt
import numpy as np

from roadmap.lessons import style

style.use()
rng = np.random.default_rng(7)

# %% [markdown]
# ## 1. Three scores by hand <a id="by-hand"></a>
#
# The exponentials are 7.389, 2.718 and 1; their sum is 11.107.
#
# **Predict.** Which share has the word with score 0: none, a tenth, or a third?

# %% tags=["stable"]
scores = [2.0, 1.0, 0.0]
exponentials = [np.exp(score) for score in scores]
shares = [float(value / sum(exponentials)) for value in exponentials]
print([round(share, 3) for share in shares])
assert 0.08 < shares[2] < 0.11  # the next paragraph says so

# %% [markdown]
# About a tenth. No score, however low, gives a share of zero.
#
# ## 2. In NumPy <a id="in-numpy"></a>
#
# The same for a whole batch. Section [1](#by-hand) holds it to account.


# %%
def softmax(scores: np.ndarray) -> np.ndarray:
    """Shares along the last axis. scores: (..., n); the result has the same shape."""
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


noise = rng.normal(size=(4, 3))  # (batch, words)
assert np.allclose(softmax(np.array(scores)), shares)
softmax(noise).sum(-1)

# %%
figure, axis = plt.subplots(figsize=(5, 3))
axis.bar(["2", "1", "0"], shares)
axis.set(xlabel="score", ylabel="share")
style.show(
    figure,
    caption="Equal steps between scores become equal ratios between shares.",
    alt="Three bars: 0.67, 0.24 and 0.09 for the scores 2, 1 and 0.",
)
style.table(
    [{"score": score, "share": share} for score, share in zip(scores, shares, strict=True)],
    caption="The shares again, in numbers.",
)

# %% [markdown]
# ## Recap
# - A softmax keeps the order and never gives zero (section 1).
#
# ## Exercises
# **1. (2 min)** What is the share of the first of two equal scores?

# %%
your_answer_1 = None  # a number


def exercise_1(answer):
    if answer is None:
        return "Not attempted: two equal scores have equal shares."
    assert abs(answer - 0.5) < 1e-9, f"Not yet: {answer}. The two shares add up to one."
    return "Right."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Equal scores, equal shares.
#
# </details>
# <details><summary>Approach</summary>
#
# Call the share $x$: then $x + x = 1$.
#
# </details>
# <details><summary>Worked answer</summary>
#
# One half.
#
# </details>
#
# **2. (3 min)** Write `shares_of(scores, temperature)`, which divides the scores by the temperature first.

# %%
your_answer_2 = None  # a function


def exercise_2(answer):
    if answer is None:
        return "Not attempted: divide before the exponential."
    got = answer(np.array(scores), 2.0)
    assert np.allclose(got, softmax(np.array(scores) / 2.0)), f"Not yet: {got}. Divide the scores, not the shares."
    return "Right."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# `softmax` does the rest.
#
# </details>
# <details><summary>Approach</summary>
#
# Scale the scores, then call `softmax`.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `softmax(scores / temperature)`
#
# </details>
#
# **3. (5 min)** How many times larger is the first share than the last, as a function of the two scores' difference?
# Give the factor for a difference of 3, with two decimals.

# %%
your_answer_3 = None  # a number


def exercise_3(answer):
    if answer is None:
        return "Not attempted: divide one exponential by the other."
    assert abs(answer - np.exp(3)) < 0.01, f"Not yet: {answer}. The sums cancel."
    return "Right."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The two shares have the same denominator.
#
# </details>
# <details><summary>Approach</summary>
#
# A quotient of exponentials is the exponential of the difference.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $e^3 = 20.09$
#
# </details>
#
# ## Quiz
# **1. Adding 5 to every score**
#
# - (a) makes every share larger
# - (b) changes nothing
#
# <details><summary>Answer</summary>
#
# (b). Not (a): the factor $e^5$ stands above and below the line.
#
# </details>
#
# **2. A share of exactly zero needs**
#
# - (a) a score of 0
# - (b) a score of minus infinity
#
# <details><summary>Answer</summary>
#
# (b). Not (a): a score of 0 has the exponential 1.
#
# </details>
#
# **3. Multiplying every score by 10**
#
# - (a) changes the order of the shares
# - (b) sharpens the shares
#
# <details><summary>Answer</summary>
#
# (b). Not (a): the order of the scores is kept.
#
# </details>
#
# ## Now build it
# Write it yourself: `roadmap check 1.1`.
#
# ## Further reading
# John S. Bridle, *Probabilistic Interpretation of Feedforward Classification Network Outputs*, 1990.

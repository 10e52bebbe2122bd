"""Checks of tasks 1.1 (pieces and training) and 1.2 (encoding, decoding, streaming)."""

from __future__ import annotations

import time

from checks.stage1_foundations import oracles_tokens as oracles
from checks.stage1_foundations import probes_tokens as probes
from roadmap.grading import check, expect

# --- 1.1: pieces ----------------------------------------------------------------------------------------------------


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#bpe-by-hand",
    hints=[
        "Join your pieces: do you get the text back, every space included?",
        "PATTERN matches every character once: PATTERN.findall(text) is the whole answer without special tokens.",
    ],
)
def test_pieces_keep_every_character(learner, rng):
    """pretokenize cuts text by the pattern and keeps every character."""
    plain = oracles.plain_text(rng)
    expect.equal(
        learner.call("tokens.pretokenize", plain),
        oracles.pieces(plain),
        what=f"the pieces of {plain[:30]!r}...",
        mistakes={"pretokenize-drops-spaces": lambda: oracles.pieces_without_spaces(plain)},
    )
    for text in ["", "a", " ", "  a", "a  ", oracles.text(rng), oracles.any_text(rng, 60)]:
        expect.equal(learner.call("tokens.pretokenize", text), oracles.pieces(text), what=f"the pieces of {text[:20]!r}")


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#special-tokens",
    hints=[
        "Cut the text at the special tokens before the pattern sees it, and keep them in the result.",
        "regex.split with one group returns the separators too. Escape the tokens, and put the longest first.",
    ],
    needs=["test_pieces_keep_every_character"],
)
def test_special_tokens_stay_whole(learner, rng):
    """Special tokens stay whole pieces, the longest first."""
    short, long, odd = "<|im|>", "<|im|>+", "[a.c]*"
    words = oracles.words(rng, 6, "abcxyz", 1, 5)
    text = f"{short}{words[0]} {long} {words[1]}{odd}{odd}  {words[2]}{long}{short} abcc a.c {words[3]}  {short}"
    for order in ([short, long, odd], [odd, long, short]):
        expect.equal(
            learner.call("tokens.pretokenize", text, order),
            oracles.pieces(text, order),
            what=f"the pieces of {text!r} with special tokens {order}",
            mistakes={
                "pretokenize-shorter-special-token-wins": lambda o=order: oracles.pieces(text, o, longest_first=False)
            },
        )
    alone = learner.call("tokens.pretokenize", short, special_tokens=[short])
    expect.equal(alone, [short], what=f"the pieces of {short!r}, a special token alone")
    expect.equal(
        learner.call("tokens.pretokenize", text), oracles.pieces(text), what="the pieces without special tokens"
    )


@check(
    task="1.1",
    lesson="06_tokens#smollm2-dissected",
    hints=[
        "What does the pattern do with white space before a number, and what if the number is not there any more?",
        "Split at every single number character first; run the pattern on each stretch between them.",
    ],
    needs=["test_pieces_keep_every_character"],
)
def test_digits_are_cut_off_before_the_pattern(learner, rng):
    """With split_digits every digit is a piece of its own, cut off before the pattern runs."""
    numbers = [str(number) for number in rng.integers(10, 99_999, size=4)]
    text = f"a  {numbers[0]} b{numbers[1]}c   {numbers[2]}\n {numbers[3]}"
    expect.equal(
        learner.call("tokens.pretokenize", text, split_digits=True),
        oracles.pieces(text, split_digits=True),
        what=f"the pieces of {text!r}",
        mistakes={
            "pretokenize-digits-after-pattern": lambda: oracles.pieces(text, split_digits=True, digits_after=True)
        },
    )
    other = f"x½ ٣٤² {numbers[0]}<7>{numbers[1]} Ⅷ"
    expect.equal(
        learner.call("tokens.pretokenize", other, ["<7>"], split_digits=True),
        oracles.pieces(other, ["<7>"], split_digits=True),
        what=f"the pieces of {other!r} with the special token '<7>'",
    )
    expect.equal(
        learner.call("tokens.pretokenize", text, split_digits=False),
        oracles.pieces(text),
        what="the pieces with split_digits off",
    )


# --- 1.1: training --------------------------------------------------------------------------------------------------


@check(
    task="1.1",
    weight=3,
    lesson="06_tokens#bpe-by-hand",
    hints=[
        "Do the example of the docstring by hand: which pairs are there, and how often?",
        "Count zip(word, word[1:]) in every piece, times how often the piece occurs; merge; count again.",
    ],
    needs=["test_pieces_keep_every_character"],
)
def test_the_most_frequent_pair_is_merged(learner, rng):
    """train_bpe merges the most frequent pair, again and again, until none is left."""
    got = learner.call("tokens.train_bpe", "low low lower", 259)
    expect.equal(got, oracles.train("low low lower", 259), what="train_bpe('low low lower', 259)")
    corpus = oracles.counted_words(rng)
    expect.equal(
        learner.call("tokens.train_bpe", corpus, 300),
        oracles.train(corpus, 300),
        what=f"train_bpe({corpus!r}, 300)",
        mistakes={
            "bpe-counts-each-piece-once": lambda: oracles.train(corpus, 300, each_piece_once=True),
            "bpe-merges-across-pieces": lambda: oracles.train(corpus, 300, across_pieces=True),
            "bpe-overlaps-not-counted": lambda: oracles.train(corpus, 300, overlaps=False),
        },
    )


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#bpe-by-hand",
    hints=[
        "When two pairs are equally frequent, which one does the docstring name?",
        "Compare (-count, (left, right)) and take the smallest; left and right are bytes, not ids.",
    ],
    needs=["test_the_most_frequent_pair_is_merged"],
)
def test_ties_go_to_the_smallest_pair(learner, rng):
    """Among equally frequent pairs the smallest pair of bytes is merged."""
    for _ in range(3):
        corpus = oracles.tied_words(rng)
        expect.equal(
            learner.call("tokens.train_bpe", corpus, 257),
            oracles.train(corpus, 257),
            what=f"train_bpe({corpus!r}, 257)",
            mistakes={
                "bpe-ties-largest-pair": lambda c=corpus: oracles.train(c, 257, tie="largest"),
                "bpe-ties-first-seen": lambda c=corpus: oracles.train(c, 257, tie="first seen"),
            },
        )
    corpus = oracles.late_tie(rng)
    expect.equal(
        learner.call("tokens.train_bpe", corpus, 300),
        oracles.train(corpus, 300),
        what=f"train_bpe({corpus!r}, 300)",
        mistakes={"bpe-ties-by-id": lambda: oracles.train(corpus, 300, tie="age")},
    )


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#special-tokens",
    hints=[
        "A special token gets an id, and nothing else: it is not in the counts.",
        "Skip special pieces when counting; append their bytes to the vocabulary after the last merge.",
    ],
    needs=["test_special_tokens_stay_whole", "test_the_most_frequent_pair_is_merged"],
)
def test_special_tokens_take_no_part_in_training(learner, rng):
    """Special tokens are not counted and come last in the vocabulary."""
    special = ["<|end|>", "<|a|>", "<|é|>"]
    lines = oracles.counted_words(rng).split("\n")
    corpus = "<|end|>".join(lines) + "<|a|>\n<|end|>\n"
    expect.equal(
        learner.call("tokens.train_bpe", corpus, 262, special),
        oracles.train(corpus, 262, special),
        what=f"train_bpe({corpus!r}, 262, {special})",
        mistakes={
            "bpe-special-tokens-as-text": lambda: oracles.train(corpus, 262, special, special="text"),
            "bpe-special-tokens-as-words": lambda: oracles.train(corpus, 262, special, special="words"),
            "bpe-special-ids-before-merges": lambda: oracles.train(corpus, 262, special, special_ids="before merges"),
            "bpe-size-forgets-special-tokens": lambda: oracles.train(
                corpus, 262, special, size_forgets_special=True
            ),
        },
    )


@check(
    task="1.1",
    lesson="06_tokens#bpe-by-hand",
    hints=[
        "What is the smallest vocabulary that can hold all bytes and all special tokens?",
        "Raise ValueError below 256 + len(special_tokens). At exactly that size there are no merges.",
    ],
    needs=["test_the_most_frequent_pair_is_merged"],
)
def test_the_vocabulary_has_the_size_asked_for(learner, rng):
    """The vocabulary has the size asked for, or less when no pair is left; too small a size is a ValueError."""
    corpus = oracles.zipf_corpus(rng, 12, 60, "abcde")
    special = ["<|x|>", "<|y|>"]
    for size, named in [(256, []), (257, []), (270, []), (258, special), (259, special), (268, special)]:
        got = learner.call("tokens.train_bpe", corpus, size, named)
        expect.equal(got, oracles.train(corpus, size, named), what=f"train_bpe(corpus, {size}, {named})")
    for empty in ["", "a", "<|x|>"]:
        got = learner.call("tokens.train_bpe", empty, 300, special_tokens=special)
        expect.equal(got, oracles.train(empty, 300, special), what=f"train_bpe({empty!r}, 300, {special})")
    for size, named in [(255, []), (0, []), (257, special)]:
        info = learner.error("tokens.train_bpe", corpus, size, named)
        expect.error(info, "ValueError", what=f"train_bpe(corpus, {size}, {named})")


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#bytes",
    hints=[
        "Training works on the UTF-8 bytes of a piece, so a letter with an accent starts as two tokens.",
        "After a merge, every pair that touches the new token has a new count. Compare yours with a full recount.",
    ],
    needs=["test_ties_go_to_the_smallest_pair"],
    seconds=0.2,
)
def test_training_on_any_text(learner, rng):
    """Training agrees with counting by hand on text of any script, merge for merge."""
    runs = "\n".join("ab"[int(rng.integers(2))] * int(rng.integers(1, 9)) for _ in range(12))
    mixed = oracles.any_text(rng, 80) + oracles.text(rng, 20) * 2
    for corpus, size in [(runs, 330), (oracles.zipf_corpus(rng, 30, 120, "abé"), 330), (mixed, 300)]:
        got = learner.call("tokens.train_bpe", corpus, size)
        expect.equal(got, oracles.train(corpus, size), what=f"train_bpe({corpus[:20]!r}..., {size})")


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#bpe-by-hand",
    hints=[
        "A merge changes few words. What do you have to count again after it?",
        "Keep, for each pair, its count and the set of words that hold it. After a merge, touch only those words.",
    ],
    needs=["test_training_on_any_text"],
    seconds=3,
)
def test_training_does_not_count_everything_again(learner, rng):
    """Training time does not grow with corpus size times merges."""
    words = oracles.words(rng, 5000, "abcdefghijkl", 5, 9)
    merges = 700
    started = time.perf_counter()
    got = learner.call("tokens.train_bpe", "\n".join(words), 256 + merges)
    taken = time.perf_counter() - started
    expect.type(got, list, what="what train_bpe returned")
    expect.equal(len(got), 2, what="the number of things train_bpe returned")
    expect.type(got[1], list, what="the merges")
    expect.equal(len(got[1]), merges, what="the number of merges")
    passes = taken / oracles.seconds_of_one_count(words)
    expect.that(
        passes < merges * 0.3,
        f"{merges} merges over {len(words)} words took {taken:.1f} s, as long as counting all pairs {passes:.0f} times",
        mistake="bpe-recounts-the-corpus",
    )

"""Checks of tasks 1.1 (pieces and training) and 1.2 (encoding, decoding, streaming)."""

from __future__ import annotations

import time

import numpy as np

from checks.stage1_foundations import oracles_tokens as oracles
from checks.stage1_foundations import probes_tokens as probes
from roadmap.grading import check, expect

# --- 1.1: pieces ----------------------------------------------------------------------------------------------------


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#bpe-by-hand",
    seconds=0.05,
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
        expect.equal(
            learner.call("tokens.pretokenize", text), oracles.pieces(text), what=f"the pieces of {text[:20]!r}"
        )


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#special-tokens",
    seconds=0.02,
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
    seconds=0.02,
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


def _expect_trained(got, call, want, mistakes=None):
    """Compare what `train_bpe` returned: the merges first, because they are what a reader can follow."""
    pair = got if type(got) is list and len(got) == 2 else None
    expect.that(pair, f"{call}: expected (vocab, merges), got {expect.show(got)}")
    vocab, merges = pair
    wrong = {slug: (lambda train=train: train()[1]) for slug, train in (mistakes or {}).items()}
    expect.equal(merges, want[1], what=f"the merges of {call}", mistakes=wrong)
    wrong = {slug: (lambda train=train: train()[0]) for slug, train in (mistakes or {}).items()}
    expect.equal(vocab, want[0], what=f"the vocabulary of {call}", mistakes=wrong)


@check(
    task="1.1",
    weight=3,
    lesson="06_tokens#bpe-by-hand",
    seconds=0.02,
    hints=[
        "Do the example of the docstring by hand: which pairs are there, and how often?",
        "Count zip(word, word[1:]) in every piece, times how often the piece occurs; merge; count again.",
    ],
    needs=["test_pieces_keep_every_character"],
)
def test_the_most_frequent_pair_is_merged(learner, rng):
    """train_bpe merges the most frequent pair, again and again, until none is left."""
    corpus = oracles.counted_words(rng)
    _expect_trained(
        learner.call("tokens.train_bpe", corpus, 300),
        f"train_bpe({corpus!r}, 300)",
        oracles.train(corpus, 300),
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
    seconds=0.02,
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
        _expect_trained(
            learner.call("tokens.train_bpe", corpus, 257),
            f"train_bpe({corpus!r}, 257)",
            oracles.train(corpus, 257),
            mistakes={
                "bpe-ties-largest-pair": lambda c=corpus: oracles.train(c, 257, tie="largest"),
                "bpe-ties-first-seen": lambda c=corpus: oracles.train(c, 257, tie="first seen"),
            },
        )
    corpus = oracles.late_tie(rng)
    _expect_trained(
        learner.call("tokens.train_bpe", corpus, 300),
        f"train_bpe({corpus!r}, 300)",
        oracles.train(corpus, 300),
        mistakes={"bpe-ties-by-id": lambda: oracles.train(corpus, 300, tie="age")},
    )
    got = learner.call("tokens.train_bpe", "low low lower", 259)
    _expect_trained(got, "train_bpe('low low lower', 259)", oracles.train("low low lower", 259))


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#special-tokens",
    seconds=0.02,
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
    _expect_trained(
        learner.call("tokens.train_bpe", corpus, 263, special),
        f"train_bpe({corpus!r}, 263, {special})",
        oracles.train(corpus, 263, special),
        mistakes={
            "bpe-special-tokens-as-text": lambda: oracles.train(corpus, 263, special, special="text"),
            "bpe-special-tokens-as-words": lambda: oracles.train(corpus, 263, special, special="words"),
            "bpe-special-ids-before-merges": lambda: oracles.train(corpus, 263, special, special_ids="before merges"),
            "bpe-size-forgets-special-tokens": lambda: oracles.train(corpus, 263, special, size_forgets_special=True),
        },
    )


@check(
    task="1.1",
    lesson="06_tokens#bpe-by-hand",
    seconds=0.04,
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
        _expect_trained(got, f"train_bpe({corpus[:20]!r}..., {size}, {named})", oracles.train(corpus, size, named))
    for empty in ["", "a", "<|x|>"]:
        got = learner.call("tokens.train_bpe", empty, 300, special_tokens=special)
        _expect_trained(got, f"train_bpe({empty!r}, 300, {special})", oracles.train(empty, 300, special))
    for size, named in [(255, []), (0, []), (257, special)]:
        info = learner.error("tokens.train_bpe", corpus, size, named)
        expect.error(info, "ValueError", what=f"train_bpe(corpus, {size}, {named})")


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#bpe-by-hand",
    hints=[
        "Training works on the UTF-8 bytes of a piece, so a letter with an accent starts as two tokens.",
        "After a merge, every pair that touches the new token has a new count. Compare yours with a full recount.",
    ],
    needs=["test_ties_go_to_the_smallest_pair"],
    seconds=0.04,
)
def test_training_on_any_text(learner, rng):
    """Training agrees with counting by hand on text of any script, merge for merge."""
    runs = "\n".join("ab"[int(rng.integers(2))] * int(rng.integers(1, 9)) for _ in range(12))
    mixed = oracles.any_text(rng, 80) + oracles.text(rng, 20) * 2
    for corpus, size in [(runs, 330), (oracles.zipf_corpus(rng, 30, 120, "abé"), 330), (mixed, 300)]:
        got = learner.call("tokens.train_bpe", corpus, size)
        _expect_trained(got, f"train_bpe({corpus[:20]!r}..., {size})", oracles.train(corpus, size))


@check(
    task="1.1",
    weight=2,
    lesson="06_tokens#bpe-by-hand",
    hints=[
        "A merge changes few words. What do you have to count again after it?",
        "Keep, for each pair, its count and the set of words that hold it. After a merge, touch only those words.",
    ],
    needs=["test_training_on_any_text"],
    seconds=0.3,
    limit=15,
)
def test_training_does_not_count_everything_again(learner, rng):
    """Training time does not grow with corpus size times merges."""
    words = oracles.words(rng, 900, "abcdefghijkl", 5, 9)
    corpus, merges = "\n".join(words), 400
    for attempt in range(2):  # a second look, in case the machine was busy with something else
        started = time.perf_counter()
        got = learner.call("tokens.train_bpe", corpus, 256 + merges)
        taken = time.perf_counter() - started
        if not attempt:
            expect.type(got, list, what="what train_bpe returned")
            expect.equal(len(got), 2, what="the number of things train_bpe returned")
            expect.type(got[1], list, what="the merges")
            expect.equal(len(got[1]), merges, what="the number of merges")
            expect.equal(got[1][:8], oracles.train(corpus, 264)[1], what="the first 8 merges")
        passes = taken / oracles.seconds_of_one_count(words)
        if passes < merges:
            return
        if passes > 2.5 * merges:
            break
    expect.fail(
        f"{merges} merges over {len(words)} words took {taken:.1f} s: as long as {passes:.0f} counts of all pairs",
        mistake="bpe-recounts-the-corpus",
    )


# --- 1.2: encoding --------------------------------------------------------------------------------------------------


@check(
    task="1.2",
    weight=2,
    lesson="06_tokens#bpe-by-hand",
    seconds=0.1,
    hints=[
        "Encoding replays training: which merge was learned first?",
        "Start from single bytes. Merge the neighbouring pair of the lowest rank; repeat until no pair is known.",
    ],
)
def test_encode_merges_by_rank(learner, rng):
    """encode starts from bytes and merges the pair with the lowest rank first."""
    vocab, merges, texts = oracles.rank_puzzle(rng)
    expect.equal(
        learner.run(probes.encode, vocab=vocab, merges=merges, texts=texts, special_tokens={}),
        [oracles.encode(text, vocab, merges) for text in texts],
        what=f"the ids of {texts} with the merges {merges}",
        mistakes={
            "encode-longest-match": lambda: [
                oracles.encode(text, vocab, merges, merge=oracles.longest_match) for text in texts
            ],
            "encode-leftmost-pair-first": lambda: [
                oracles.encode(text, vocab, merges, merge=oracles.leftmost_first) for text in texts
            ],
        },
    )
    vocab, merges = oracles.train(oracles.zipf_corpus(rng, 40, 160, "abcé"), 340)
    vocab = oracles.shuffled_ids(rng, vocab)
    texts = ["", "a", "é", *oracles.words(rng, 30, "abcé", 2, 14), *oracles.words(rng, 3, "abcé", 150, 200)]
    texts.append(oracles.zipf_corpus(rng, 20, 20, "abcé"))
    want = [oracles.encode(text, vocab, merges) for text in texts]
    got = learner.run(probes.encode, vocab=vocab, merges=merges, texts=texts, special_tokens={})
    expect.equal(got, want, what="the ids of random words with a trained vocabulary")
    again = learner.run(probes.encode_after_change, vocab=vocab, merges=merges, texts=texts)
    expect.equal(again, want, what="the ids of the same texts after the caller changed the list it got first")


@check(
    task="1.2",
    weight=2,
    lesson="06_tokens#smollm2-dissected",
    seconds=0.02,
    hints=[
        "Which function cuts text into the pieces that merges may not cross?",
        "Call pretokenize with the tokenizer's special tokens and its split_digits, and encode piece by piece.",
    ],
    needs=["test_encode_merges_by_rank"],
)
def test_encode_stays_inside_pieces(learner, rng):
    """encode never merges across pieces, and cuts digits off when told to."""
    corpus = oracles.number_text(rng, 60)
    vocab, merges = oracles.train(corpus, 330, across_pieces=True)
    texts = [corpus, oracles.number_text(rng, 20)]
    for split_digits in (False, True):
        expect.equal(
            learner.run(
                probes.encode, vocab=vocab, merges=merges, texts=texts, special_tokens={}, split_digits=split_digits
            ),
            [oracles.encode(text, vocab, merges, split_digits=split_digits) for text in texts],
            what=f"the ids of texts like {texts[1][:24]!r}, split_digits={split_digits}",
            mistakes={
                "encode-merges-across-pieces": lambda: [
                    oracles.encode(text, vocab, merges, across_pieces=True) for text in texts
                ],
                "encode-forgets-split-digits": lambda: [oracles.encode(text, vocab, merges) for text in texts],
            },
        )


@check(
    task="1.2",
    weight=2,
    lesson="06_tokens#special-tokens",
    seconds=0.02,
    hints=[
        "A special token in the text is one id, whatever its bytes would merge to.",
        "pretokenize(text, self.special_tokens) keeps it whole; look such a piece up in self.special_tokens.",
    ],
    needs=["test_encode_merges_by_rank"],
)
def test_encode_never_splits_special_tokens(learner, rng):
    """A special token in the text becomes its one id."""
    corpus = oracles.zipf_corpus(rng, 20, 60, "abc") + " <|im_end|>" * 9
    vocab, merges = oracles.train(corpus, 310)
    ids = [int(number) for number in rng.choice(np.arange(310, 50_000), size=4, replace=False)]
    special = dict(zip(["<|im|>", "<|im_end|>", "<|im|>+", "é b"], ids, strict=True))
    words = oracles.words(rng, 5, "abc", 1, 6)
    texts = [
        f"<|im_end|>{words[0]}<|im|>+ {words[1]} <|im_end|><|im|>{words[2]}<|im_end|",
        f"é b{words[3]} é  bé b",
        "<|im|>",
    ]
    both = vocab | {number: text.encode() for text, number in special.items()}
    for known in (vocab, both):
        expect.equal(
            learner.run(probes.encode, vocab=known, merges=merges, texts=texts, special_tokens=special),
            [oracles.encode(text, vocab, merges, special) for text in texts],
            what=f"the ids of {texts} with special tokens {special}",
            mistakes={
                "encode-splits-special-tokens": lambda: [
                    oracles.encode(text, vocab, merges, special, special_as_text=True) for text in texts
                ]
            },
        )


# --- 1.2: decoding --------------------------------------------------------------------------------------------------


@check(
    task="1.2",
    weight=2,
    lesson="06_tokens#bytes",
    seconds=0.02,
    hints=[
        "How many tokens can one emoji be spread over?",
        'b"".join(...) over all ids, then one .decode("utf-8", errors="replace").',
    ],
)
def test_decode_joins_bytes_first(learner, rng):
    """decode joins the bytes of all tokens, then decodes once."""
    special = {"<|im_end|>": 300, "<|é|>": 4_000}
    known = oracles.SINGLES | {number: text.encode() for text, number in special.items()}

    def decoded(*id_lists):
        return learner.run(probes.decode, vocab=oracles.SINGLES, special_tokens=special, id_lists=list(id_lists))

    text = " é" + oracles.text(rng, 6)
    ids = list(text.encode())
    expect.equal(
        decoded(ids),
        [text],
        what=f"the decoded bytes of {text[:20]!r}",
        mistakes={"decode-token-by-token": lambda: [oracles.decode_one_by_one(ids, known)]},
    )
    marked = [300, *ids, 300, 4_000]
    expect.equal(
        decoded(marked),
        [oracles.decode(marked, known)],
        what="the decoded text with special tokens",
        mistakes={"decode-drops-special-tokens": lambda: [text]},
    )
    torn = oracles.torn_utf8(rng, 30)
    expect.equal(
        decoded(torn),
        [oracles.decode(torn, known)],
        what=f"the decoded bytes {torn[:8]}...",
        mistakes={"decode-drops-bad-bytes": lambda: [oracles.decode(torn, known, errors="ignore")]},
    )
    expect.equal(decoded([], [32], [300]), ["", " ", "<|im_end|>"], what="the decoded lists [], [32] and [300]")
    for unknown in (299, 4_001, -1):
        info = learner.run_error(probes.decode, vocab=oracles.SINGLES, special_tokens=special, id_lists=[[97, unknown]])
        expect.error(info, "ValueError", what=f"decode([97, {unknown}])", mentions=str(unknown))


@check(
    task="1.2",
    lesson="06_tokens#languages",
    seconds=0.02,
    hints=[
        "Encode, then decode: every character must come back, in any script.",
        "Bytes that no merge touches stay single tokens. If the vocabulary lacks one, raise ValueError.",
    ],
    needs=["test_encode_merges_by_rank", "test_decode_joins_bytes_first"],
)
def test_round_trip_on_any_unicode(learner, rng):
    """decode(encode(text)) is the text, whatever is in it."""
    vocab, merges = oracles.train(oracles.any_text(rng, 60) + oracles.text(rng, 30), 300)
    texts = ["", " ", "\r\n", "\ufeff", "\ufffd", "\x00", "🏴\U000e0067\U000e007f", "\u200dé\u0301"]
    texts += [oracles.any_text(rng, 100), oracles.text(rng, 30)]
    got = learner.run(probes.round_trip, vocab=vocab, merges=merges, texts=texts)
    expect.equal(got, texts, what="the texts after encode and decode")
    fewer = {number: token for number, token in vocab.items() if token != b"\x04"}
    info = learner.run_error(probes.encode, vocab=fewer, merges=merges, texts=["a\x04b"], special_tokens={})
    expect.error(info, "ValueError", what="encode('a\\x04b') with a vocabulary that lacks the byte 4")


# --- 1.2: streaming -------------------------------------------------------------------------------------------------


@check(
    task="1.2",
    weight=3,
    lesson="06_tokens#bytes",
    seconds=0.02,
    hints=[
        "A token may end in the middle of a character. What can be shown already, and what must wait?",
        "Find where the last character begins, at most three bytes from the end. Is it complete?",
    ],
    needs=["test_decode_joins_bytes_first"],
)
def test_push_holds_back_unfinished_characters(learner, rng):
    """push shows finished text at once and holds back the start of an unfinished character."""
    ids = list(
        ("aé€🙂" + oracles.text(rng, 5) + "\ufffd\ufffd" + "z\U0010fffd\x7f\u0080\u07ff\u0800\U00010000").encode()
    )
    expect.equal(
        learner.run(probes.stream, vocab=oracles.SINGLES, special_tokens={}, id_lists=[ids]),
        [oracles.shown(ids, oracles.SINGLES)],
        what="what each push of one byte shows",
        mistakes={
            "stream-shows-half-characters": lambda: [oracles.shown_one_by_one(ids, oracles.SINGLES)],
            "stream-waits-on-replacement": lambda: [
                oracles.shown_when_clean(ids, oracles.SINGLES, waits_on_replacement=True)
            ],
        },
    )
    vocab, special, ids = oracles.torn_tokens(rng, "naïve €5 🙂🙂 " + oracles.text(rng, 20))
    known = vocab | {number: text.encode() for text, number in special.items()}
    expect.equal(
        learner.run(probes.stream, vocab=vocab, special_tokens=special, id_lists=[ids]),
        [oracles.shown(ids, known)],
        what=f"what each push shows of the tokens {[known[number] for number in ids[:4]]}...",
        mistakes={
            "stream-holds-back-whole-tokens": lambda: [oracles.shown_when_clean(ids, known, waits_on_replacement=False)]
        },
    )
    torn = [0xE2, 0x41, 0xF0, 0x9F, 0x42, 0xC3, 0xC3, 0xA9, 0xE2, 0x82, 0x43]
    expect.equal(
        learner.run(probes.stream, vocab=oracles.SINGLES, special_tokens={}, id_lists=[torn]),
        [oracles.shown(torn, oracles.SINGLES)],
        what=f"what each push shows of the bytes {torn}, where letters cut characters off",
    )
    for unknown in (256, -1):
        info = learner.run_error(probes.push_unknown, vocab=oracles.SINGLES, before=[0xE2], unknown=unknown)
        expect.error(info, "ValueError", what=f"push({unknown}), an id that the vocabulary lacks")
    got = learner.run(
        probes.push_unknown_and_go_on, vocab=oracles.SINGLES, before=[0xE2, 0x82], unknown=256, after=[0xAC, 97]
    )
    expect.equal(got, ["€", "a"], what="what the pushes after a refused id show")


@check(
    task="1.2",
    lesson="06_tokens#bytes",
    seconds=0.02,
    hints=[
        "The text ends, and half a character is still waiting. What does decode make of it?",
        'Decode self.pending with errors="replace", and empty it.',
    ],
    needs=["test_push_holds_back_unfinished_characters"],
)
def test_flush_shows_the_rest(learner, rng):
    """flush shows what is pending; push and flush together give what decode gives."""
    rest = [[0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x99]][int(rng.integers(3))]
    first, second = [97, *rest], [98, 0xC3, 0xA9]
    expect.equal(
        learner.run(probes.stream_twice, vocab=oracles.SINGLES, first=first, second=second),
        ["a", "\ufffd", "", "bé", ""],
        what=f"the pushes of {first}, flush, flush, the pushes of {second}, flush",
        mistakes={
            "stream-flush-loses-the-tail": ["a", "", "", "bé", ""],
            "stream-flush-keeps-the-tail": lambda: oracles.shown_without_reset(rest),
        },
    )
    id_lists = [[], *([0x61, *rest] for rest in oracles.UNFINISHED), *(oracles.torn_utf8(rng, 12) for _ in range(40))]
    got = learner.run(probes.stream, vocab=oracles.SINGLES, special_tokens={}, id_lists=id_lists)
    for ids, answer in zip(id_lists, oracles.items(got, len(id_lists)), strict=True):
        expect.equal(
            oracles.joined(answer),
            oracles.decode(ids, oracles.SINGLES),
            what=f"all that the pushes and the flush show of the bytes {ids}",
        )


# --- 1.2: the real model, and time ----------------------------------------------------------------------------------

SMOLLM2 = "smollm2-135m-instruct"


@check(
    task="1.2",
    weight=3,
    lesson="06_tokens#smollm2-dissected",
    hints=[
        "SmolLM2 isolates digits, has 17 special tokens and 48,900 merges. Which of these does your encode look at?",
        "Look pairs up in self.rank_of; a loop over all merges for each piece takes minutes here.",
    ],
    needs=[
        "test_encode_stays_inside_pieces",
        "test_encode_never_splits_special_tokens",
        "test_round_trip_on_any_unicode",
    ],
    models=[SMOLLM2],
    seconds=0.4,
)
def test_ids_are_those_of_smollm2(learner, models, rng):
    """With SmolLM2's vocabulary the ids are the real tokenizer's, and the text comes back."""
    real = models[SMOLLM2].tokenizer
    texts = [
        "Hello world! It's 2024, and pi is 3.14159.",
        "a  12 b   7\n\n 8",
        "<|im_start|>user\nWhat is <|im_end|> for?<|im_end|>\n<|im_start|>assistant\n",
        oracles.text(rng, 80),
        oracles.any_text(rng, 300, controls=False),
        " ".join(oracles.words(rng, 2_000, "etaoinshrdlucm", 2, 10)),
        " " * 10_000 + "x" + "\n" * 300,
    ]
    want = []
    for text in texts:
        ids = real(text, add_special_tokens=False)["input_ids"]
        want.append([ids, text])
    got = learner.run(probes.pretrained, name=SMOLLM2, texts=texts)
    for text, one, right in zip(texts, oracles.items(got, len(texts)), want, strict=True):
        expect.equal(one, right, what=f"the ids of {text[:24]!r} and the text they decode to")


@check(
    task="1.2",
    weight=2,
    lesson="06_tokens#bpe-by-hand",
    hints=[
        "How often do you look at every pair of a long piece?",
        "A heap of (rank, position) gives the next merge; only the two neighbours of the new token are new pairs.",
    ],
    needs=["test_encode_merges_by_rank"],
    seconds=0.1,
    limit=15,
)
def test_a_long_piece_takes_no_square_of_time(learner, rng):
    """The time for one long piece grows about as its length, not as the square."""
    vocab, merges = oracles.train(oracles.zipf_corpus(rng, 60, 300, "abcdefgh"), 400)

    def seconds_for(length):
        text = oracles.letters(rng, length, "abcdefgh")
        started = time.perf_counter()
        got = learner.run(probes.round_trip, vocab=vocab, merges=merges, texts=[text])
        taken = time.perf_counter() - started
        expect.equal(got, [text], what=f"a word of {length} letters after encode and decode")
        return taken

    seconds_for(600)  # whatever is done only once
    for _ in range(2):  # a second look, in case the machine was busy with something else
        # The least of several: one slow moment in the short word would excuse any time for the long one.
        short, long = min(seconds_for(600) for _ in range(5)), seconds_for(6_000)
        if long < 0.1 or long < 35 * short:
            return
    expect.fail(
        f"A word of 6,000 letters took {long:.1f} s, {long / short:.0f} times as long as one of 600",
        mistake="encode-quadratic",
    )

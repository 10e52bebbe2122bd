"""Checks of task 1.8: stop strings, and the decode loop with its stream of tokens, texts and log-probabilities.

The model always answers from here, through a callback, so the order and the number of its calls are known. next_token
is the probes' own: what the learner's does is judged in task 1.6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from checks.stage1_foundations import oracles_generate as oracles
from checks.stage1_foundations import oracles_greedy
from checks.stage1_foundations import oracles_sampling as statistics
from checks.stage1_foundations import probes_generate as probes
from roadmap.grading import check, expect

STOPPING = "10_decoding#stopping"
STREAMING = "10_decoding#streaming"
SMOLLM2 = "smollm2-135m-instruct"
VOCAB = 30


def letters(rng, alphabet: str, low: int, high: int) -> str:
    """A random word."""
    return "".join(alphabet[i] for i in rng.integers(len(alphabet), size=int(rng.integers(low, high + 1))))


def pieces_of(rng, text: str, longest: int = 4) -> list[str]:
    """The text, cut at random."""
    pieces = []
    while text:
        size = int(rng.integers(1, longest + 1))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def expect_pushes(got, count: int, what: str) -> list[list]:
    """A list of `count` pairs of text and stopped."""
    expect.type(got, list, what=what)
    expect.that(len(got) == count, f"{what}: {count} answers were expected, {len(got)} came back.")
    for answer in got:
        expect.that(isinstance(answer, list) and len(answer) == 2, f"{what}: an answer is not a pair.")
        expect.type(answer[0], str, what=f"{what}: the text")
        expect.type(answer[1], bool, what=f"{what}: stopped")
    return got


def expect_steps(got, what: str = "the Steps") -> tuple[list[int], list[str], list[float]]:
    """Tokens, texts and log-probabilities of a list of Steps."""
    expect.type(got, list, what=what)
    for step in got:
        expect.that(isinstance(step, list) and len(step) == 3, f"{what}: there is one without token, text and logprob.")
        for field, value, kind in zip(("token", "text", "logprob"), step, (int, str, float), strict=True):
            expect.type(value, kind, what=f"{what}: {field}")
    return [step[0] for step in got], [step[1] for step in got], [step[2] for step in got]


def behind(got: Sequence[list], want: Sequence[list]) -> bool:
    """Whether less text had been shown than could be, after some push."""
    shown, due = "", ""
    for (text, _), (due_text, _) in zip(got, want, strict=True):
        shown, due = shown + text, due + due_text
        if len(shown) < len(due):
            return True
    return False


def cut_text(rng) -> tuple[list[str], str, str]:
    """Pieces of a text with a stop string spread over two of them or more; the stop string, and the text before it."""
    stop = letters(rng, "XYZ", 1, 1) + letters(rng, "uvw", 3, 6)
    before, after = letters(rng, "abcde ", 6, 12), letters(rng, "abcde ", 4, 9)
    border = int(rng.integers(1, len(stop)))
    pieces = [*pieces_of(rng, before), stop[:border], stop[border:] + after[:2], *pieces_of(rng, after[2:])]
    return pieces, stop, before


@check(
    task="1.8",
    weight=1,
    lesson=STOPPING,
    seconds=0.06,
    hints=[
        "Which part of 'see the EN' might still become the stop string END, and which cannot?",
        "Find the first position from which the rest of the text is the beginning of a stop string (stop.startswith); "
        "return what stands before it, hold the rest.",
    ],
)
def test_text_without_stop_strings_passes_at_once(learner, rng):
    """Text that cannot become a stop string is let through at once."""
    for stops in ([], ["Xuvw"], ["XYZ", "Zuuuu"]):
        pieces = pieces_of(rng, letters(rng, "abcd uvwé", 12, 20))
        want, _ = oracles.pushes(pieces, stops)
        got = expect_pushes(
            learner.run(probes.stop_strings, stops=stops, pieces=pieces, flushes=0), len(pieces), "push"
        )
        slug = "stop-strings-hold-too-much" if behind(got, want) else None
        expect.equal(
            got,
            want,
            what=f"what push returned, and stopped, for the pieces {pieces} and the stop strings {stops}",
            mistakes={slug: got} if slug else {},
        )


@check(
    task="1.8",
    weight=2,
    lesson=STOPPING,
    seconds=0.02,
    hints=[
        "A stop string may arrive in two pieces. What do you need to remember of the first when the second comes?",
        "Keep `held`; look for the stop strings in held + text; return what stands before the first that is complete.",
    ],
)
def test_a_stop_string_ends_the_text_in_front_of_it(learner, rng):
    """The text ends in front of a stop string, also when it comes in pieces."""
    for _ in range(4):
        pieces, stop, before = cut_text(rng)
        want, _ = oracles.pushes(pieces, [stop])
        got = expect_pushes(
            learner.run(probes.stop_strings, stops=[stop], pieces=pieces, flushes=0), len(pieces), "push"
        )
        shown = "".join(text for text, _ in got)
        leaked = shown.removeprefix(before)
        slug = None
        if shown.startswith(before + stop) and got[-1][1] is False:
            slug = "stop-string-only-within-one-piece"
        elif shown == before + stop:
            slug = "stop-string-is-shown"
        elif shown.startswith(before) and leaked and stop.startswith(leaked):
            slug = "stop-strings-hold-nothing-back"
        expect.equal(
            shown,
            before,
            what=f"the text shown for the pieces {pieces} and the stop string {stop!r}",
            mistakes={slug: shown} if slug else {},
        )
        expect.equal(
            got,
            want,
            what=f"what push returned, and stopped, for the pieces {pieces} and the stop string {stop!r}",
            mistakes={"stop-strings-hold-too-much": got} if behind(got, want) else {},
        )


@check(
    task="1.8",
    weight=1,
    lesson=STOPPING,
    seconds=0.02,
    needs=["test_a_stop_string_ends_the_text_in_front_of_it"],
    hints=[
        "The stream ended with half a stop string. Should the reader see it?",
        "Return what is held and set it to the empty string; leave `stopped` alone.",
    ],
)
def test_flush_returns_what_was_held(learner, rng):
    """At the end of the stream flush returns what was held back, once."""
    pieces, stop, before = cut_text(rng)
    half = stop[: int(rng.integers(2, len(stop)))]
    for text, want in ((before + half, half), (before, "")):
        cut = pieces_of(rng, text)
        got = learner.run(probes.stop_strings, stops=[stop], pieces=cut, flushes=2)
        got = expect_pushes(got, len(cut) + 2, "push and flush")
        first, second = got[-2:]
        what = f"when {text!r} came and the stop string is {stop!r}"
        expect.equal(first[0], want, what=f"what flush returned {what}", mistakes={"flush-loses-held-text": ""})
        expect.equal(
            second[0], "", what=f"what a second flush returned {what}", mistakes={"flush-repeats-itself": want}
        )
        expect.equal([first[1], second[1]], [False, False], what=f"stopped after flush {what}")
    got = learner.run(probes.stop_strings, stops=[stop], pieces=pieces, flushes=1)
    got = expect_pushes(got, len(pieces) + 1, "push and flush")
    expect.equal(got[-1], ["", True], what="what flush returned after a stop, and stopped")


@check(
    task="1.8",
    weight=2,
    lesson=STOPPING,
    seconds=0.04,
    needs=["test_a_stop_string_ends_the_text_in_front_of_it", "test_flush_returns_what_was_held"],
    hints=[
        "What should happen for the stop string 'aab' and the text 'aaab'? And for 'ab' and 'xabc' in the text 'xabc'?",
        "A mismatch must not throw away an end that can still begin a stop string. Among complete stop strings the one "
        "with the smallest (end, start) wins.",
    ],
)
def test_stop_strings_that_overlap(learner, rng):
    """Stop strings that overlap themselves and each other end the text at the right place."""
    fixed = [
        (["aab"], ["aa", "ab", "c"]),
        (["abc", "b"], ["xab", "c"]),
        (["xabc", "ab"], ["xabc"]),
        (["ab", "abc", "cab"], ["cc", "ca", "bc"]),
        (["ba", "aba"], ["xab", "ay"]),
        (["aba"], ["ab", "ab", "a"]),
    ]
    drawn = [
        ([letters(rng, "ab", 2, 5) for _ in range(int(rng.integers(1, 4)))], pieces_of(rng, letters(rng, "abc", 4, 14)))
        for _ in range(40)
    ]
    for stops, pieces in fixed + drawn:
        want, rest = oracles.pushes(pieces, stops)
        got = learner.run(probes.stop_strings, stops=stops, pieces=pieces, flushes=1)
        got = expect_pushes(got, len(pieces) + 1, "push and flush")
        what = f"for the pieces {pieces} and the stop strings {stops}"
        late = behind(got[:-1], want) and "".join(text for text, _ in got) == "".join(text for text, _ in want) + rest
        expect.equal(
            got[:-1],
            want,
            what=f"what push returned, and stopped, {what}",
            mistakes={"stop-strings-hold-too-much": got[:-1]} if late else {},
        )
        expect.equal(got[-1][0], rest, what=f"what flush returned {what}")


@check(
    task="1.8",
    weight=2,
    lesson="10_decoding#greedy",
    seconds=0.03,
    hints=[
        "Which row of the logits scores the next token?",
        "In a loop of max_new_tokens rounds: logits = step(ids, past)[-1], token = next_token(...), yield Step(...).",
    ],
)
def test_generate_yields_the_most_likely_tokens(learner, rng):
    """By default generate yields a Step for each of the most likely tokens."""
    for length, count in ((4, 5), (1, 8), (int(rng.integers(5, 9)), 1), (3, 0)):
        language = oracles.Language(rng, VOCAB)
        prompt = language.prompt(rng, length)
        got = learner.run(probes.generated, step=oracles.Feed(language), prompt=prompt, max_new_tokens=count)
        tokens, texts, logprobs = expect_steps(got)
        what = f"for a prompt of {length} tokens and max_new_tokens = {count}"
        want = language.greedy(prompt, count)
        expect.equal(tokens, want, what=f"the tokens {what}")
        expect.equal(texts, [""] * count, what=f"the texts without a decoder {what}")
        right = oracles.logprobs(language, prompt, want)
        expect.close(
            logprobs,
            right,
            what=f"the log-probabilities {what}",
            mistakes={
                "log-probability-is-not-the-natural-logarithm": [x / math.log(2) for x in right],
                "log-probability-without-the-logarithm": [math.exp(x) for x in right],
            },
        )
    after = learner.run(probes.prompt_after, step=oracles.Feed(language), prompt=prompt, count=3)
    expect.equal(after, prompt, what="the prompt after decoding (it must not change)")


@check(
    task="1.8",
    weight=2,
    lesson=STREAMING,
    seconds=0.02,
    hints=[
        "When the reader has the first token, what has the model been asked so far?",
        "generate is a generator function: yield inside the loop, feed only the last token with past = what was fed "
        "before, and return after the last Step without another call.",
    ],
)
def test_generate_streams_one_step_a_token(learner, rng):
    """Each Step is yielded before the next call; the prompt is fed once, then one token a call."""
    for length, count, take in ((3, 4, None), (int(rng.integers(4, 9)), 6, 2), (2, 5, 1), (2, 1, None)):
        language = oracles.Language(rng, VOCAB)
        prompt = language.prompt(rng, length)
        feed = oracles.Feed(language)
        calls_when_seen: list[int] = []
        learner.run(
            probes.generated,
            step=feed,
            prompt=prompt,
            seen=lambda token, feed=feed, seen=calls_when_seen: seen.append(len(feed.calls)),
            take=take,
            max_new_tokens=count,
        )
        reached = count if take is None else take
        what = f"for a prompt of {length} tokens and max_new_tokens = {count}"
        ahead = any(calls > seen for seen, calls in enumerate(calls_when_seen, start=1))
        expect.equal(
            calls_when_seen,
            list(range(1, reached + 1)),
            what=f"how many calls of step had been made when each Step arrived, {what}",
            mistakes={"generate-is-not-lazy": calls_when_seen} if ahead else {},
        )
        new_tokens = language.greedy(prompt, reached)
        extra = oracles.feeding(prompt, [*new_tokens, 0])
        expect.equal(
            feed.calls,
            oracles.feeding(prompt, new_tokens),
            what=f"the calls of step, as [ids, past], {what}" + (f" of which {take} were taken" if take else ""),
            mistakes={
                "generate-feeds-the-whole-sequence": oracles.feeding_everything(prompt, new_tokens),
                "generate-asks-one-step-too-many": extra,
            },
        )
    feed = oracles.Feed(language)
    got = learner.run(probes.generated, step=feed, prompt=prompt, max_new_tokens=0)
    expect.equal(got, [], what="the Steps for max_new_tokens = 0")
    expect.equal(feed.calls, [], what="the calls of step for max_new_tokens = 0")
    for why, options in (
        ("an empty prompt", {"prompt": [], "max_new_tokens": 3}),
        ("an empty prompt and max_new_tokens = 0", {"prompt": [], "max_new_tokens": 0}),
        ("max_new_tokens = -1", {"prompt": prompt, "max_new_tokens": -1}),
        ("stop strings and no decoder", {"prompt": prompt, "max_new_tokens": 3, "stop_strings": ["."]}),
    ):
        feed = oracles.Feed(language)
        expect.error(
            learner.run_error(probes.generated, step=feed, **options), "ValueError", what=f"generate with {why}"
        )
        expect.equal(feed.calls, [], what=f"the calls of step with {why}")


@check(
    task="1.8",
    weight=2,
    lesson="10_decoding#log-probabilities",
    seconds=0.03,
    needs=["test_generate_yields_the_most_likely_tokens"],
    hints=[
        "Whose log-probability is it: the model's, or that of the distribution you drew from?",
        "float(torch.log_softmax(logits, dim=-1)[token]) with the logits as step returned them.",
    ],
)
def test_logprobs_are_the_models_own(learner, rng):
    """Log-probabilities come from the model's logits, whatever penalty, temperature and filters do."""
    temperature = float(rng.uniform(0.4, 0.7))
    for params in ({"temperature": temperature, "top_k": 1}, {"repetition_penalty": 1.9}):
        language = oracles.Language(rng, VOCAB)
        prompt = language.prompt(rng, 12)
        got = learner.run(probes.generated, step=oracles.Feed(language), prompt=prompt, max_new_tokens=6, params=params)
        tokens, _, logprobs = expect_steps(got)
        expect.that(len(tokens) == 6, f"6 Steps were expected, {len(tokens)} came back.")
        expect.that(all(0 <= token < VOCAB for token in tokens), "There is a token outside the vocabulary.")
        # Of the tokens that came: whether they are the right ones is another check's question.
        right = oracles.logprobs(language, prompt, tokens)
        kept = [0.0] * 6 if "top_k" in params else right
        warm = oracles.logprobs(language, prompt, tokens, params.get("temperature", 1.0))
        changed = warm if np.allclose(logprobs, warm, atol=1e-4) else kept
        expect.close(
            logprobs,
            right,
            what="the log-probabilities with " + ", ".join(f"{name} {value:.3g}" for name, value in params.items()),
            mistakes={"log-probability-of-changed-logits": changed},
        )


@check(
    task="1.8",
    weight=2,
    lesson="10_decoding#temperature",
    seconds=0.3,
    hints=[
        "How many times is the generator seeded during one generation? What counts as a previous token?",
        "One torch.Generator().manual_seed(seed) before the loop; next_token gets the prompt and all new tokens.",
    ],
)
def test_generate_samples_with_params_and_seed(learner, rng):
    """The draws follow params and seed, and the penalty knows the prompt."""
    vocab, draws = 6, 250
    logits = torch.from_numpy((rng.permutation(vocab) * 0.35).astype("float32"))
    temperature = float(rng.uniform(0.8, 1.2))
    params = {"temperature": temperature, "top_k": 4}
    right = statistics.distribution(logits, [], params)
    seeds = [int(seed) for seed in rng.choice(2**31, size=draws, replace=False)]

    def sample(seeds: list, count: int) -> list[list[int]]:
        got = learner.run(probes.sampled, logits=logits, seeds=seeds, count=count, params=params)
        expect.type(got, list, what="the sampled tokens")
        expect.that(len(got) == len(seeds), f"{len(seeds)} generations were expected, {len(got)} came back.")
        for row in got:
            expect.type(row, list, what="the sampled tokens")
            expect.that(len(row) == count, f"{count} Steps were expected, {len(row)} came back.")
            for token in row:
                expect.type(token, int, what="a sampled token")
                expect.that(0 <= token < vocab, f"There is no token {token} in a vocabulary of {vocab}.")
        return got

    runs = sample(seeds[:16], 20)
    stuck = all(len(set(row)) == 1 for row in runs)
    greedy = all(token == int(logits.argmax()) for row in runs for token in row)
    expect.that(
        not stuck,
        f"The logits were the same 20 times, and so was the token, with each of {len(runs)} seeds.",
        mistake=None if greedy else "generate-reseeds-every-step",
    )
    firsts = [row[0] for row in sample(seeds, 1)]
    expect.that(
        len(set(firsts)) > 1,
        f"{draws} seeds gave the same first token, {firsts[0]}.",
        mistake="generate-ignores-the-seed",
    )
    for tokens, what in (
        ([token for row in runs for token in row], "in 16 generations of 20 tokens"),
        (firsts, "as the first token, with a new seed each time"),
    ):
        counts = np.bincount(tokens, minlength=vocab)
        odd = statistics.first_unlikely(counts, right)
        message = ""
        if odd is not None:
            share = f"{counts[odd]} of {len(tokens)} times"
            message = f"Token {odd} has probability {right[odd]:.3f}; it came up {share} {what}."
        expect.that(odd is None, message)
    again, zero, default, other = sample([seeds[0], 0, None, seeds[1]], 60)
    expect.that(again[:20] == runs[0], "The same seed gave other tokens the second time.")
    expect.that(zero == default, "Without a seed the tokens differ from those of seed 0.")
    expect.that(other != again, "Two seeds gave the same 60 tokens.", mistake="generate-ignores-the-seed")

    margin, want, forgot, old_only = 0.0, [], [], []
    while margin < 0.01 or want in (forgot, old_only):
        language = oracles.Language(rng, VOCAB)
        prompt = language.prompt(rng, 12)
        want, margin = oracles.greedy(language, prompt, 8, 1.7)
        forgot, _ = oracles.greedy(language, prompt, 8, 1.7, old=False)
        old_only, _ = oracles.greedy(language, prompt, 8, 1.7, new=False)
    got = learner.run(
        probes.generated,
        step=oracles.Feed(language),
        prompt=prompt,
        max_new_tokens=8,
        params={"repetition_penalty": 1.7},
    )
    tokens, _, _ = expect_steps(got)
    expect.equal(
        tokens,
        want,
        what="the tokens with repetition penalty 1.7, which also counts the prompt's tokens",
        mistakes={"generate-forgets-the-prompt": forgot},
    )


def vocabulary_of(rng) -> tuple[list[bytes], dict[str, int]]:
    """Bytes of VOCAB tokens, and the ids of some of them by name."""
    pieces = {letter: letter.encode() for letter in "abcdefgh "}
    for name in "é€☃":
        data = name.encode()
        pieces[f"{name}:start"], pieces[f"{name}:end"] = data[:1], data[1:]
    pieces |= {"stop": b"<stop>", "end": b"<end>", "EN": b"EN", "D": b"D", "aEN": b"aEN", "Db": b"Db"}
    pieces |= {f"unused{i}": b"?" for i in range(VOCAB - len(pieces))}
    names = [list(pieces)[i] for i in rng.permutation(VOCAB)]
    return [pieces[name] for name in names], {name: i for i, name in enumerate(names)}


def run_script(
    learner, rng, names: Sequence[str], **options
) -> tuple[list[int], list[str], list[bytes], list[int], int]:
    """Generate in a language whose likeliest continuation are the named tokens.

    Returns the tokens and texts that came, the bytes of the script's tokens, the script, and the number of calls.
    """
    vocabulary, ids = vocabulary_of(rng)
    script = [ids[name] for name in names]
    stop_tokens = [ids[name] for name in options.pop("stop", ())]
    prompt = [ids["stop"], *(ids[name] for name in "abc"), ids["end"]]  # stop tokens of the prompt end nothing
    feed = oracles.Feed(oracles.Scripted(rng, VOCAB, prompt, script))
    options.setdefault("max_new_tokens", len(script) + 5)
    got = learner.run(
        probes.generated, step=feed, prompt=prompt, vocabulary=vocabulary, stop_tokens=stop_tokens, **options
    )
    tokens, texts, _ = expect_steps(got)
    return tokens, texts, [vocabulary[token] for token in script], script, len(feed.calls)


@check(
    task="1.8",
    weight=2,
    lesson=STOPPING,
    seconds=0.02,
    needs=["test_generate_yields_the_most_likely_tokens"],
    hints=[
        "What does the reader see of a stop token, and what does the caller?",
        "If the token is in stop_tokens, do not push it into the decoder; yield its Step, then return.",
    ],
)
def test_a_stop_token_ends_the_stream(learner, rng):
    """A stop token has the last Step; its text is not shown, and nothing is asked after it."""
    for stop in (["stop"], ["stop", "end"]):
        words = list(letters(rng, "abcdefgh", 3, 6))
        names = [*words, stop[-1], *letters(rng, "abc", 2, 4)]
        tokens, texts, data, script, calls = run_script(learner, rng, names, stop=stop)
        upto = len(words) + 1
        expect.equal(
            tokens,
            script[:upto],
            what="the tokens up to the stop token",
            mistakes={"generate-skips-the-stop-token": script[: upto - 1]},
        )
        expect.equal(
            "".join(texts),
            "".join(words),
            what="the text in front of the stop token",
            mistakes={"generate-shows-the-stop-token": "".join(words) + data[upto - 1].decode()},
        )
        expect.equal(texts, [*words, ""], what="the texts of the Steps")
        expect.that(calls == upto, f"step was called {calls} times for {upto} Steps.")


@check(
    task="1.8",
    weight=2,
    lesson=STREAMING,
    seconds=0.05,
    needs=["test_flush_returns_what_was_held", "test_a_stop_token_ends_the_stream"],
    hints=[
        "Who may still hold text when the last token has been chosen?",
        "On the last token add stops.push(decoder.flush()) and then stops.flush() to its text.",
    ],
)
def test_the_last_step_holds_what_is_left(learner, rng):
    """Text held back by decoder or stop strings comes with the last Step."""
    word = list(letters(rng, "bcdefgh", 3, 6))
    cases = [
        ("half a stop string, then max_new_tokens", [*word, "EN"], ["END"], False),
        ("half a stop string, then a stop token", [*word, "EN", "stop"], ["END"], True),
        ("half a character, then max_new_tokens", [*word, "€:start"], [], False),
        ("half a character, then a stop token", [*word, "é:start", "stop"], [], True),
        ("half a stop string and half a character", [*word, "EN", "☃:start"], ["END", "EN\ufffd!"], False),
        ("a stop string that the decoder's last text completes", [*word, "EN", "☃:start"], ["EN\ufffd"], False),
        ("a character in two tokens", [*word, "☃:start", "☃:end", "EN", "a"], ["END"], False),
    ]
    for why, names, stops, ends_with_stop in cases:
        tokens, texts, data, script, calls = run_script(
            learner, rng, names, stop=["stop"], stop_strings=stops, max_new_tokens=len(names)
        )
        expect.equal(tokens, script, what=f"the tokens with {why}")
        want = oracles.texts(data, stops, stop_token_last=ends_with_stop)
        lost = "".join(want) != "".join(texts) and "".join(texts) == "".join(want[:-1])
        expect.equal(
            texts,
            want,
            what=f"the texts with {why}",
            mistakes={"generate-loses-held-text": texts} if lost else {},
        )
        expect.that(calls == len(script), f"step was called {calls} times for {len(script)} Steps.")


@check(
    task="1.8",
    weight=2,
    lesson=STOPPING,
    seconds=0.05,
    needs=["test_a_stop_string_ends_the_text_in_front_of_it", "test_generate_yields_the_most_likely_tokens"],
    hints=[
        "A stop string may begin in one token and end in another. Which Step is the last?",
        "Pass each decoded piece through StopStrings.push; when .stopped is True, yield that Step and return.",
    ],
)
def test_stop_strings_across_tokens_end_the_stream(learner, rng):
    """A stop string that is spread over tokens ends the stream, and is not shown."""
    word, more = list(letters(rng, "bcdefgh", 3, 6)), list(letters(rng, "bcdefgh", 2, 4))
    for names, stops in (
        ([*word, "EN", "D", *more], ["END"]),
        ([*word, "aEN", "Db", *more], ["END"]),
        ([*word, "aEN", "EN", "Db", *more], ["nothing", "END"]),
        ([*word, "é:start", "é:end", "EN", "D", *more], ["éEND"]),
        ([*word, "EN", *more], ["END"]),
    ):
        tokens, texts, data, script, calls = run_script(
            learner, rng, names, stop_strings=stops, max_new_tokens=len(names)
        )
        want = oracles.texts(data, stops)
        expect.equal(tokens, script[: len(want)], what=f"the tokens of {names} up to the stop string {stops[-1]!r}")
        expect.equal(texts, want, what=f"the texts of {names} with the stop string {stops[-1]!r}")
        expect.that(calls == len(want), f"step was called {calls} times for {len(want)} Steps.")


@check(
    task="1.8",
    weight=2,
    lesson="10_decoding#greedy",
    seconds=0.8,
    limit=20,
    models=[SMOLLM2],
    needs=["test_generate_streams_one_step_a_token", "test_logprobs_are_the_models_own"],
    hints=[
        "The loop works on small models. Does it take the last row, feed one token a step and keep count of past?",
        "Compare with transformers' generate(do_sample=False) token by token: the first difference tells the step.",
    ],
)
def test_greedy_equals_transformers_on_smollm2(learner, rng, models):
    """On SmolLM2 the greedy tokens are those of transformers' generate, for 40 tokens."""
    count = oracles_greedy.COUNT
    loaded = models[SMOLLM2]
    drafts = oracles_greedy.drafts()
    thing = sorted(drafts)[int(rng.integers(len(drafts)))]
    prompt = oracles_greedy.chat(loaded.tokenizer, thing)
    eos = loaded.tokenizer.eos_token_id
    greedy = oracles.TransformersGreedy(loaded.model, prompt, count, eos, drafts[thing])
    got = learner.run(probes.generated, step=greedy, prompt=prompt, max_new_tokens=count, stop_tokens=[eos])
    tokens, _, logprobs = expect_steps(got)
    expect.equal(tokens, greedy.tokens, what=f"the tokens after {oracles_greedy.question(thing)!r}")
    expect.close(logprobs, greedy.logprobs, rtol=1e-3, atol=1e-3, what="the log-probabilities")
    sizes = [len(prompt)] + [1] * (len(greedy.tokens) - 1)
    expect.equal(greedy.sizes, sizes, what="how many tokens each call of step fed")

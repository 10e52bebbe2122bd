"""Checks of task 2.9: splits, metric, signature, router, statistics, compilation, report.

The model is the judge's: it answers by a plan, and what the learner's program showed it is on record here. So the
right choice follows from the plan, never from luck.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from checks.stage2_prompting_tools import oracles_optimize as oracles
from checks.stage2_prompting_tools import probes_optimize as probes
from roadmap.grading import check, expect

TOOLS = {"sky": "forecasts rain, wind and temperature for a city", "ticker": "tells what a share closed at"}
FRACTIONS = (0.5, 0.25, 0.25)


def expect_share(value, what: str) -> None:
    """A float from 0 to 1."""
    expect.type(value, float, what=what)
    expect.that(0 <= value <= 1, f"{what}: expected a number from 0 to 1, got {str(value)[:40]}")


def places_of(got, count: int, what: str) -> list[list[int]]:
    """Three lists in which every one of `count` examples stands once."""
    expect.type(got, list, what=what)
    expect.that(len(got) == 3, f"{what}: three splits were expected, {len(got)} came back.")
    for part in got:
        expect.type(part, list, what=f"{what}: a split")
        for place in part:
            expect.type(place, int, what=f"{what}: an example's place")
    flat = [place for part in got for place in part]
    expect.that(-1 not in flat, f"{what}: a split holds something that is not one of the given examples.")
    missing = count - len(set(flat))
    expect.that(
        missing == 0,
        f"{what}: {missing} of {count} examples are in no split.",
        mistake="split-loses-the-rest",
    )
    expect.that(len(flat) == count, f"{what}: {len(flat) - count} examples are in more than one split.")
    return got


@check(
    task="2.9",
    weight=2,
    lesson="07_dspy#splits",
    seconds=0.05,
    hints=[
        "If one tool is rare, what may happen to it when all examples are shuffled and cut at two points?",
        "Cut the examples of each tool apart: floor(fraction * n) for each split, then one more for the splits with "
        "the largest fractional parts.",
    ],
)
def test_every_tool_is_split_in_the_same_proportions(learner, rng):
    """Train, validation and test hold each tool in the given proportions, and every example once."""
    for fractions in (FRACTIONS, (0.6, 0.3, 0.1), (0.2, 0.4, 0.4), (1 / 3, 1 / 3, 1 / 3), (0.7, 0.3, 0.0)):
        sizes = {
            tool: oracles.clear_size(rng, low, high, fractions)
            for tool, low, high in (("sky", 21, 40), ("ticker", 5, 12), ("none", 1, 5))
        }
        pairs = oracles.mixed(rng, sizes)
        got = learner.run(
            probes.split, pairs=pairs, options=[{"seed": int(rng.integers(1000)), "fractions": fractions}]
        )
        shown = ", ".join(f"{fraction:.3g}" for fraction in fractions)
        what = f"{sizes} split by ({shown})"
        expect.equal(got["names"], ["train", "validation", "test"], what="the splits")
        places = places_of(got["places"][0], len(pairs), what)
        counts = oracles.counted(pairs, places)
        want = oracles.expected_counts(pairs, fractions)
        total = oracles.shares(len(pairs), fractions)
        if counts != want:
            whole = [len(part) for part in places]
            expect.equal(
                counts,
                want,
                what=f"{what}: examples of each tool in train, validation, test",
                mistakes={
                    "split-not-stratified": counts
                    if all(abs(a - b) <= 1 for a, b in zip(whole, total, strict=True))
                    else None
                },
            )
    expect.that(got["given"], "The examples that were given, or their order, have been changed.")
    pairs = oracles.mixed(rng, {"sky": 8, "none": 8})
    for fractions in ((0.5, 0.3, 0.3), (0.5, 0.25), (1.2, -0.1, -0.1)):
        info = learner.run_error(probes.split, pairs=pairs, options=[{"seed": 1, "fractions": fractions}])
        expect.error(info, "ValueError", what=f"split with fractions {fractions}")


@check(
    task="2.9",
    weight=2,
    lesson="07_dspy#splits",
    seconds=0.05,
    needs=["test_every_tool_is_split_in_the_same_proportions"],
    hints=[
        "'Rain in Oslo?' is in train and 'rain in  oslo?' in test. What does the score on test then measure?",
        "Group the examples by their canonical text first, and deal out the groups.",
    ],
)
def test_equal_texts_stay_together(learner, rng):
    """Requests that differ in case, spaces or Unicode form only stay together; two labels for one are refused."""
    pairs = oracles.mixed(rng, {"sky": 16, "ticker": 16})
    again = [(oracles.disguised(rng, request), tool) for request, tool in pairs for _ in range(int(rng.integers(1, 3)))]
    pairs = [(*pairs, *again)[i] for i in rng.permutation(len(pairs) + len(again))]
    got = learner.run(probes.split, pairs=pairs, options=[{"seed": int(rng.integers(1000))}])
    places = places_of(got["places"][0], len(pairs), "texts that occur several times")
    homes: dict[str, set[int]] = {}
    for number, part in enumerate(places):
        for place in part:
            homes.setdefault(oracles.canonical(pairs[place][0]), set()).add(number)
    torn = [text for text, found in homes.items() if len(found) > 1]
    expect.that(
        not torn,
        f"{len(torn)} of {len(homes)} texts are in several splits, in different spellings: {torn[:1]}",
        mistake="split-tears-duplicates",
    )
    expect.equal(
        oracles.counted(pairs, places),
        oracles.expected_counts(pairs, FRACTIONS),
        what="distinct texts of each tool in train, validation, test",
    )
    request = pairs[0][0]
    twice = [*pairs, (oracles.disguised(rng, request), "none")]
    info = learner.run_error(probes.split, pairs=twice, options=[{"seed": 1}])
    expect.error(info, "ValueError", what="split with one text under two tools")


@check(
    task="2.9",
    weight=2,
    lesson="07_dspy#splits",
    seconds=0.05,
    needs=["test_every_tool_is_split_in_the_same_proportions"],
    hints=[
        "Where does the order of the file still have a say? And what does an optimizer get that takes the first four?",
        "rng = random.Random(seed); sort the texts of a tool before rng.shuffle; shuffle each finished split, too.",
    ],
)
def test_the_seed_decides_and_nothing_else(learner, rng):
    """The same seed gives the same split, whatever the order of the file; the splits come mixed."""
    pairs = oracles.mixed(rng, {"sky": 40, "ticker": 40, "none": 40})
    seeds = [int(seed) for seed in rng.permutation(1000)[:3]]
    options = [{"seed": seed} for seed in (*seeds, seeds[0])]
    got = learner.run(probes.split, pairs=pairs, options=options)
    for number in range(len(options)):
        places_of(got["places"][number], len(pairs), f"seed {options[number]['seed']}")
    first, second, third, repeated = got["places"]
    expect.that(first == repeated, "Two calls with the same seed gave different splits.", mistake="split-ignores-seed")
    sets = [[sorted(part) for part in places] for places in (first, second, third)]
    expect.that(
        sets[0] != sets[1] and sets[0] != sets[2],
        "Different seeds gave the same split: it is not drawn at random.",
        mistake="split-ignores-seed",
    )
    expect.that(
        got["random"],
        "Python's global random state has changed: use random.Random(seed).",
        mistake="global-random-state",
    )
    for name, part in zip(("train", "validation", "test"), first, strict=True):
        changes = sum(pairs[a][1] != pairs[b][1] for a, b in pairwise(part))
        expect.that(
            changes > 4,
            f"{name} comes sorted by tool: an optimizer that takes the first four examples would see one tool.",
            mistake="split-sorted-by-tool",
        )
    # The tools appear in the opposite order, too: a chance order of three is the same one time in six.
    first_places = {tool: place for place, (_, tool) in reversed(list(enumerate(pairs)))}
    heads = sorted(first_places.values(), reverse=True)
    order = [*heads, *(int(i) for i in rng.permutation(len(pairs)) if i not in heads)]
    shuffled = learner.run(probes.split, pairs=[pairs[i] for i in order], options=[{"seed": seeds[0]}])
    back = [
        sorted(order[place] for place in part) for part in places_of(shuffled["places"][0], len(pairs), "reordered")
    ]
    expect.that(
        back == sets[0],
        "The same examples in another order, with the same seed, were split differently.",
        mistake="split-depends-on-order",
    )


@check(
    task="2.9",
    weight=2,
    lesson="07_dspy#metrics",
    seconds=0.03,
    hints=[
        "Would a person call '\"Weather\".' a wrong answer? Would she call 'weather or stocks' a right one?",
        "canonical(answer).strip(' \"\\'`*.') on both sides when trace is None; `==` on the bare strings otherwise.",
    ],
)
def test_metric_forgives_form_but_not_content(learner, rng):
    """The metric compares names, forgiving in evaluation, strict where demonstrations are collected."""
    tool, other = str(rng.choice(["sky_report", "Ticker", "rain radar"])), "ledger"
    right = [tool, tool.upper(), f" {tool} ", f'"{tool}".', f"**{tool}**", f"`{tool}`", tool.replace(" ", "  ")]
    right.append("".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalpha() else c for c in tool))
    wrong = [other, "", f"{tool} or {other}", f"not {tool}", tool[:-1], tool + "s", f"the answer is {tool}", "none"]
    cases = [(tool, {"tool": answer}, None) for answer in (*right, *wrong)]
    got = learner.run(probes.marks, cases=cases)
    expect.type(got, list, what="the metric's values")
    want = [1.0] * len(right) + [0.0] * len(wrong)
    known = {
        "metric-wants-the-very-string": [float(answer == tool) for answer in (*right, *wrong)],
        "metric-finds-the-name-anywhere": [
            float(oracles.canonical(tool) in oracles.canonical(answer)) for answer in (*right, *wrong)
        ],
    }
    for mark, answer in zip(got, (*right, *wrong), strict=True):
        expect_share(mark, f"metric of {answer!r} where {tool!r} is right")
    for number, answer in enumerate((*right, *wrong)):
        named = [slug for slug, values in known.items() if [float(mark) for mark in got] == values]
        expect.that(
            got[number] == want[number],
            f"{answer!r} where {tool!r} is right: expected {want[number]}, got {got[number]}",
            mistake=named[0] if named else None,
        )
    cases = [(tool, {"tool": answer}, trace) for answer in (*right, *wrong) for trace in ([], [1])]
    got = learner.run(probes.marks, cases=cases)
    want = [answer == tool for answer in (*right, *wrong) for _ in range(2)]
    lenient = [answer in right for answer in (*right, *wrong) for _ in range(2)]
    expect.type(got, list, what="the metric's values with a trace")
    expect.equal(
        [bool(mark) if mark in (0, 1) and isinstance(mark, bool | int | float) else mark for mark in got],
        want,
        what=f"the metric with a trace, of {len(cases)} answers where {tool!r} is right",
        mistakes={
            "metric-forgets-the-trace": lenient,
            "metric-takes-an-empty-trace-for-none": [
                value if number % 2 else soft for number, (value, soft) in enumerate(zip(want, lenient, strict=True))
            ],
        },
    )
    expect.that(all(type(mark) is bool for mark in got), "With a trace the metric is True or False.")
    odd = [(tool, {"tool": None}, None), (tool, {"answer": tool}, None), (tool, {"tool": 3}, None), (tool, {}, None)]
    expect.equal(learner.run(probes.marks, cases=odd), [0.0] * 4, what="predictions without a tool's name")


@check(
    task="2.9",
    weight=1,
    lesson="07_dspy#signatures",
    seconds=0.05,
    hints=[
        "Everything the model knows about the tools stands in the signature. What if a request needs none of them?",
        'Literal[(*tools, NONE)] is the type; dspy.Signature({"request": (str, dspy.InputField()), "tool": (type, '
        "dspy.OutputField())}, instructions) makes the class.",
    ],
)
def test_signature_names_every_tool_and_none(learner, rng):
    """The signature is request -> one of the names or "none", and the instructions describe each tool."""
    words = ("maps", "mail", "notes", "music", "trains", "parcels", "recipes")
    for count in (1, 3, 6):
        chosen = rng.permutation(len(words))[:count]
        tools = {
            f"{words[i]}_{rng.integers(10, 99)}": f"does {words[i]} task {rng.integers(1000, 9999)}" for i in chosen
        }
        got = learner.run(probes.signature, tools=tools)
        what = f"a signature for {list(tools)}"
        expect.equal([got["inputs"], got["outputs"]], [["request"], ["tool"]], what=f"{what}: its fields")
        expect.that(got["input"], f"{what}: the request is a str.")
        expect.that(
            got["literal"],
            f"{what}: the output is not a Literal, so any text passes for a tool.",
            mistake="signature-takes-any-text",
        )
        expect.equal(
            got["choices"],
            [*tools, "none"],
            what=f"{what}: what the model may choose",
            mistakes={"signature-without-none": list(tools)},
        )
        expect.type(got["instructions"], str, what=f"{what}: the instructions")
        for name, description in tools.items():
            expect.that(
                name in got["instructions"] and description in got["instructions"],
                f"{what}: the instructions do not describe {name!r}: {description!r}",
                mistake="signature-without-descriptions",
            )
        expect.that("none" in got["instructions"], f'{what}: the instructions do not say when the answer is "none".')
    info = learner.error("optimize.routing_signature", {})
    expect.error(info, "ValueError", what="a signature without tools")


@check(
    task="2.9",
    weight=1,
    lesson="07_dspy#adapters",
    seconds=0.1,
    needs=["test_signature_names_every_tool_and_none"],
    hints=[
        "Which failures are the model's answer, and which mean that there was no answer?",
        "Catch dspy.utils.exceptions.AdapterParseError around self.predict(request=request), and nothing else.",
    ],
)
def test_router_survives_nonsense_and_reports_failures(learner, rng):
    """The router returns a tool or "none"; nonsense is "none"; a model out of reach is an error."""
    pairs = oracles.mixed(rng, {"sky": 3, "ticker": 3, "none": 2})
    requests = [request for request, _ in pairs]
    script = oracles.Script.of({"all": pairs}, lambda shown, split, place: True)
    got = learner.run(probes.route, tools=TOOLS, requests=requests, ask=script)
    expect.equal(got, [tool for _, tool in pairs], what="the tools that a perfect model names")
    expect.equal(
        [question for _, question in script.asked],
        requests,
        what="what the model was asked, one question a request",
    )
    for nonsense in ("I would rather not say.", "[[ ## tool ## ]]\nhoroscope\n\n[[ ## completed ## ]]", "{", ""):

        def ask(system, turns, nonsense=nonsense):
            return nonsense

        info = learner.run_error(probes.route, tools=TOOLS, requests=requests[:1], ask=ask)
        expect.that(
            info is None,
            f"The model answered {nonsense!r}, and the router raised {info.type if info else ''}.",
            mistake="router-stops-at-nonsense",
        )
        got = learner.run(probes.route, tools=TOOLS, requests=requests[:1], ask=ask)
        expect.equal(got, ["none"], what=f"the tool after the answer {nonsense!r}")
    script.failing = requests[0]
    info = learner.run_error(probes.route, tools=TOOLS, requests=requests[:1], ask=script)
    expect.that(
        info is not None,
        "The model was out of reach, and the router answered all the same.",
        mistake="router-hides-failures",
    )


@check(
    task="2.9",
    weight=1,
    lesson="07_dspy#validation-overfitting",
    seconds=0.02,
    hints=[
        "What does p plus or minus 1.96 standard errors say at 0 right of 10?",
        "centre = (p + z^2/2n) / (1 + z^2/n); reach = z / (1 + z^2/n) * sqrt(p(1-p)/n + z^2/4n^2).",
    ],
)
def test_wilson_interval(learner, rng):
    """Wilson's interval holds at the ends and for few items."""
    cases = [(0, 10), (10, 10), (1, 1)] + [(int(rng.integers(1, n)), n) for n in (7, 40, 300, 12)]
    for correct, total in cases:
        got = learner.call("optimize.wilson_interval", correct, total)
        expect.close(
            got,
            oracles.wilson(correct, total),
            rtol=1e-6,
            atol=1e-9,
            what=f"the interval of {correct} of {total}",
            mistakes={
                "interval-of-wald": lambda correct=correct, total=total: oracles.wald(correct, total),
                "interval-of-90-per-cent": lambda correct=correct, total=total: oracles.wilson(correct, total, 1.645),
            },
        )
    for correct, total in ((0, 0), (5, 4), (-1, 4)):
        info = learner.error("optimize.wilson_interval", correct, total)
        expect.error(info, "ValueError", what=f"the interval of {correct} of {total}")


@check(
    task="2.9",
    weight=1,
    lesson="07_dspy#validation-overfitting",
    seconds=0.02,
    hints=[
        "If both are equally good, each disagreement falls to either side like a coin. How uneven may coins fall?",
        "2 * sum(comb(n, i) for i in range(k + 1)) / 2**n with n = b + c and k = min(b, c), at most 1.",
    ],
)
def test_mcnemar_is_exact_and_two_sided(learner, rng):
    """The p-value of a paired comparison is exact, two-sided and at most 1."""
    cases = [(0, 0), (1, 0), (0, 5), (6, 0), (3, 3), (4, 5)]
    cases += [(int(rng.integers(0, 6)), int(rng.integers(6, 15))) for _ in range(4)]
    for first, second in cases:
        for b, c in ((first, second), (second, first)):
            expect.close(
                learner.call("optimize.exact_mcnemar", b, c),
                oracles.mcnemar(b, c),
                rtol=1e-6,
                atol=1e-12,
                what=f"the p-value when only the first is right {b} times and only the second {c} times",
                mistakes={
                    "p-value-one-sided": lambda b=b, c=c: oracles.one_sided(b, c),
                    "p-value-above-one": lambda b=b, c=c: 2 * oracles.one_sided(b, c),
                    "p-value-by-chi-squared": lambda b=b, c=c: oracles.chi_squared(b, c),
                },
            )


def plan(rng, sizes: dict[str, int]) -> dict[str, list[tuple[str, str]]]:
    """Three splits of requests."""
    made, start = {}, 0
    for name, size in sizes.items():
        each = size // 3
        made[name] = oracles.mixed(rng, {"sky": each, "ticker": each, "none": size - 2 * each}, start)
        start += size
    return made


def compiled(learner, splits, script, candidates, seeds, **options):
    """Run the learner's compile_router with the judge's model, and look at the form of what comes back."""
    got = learner.run(
        probes.compiled,
        tools=TOOLS,
        **splits,
        candidates=candidates,
        seeds=seeds,
        ask=script,
        **options,
    )
    answers = got["answers"]
    for answer in answers:
        expect.type(answer["name"], str, what="the chosen candidate's name")
        expect.equal(
            sorted(answer["scores"]),
            sorted(["zero-shot", *(name for name, _, _ in candidates)]),
            what="what was scored",
        )
    touched = {script.split_of(question) for _, question in script.asked if question is not None}
    shown = {script.split_of(request) for demos, _ in script.asked for request in demos}
    expect.that(
        "test" not in touched | shown,
        "The model was shown requests of the test split while the router was compiled.",
        mistake="compile-looks-at-test",
    )
    expect.that(
        "validation" not in shown,
        "Requests of the validation split stand among the demonstrations, and the score on validation counts them.",
        mistake="compile-shows-validation",
    )
    return got


def expect_scores(got: dict, want: dict[str, float]) -> None:
    """The scores on validation. What `dspy.Evaluate` rounds to hundredths of a per cent is right, too."""
    for name, score in want.items():
        expect.close(got[name], score, atol=1e-4, rtol=0, what=f"the score of {name!r} on validation")


@check(
    task="2.9",
    weight=3,
    lesson="07_dspy#optimisers",
    seconds=0.5,
    needs=["test_router_survives_nonsense_and_reports_failures"],
    hints=[
        "Which examples may become demonstrations, which ones measure a candidate, and which must not be read at all?",
        "Give optimizer.compile only the training set; run each compiled program over splits.validation.",
    ],
)
def test_demonstrations_come_from_train_alone(learner, rng):
    """Demonstrations come from train, scores from validation, and test is never shown to the model."""
    splits = plan(rng, {"train": 15, "validation": 9, "test": 9})
    script = oracles.Script.of(splits, lambda shown, split, place: place % 3 != 0 or shown > 2)
    candidates = [("few", "first", 2), ("more", "labeled", 4), ("found", "bootstrap", 3)]
    got = compiled(learner, splits, script, candidates, [int(rng.integers(1000))], stale=2)
    answer = got["answers"][0]
    expect_scores(answer["scores"], {"zero-shot": 2 / 3, "few": 2 / 3, "more": 1.0, "found": 1.0})
    expect.that(
        all(demos == [[]] for demos in answer["students"]),
        "An optimizer was given a router that already had demonstrations.",
        mistake="compile-keeps-old-demonstrations",
    )
    questions = script.questions()
    measured = {question for _, question in script.asked if question in dict(splits["validation"])}
    expect.that(
        measured,
        "The model was asked for no validation request at all: what was scored are the training examples.",
        mistake="choice-on-train",
    )
    expect.that(
        set(dict(splits["validation"])) <= set(questions.get((), {})),
        "The router without demonstrations was not asked for all of validation.",
        mistake="compile-keeps-old-demonstrations",
    )
    for demos, asked in questions.items():
        often = [request for request, _ in splits["validation"] if asked[request] > 1]
        count = sum(asked[request] > 0 for request, _ in splits["validation"])
        expect.that(
            count in (0, 9),
            f"With {len(demos)} demonstrations the model was asked for {count} of 9 validation requests.",
        )
        expect.that(not often, f"With {len(demos)} demonstrations a validation request was asked more than once.")
    expect.that(
        all(request in dict(splits["train"]) for demos in questions for request in demos),
        "A demonstration is not one of the training examples.",
    )
    expect.equal(answer["baseline"], [], what="the demonstrations of the baseline")
    expect.that(got["router"] and answer["other"], "The router that was given has changed.")
    expect.that(got["splits"], "The splits that were given have changed.")
    chosen = answer["demos"]
    expect.that(
        len(chosen) in (3, 4) and all(dict(splits["train"]).get(request) == tool for request, tool in chosen),
        f"The chosen router's demonstrations are not training examples with their tools: {chosen}",
    )


@check(
    task="2.9",
    weight=3,
    lesson="07_dspy#validation-overfitting",
    seconds=0.5,
    needs=["test_demonstrations_come_from_train_alone"],
    hints=[
        "Which of the three splits may decide? And what speaks for the more elaborate of two equal candidates?",
        "max(scores, key=scores.get) takes the first of equals: keep the scores from the simplest candidate up.",
    ],
)
def test_validation_decides_and_ties_go_to_the_simplest(learner, rng):
    """The candidate with the best score on validation wins; of equal ones the simplest."""
    splits = plan(rng, {"train": 12, "validation": 12, "test": 12})
    low, high = int(rng.integers(2, 5)), int(rng.integers(7, 11))
    # What is right with 1, 2, 3, 4 demonstrations: train is best with 1, validation with 2 and 4, test with 3.
    right = {
        0: {"train": low, "validation": low, "test": low},
        1: {"train": 12, "validation": low + 1, "test": low},
        2: {"train": low, "validation": high, "test": low},
        3: {"train": low, "validation": high - 1, "test": 12},
        4: {"train": low + 1, "validation": high, "test": low + 1},
    }
    script = oracles.Script.of(splits, lambda shown, split, place: place < right[min(shown, 4)][split])
    names = [f"{word}-{rng.integers(100, 999)}" for word in ("short", "middle", "long", "longest")]
    candidates = [(name, "first", k) for k, name in enumerate(names, start=1)]
    answer = compiled(learner, splits, script, candidates, [int(rng.integers(1000))])["answers"][0]
    scores = dict(zip(["zero-shot", *names], [right[k]["validation"] / 12 for k in range(5)], strict=True))
    train = dict(zip(["zero-shot", *names], [right[k]["train"] / 12 for k in range(5)], strict=True))
    for name, score in answer["scores"].items():
        expect_share(score, f"the score of {name!r}")
    expect.that(
        answer["name"] != names[0] or not np.allclose([answer["scores"][name] for name in train], list(train.values())),
        "The candidates were scored on the examples that they were compiled on.",
        mistake="choice-on-train",
    )
    expect_scores(answer["scores"], scores)
    expect.equal(
        answer["name"],
        names[1],
        what=f"the choice among {scores}",
        mistakes={"tie-goes-to-the-last": names[3]},
    )
    expect.that(len(answer["demos"]) == 2, f"{names[1]} has 2 demonstrations; the program has {len(answer['demos'])}.")

    # Nothing helps: then the router stays as it was.
    script = oracles.Script.of(splits, lambda shown, split, place: place < high - (2 if shown == 1 else 0))
    answer = compiled(learner, splits, script, candidates[:3], [int(rng.integers(1000))])["answers"][0]
    expect.equal(
        answer["name"],
        "zero-shot",
        what="the choice when demonstrations do not help",
        mistakes={"tie-goes-to-the-last": names[2], "baseline-does-not-compete": names[1]},
    )
    expect.equal(answer["demos"], [], what="the demonstrations of the router without demonstrations")


@check(
    task="2.9",
    weight=2,
    lesson="07_dspy#optimisers",
    seconds=0.5,
    needs=["test_demonstrations_come_from_train_alone"],
    hints=[
        "DSPy's optimizers draw with seeds of their own. What is left for yours to change? Is an outage an answer?",
        "Shuffle a copy of splits.train with random.Random(seed) once, give every optimizer a copy of that list, and "
        "let the errors of the model through.",
    ],
)
def test_the_seed_orders_train_and_failures_propagate(learner, rng):
    """The seed alone decides the order of the training set; an outage during validation ends the compilation."""
    splits = plan(rng, {"train": 18, "validation": 6, "test": 6})
    script = oracles.Script.of(splits, lambda shown, split, place: shown == 7 or (shown > 0 and place % 2 == 0))
    seeds = [int(seed) for seed in rng.permutation(1000)[:3]]
    candidates = [("four", "first", 4), ("seven", "first", 7), ("five", "first", 5)]
    got = compiled(learner, splits, script, candidates, [*seeds, seeds[0]])
    orders = [[request for request, _ in answer["demos"]] for answer in got["answers"]]
    plain = [request for request, _ in splits["train"][:7]]
    expect.that(
        orders[0] == orders[3],
        "Two compilations with the same seed gave different demonstrations.",
        mistake="compile-ignores-seed",
    )
    expect.that(
        orders[0] not in (orders[1], orders[2]) and plain not in orders,
        "Different seeds gave the same demonstrations.",
        mistake="compile-ignores-seed",
    )
    expect.that(
        got["random"],
        "Python's global random state has changed: use random.Random(seed).",
        mistake="global-random-state",
    )
    for order in orders:
        for size in (4, 5):
            expect.that(
                any(demos == tuple(order[:size]) for demos, _ in script.asked),
                "The candidates were given the training set in different orders: they differ by luck, too.",
                mistake="candidates-get-different-orders",
            )
    for number in (int(rng.integers(0, 6)), 5):
        script.failing = splits["validation"][number][0]
        info = learner.run_error(
            probes.compiled, tools=TOOLS, **splits, candidates=candidates, seeds=seeds[:1], ask=script
        )
        expect.that(
            info is not None,
            "The model was out of reach for one validation request, and the compilation went on.",
            mistake="outage-counts-as-wrong",
        )
    script.failing = None
    for empty in ("train", "validation"):
        info = learner.run_error(
            probes.compiled, tools=TOOLS, **{**splits, empty: []}, candidates=candidates, seeds=[1], ask=script
        )
        expect.error(info, "ValueError", what=f"compile_router with an empty {empty} split")
    info = learner.run_error(
        probes.compiled, tools=TOOLS, **splits, candidates=[("zero-shot", "first", 2)], seeds=[1], ask=script
    )
    expect.error(info, "ValueError", what='compile_router with a candidate called "zero-shot"')


def expect_report(learner, rng, total: int, both: int, only_baseline: int, only_compiled: int) -> None:
    """The report on a plan: how many test requests both routers, or only one of them, get right."""
    splits = plan(rng, {"train": 3, "test": total})
    fate = rng.permutation(
        ["both"] * both + ["baseline"] * only_baseline + ["compiled"] * only_compiled
        + ["neither"] * (total - both - only_baseline - only_compiled)
    ).tolist()  # fmt: skip
    before = [kind in ("both", "baseline") for kind in fate]
    after = [kind in ("both", "compiled") for kind in fate]
    script = oracles.Script.of(splits, lambda shown, split, place: (after if shown else before)[place])
    name, validation = f"few-{rng.integers(100, 999)}", float(rng.integers(60, 100)) / 100
    scores = {"zero-shot": 0.5, name: validation, "other": 0.1}
    got = learner.run(
        probes.reported, tools=TOOLS, test=splits["test"], demos=splits["train"], name=name, scores=scores, ask=script
    )
    what = f"a report on {total} requests, {only_baseline} only baseline, {only_compiled} only compiled"
    want = oracles.report(name, validation, before, after)
    expect.type(got, dict, what=what)
    for shown, asked in script.questions().items():
        often = [request for request in asked if asked[request] > 1]
        expect.that(
            not often,
            f"{what}: with {len(shown)} demonstrations {len(often)} test requests were asked more than once.",
            mistake="report-asks-test-again",
        )
    expect.equal(sorted(got), sorted(want), what=f"{what}: its keys")
    for key in ("name", "total", "only_baseline", "only_compiled"):
        expect.equal(got[key], want[key], what=f"{what}: {key}")
    expect.close(got["validation"], want["validation"], what=f"{what}: validation")
    for key in ("baseline", "compiled"):
        expect.type(got[key], dict, what=f"{what}: {key}")
        expect.equal(sorted(got[key]), sorted(want[key]), what=f"{what}: the keys of {key}")
        expect.equal(got[key]["correct"], want[key]["correct"], what=f"{what}: right answers of {key}")
        expect.close(got[key]["accuracy"], want[key]["accuracy"], what=f"{what}: accuracy of {key}")
        expect.close(got[key]["interval"], want[key]["interval"], what=f"{what}: the interval of {key}")
    expect.close(got["p_value"], want["p_value"], what=f"{what}: p_value", rtol=1e-6)
    known = {"verdict-without-a-test": oracles.eager_verdict(want), "verdict-by-overlap": oracles.overlap_verdict(want)}
    expect.equal(
        got["verdict"],
        want["verdict"],
        what=f"{what} (p = {want['p_value']:.3f}): the verdict",
        mistakes={slug: verdict for slug, verdict in known.items() if verdict != want["verdict"]},
    )
    asked = script.questions()
    expect.that(
        len(asked) == 2 and all(len(requests) == total for requests in asked.values()),
        f"{what}: the model was not asked for every test request by both routers.",
    )


@check(
    task="2.9",
    weight=3,
    lesson="07_dspy#validation-overfitting",
    seconds=0.5,
    needs=["test_wilson_interval", "test_mcnemar_is_exact_and_two_sided"],
    hints=[
        "Both routers answered the same requests. Which of the requests say something about the difference?",
        "Count where only one of them is right, give both counts to exact_mcnemar, and say a lift only below ALPHA.",
    ],
)
def test_report_counts_pairs_and_claims_no_more(learner, rng):
    """The report measures both routers on test once, and says "no lift" unless the paired difference is one."""
    few = int(rng.integers(3, 6))
    expect_report(learner, rng, 24, 10, 1, few)
    expect_report(learner, rng, 30, 14, 0, int(rng.integers(6, 8)))
    expect_report(learner, rng, 30, 14, int(rng.integers(6, 8)), 0)
    expect_report(learner, rng, 24, 12, few, few)
    expect_report(learner, rng, 12, 12, 0, 0)
    pairs = oracles.mixed(rng, {"sky": 3})
    info = learner.run_error(
        probes.reported, tools=TOOLS, test=[], demos=pairs, name="few", scores={"few": 1.0}, ask=lambda *_: ""
    )
    expect.error(info, "ValueError", what="a report on an empty test split")
    script = oracles.Script.of({"test": pairs}, lambda *_: True)
    script.failing = pairs[-1][0]
    info = learner.run_error(
        probes.reported, tools=TOOLS, test=pairs, demos=[], name="few", scores={"few": 1.0}, ask=script
    )
    expect.that(
        info is not None,
        "The model was out of reach for one test request, and the report was written all the same.",
        mistake="outage-counts-as-wrong",
    )

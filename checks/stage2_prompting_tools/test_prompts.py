"""Checks of task 2.1: the system message, examples by similarity, a conversation within a budget."""

from __future__ import annotations

import copy
import datetime
import itertools

import numpy as np

from checks.stage2_prompting_tools import oracles_prompts as oracles
from checks.stage2_prompting_tools import probes_prompts as probes
from roadmap.grading import check, expect


def any_day(rng) -> datetime.date:
    """A day of this century."""
    return datetime.date(2001, 1, 1) + datetime.timedelta(days=int(rng.integers(36_000)))


def systems(learner, cases) -> list:
    """The system messages of (role, rules, context, day), each a string."""
    data = [[role, rules, context, day and [day.year, day.month, day.day]] for role, rules, context, day in cases]
    got = learner.run(probes.system, cases=data)
    for text in got:
        expect.type(text, str, what="system_prompt")
    return got


@check(
    task="2.1",
    weight=2,
    lesson="01_prompts#system-messages",
    seconds=0.02,
    hints=[
        "Which of the four parts change from one day to the next, and what does a prompt cache compare?",
        "Build a list of sections in the documented order and join it with a blank line: '\\n\\n'.join(sections).",
    ],
)
def test_the_sections_stand_in_order(learner, rng):
    """Role, numbered rules, context, date: in this order, one blank line apart."""
    cases = []
    for _ in range(4):
        role, context, *rules = oracles.sentences(rng, int(rng.integers(3, 15)) + 2)
        cases.append((role, rules, context, any_day(rng)))
    role, context, *rules = oracles.sentences(rng, 6)
    cases.append((f"\n {role}\t", [f"  {rule[:8]} \n\t {rule[8:]} " for rule in rules], f"\n{context}\n\n  x \n", None))
    for (role, rules, context, day), got in zip(cases, systems(learner, cases), strict=True):
        want = oracles.system(role, rules, context, day)
        orders = ("today role rules context", "role today rules context", "role context rules today",
                  "role rules today context", "role today context rules")  # fmt: skip
        named = next((w for o in orders if (w := oracles.system(role, rules, context, day, order=o)) == got), None)
        expect.equal(
            got,
            want,
            what=f"the system message with {len(rules)} rules",
            mistakes={"system-sections-out-of-order": named if named != want else None},
        )


@check(
    task="2.1",
    weight=1,
    lesson="01_prompts#system-messages",
    seconds=0.02,
    needs=["test_the_sections_stand_in_order"],
    hints=[
        "What does the model read where there are no rules?",
        "Append a section only when it has something in it; filter blank rules before you number them.",
    ],
)
def test_what_is_empty_leaves_nothing(learner, rng):
    """Empty parts and blank rules leave no header, no tag, no number, no white space."""
    role, context, one, two, three = oracles.sentences(rng, 5)
    day = any_day(rng)
    cases = [
        (role, [], None, None),
        (role, [one], "", None),
        ("", [one, two], context, day),
        (" \n", [], "  \n ", day),
        (role, [], context, None),
        ("", [], "", None),
    ]
    for case, got in zip(cases, systems(learner, cases), strict=True):
        role, rules, context, day = case[0], case[1], case[2] or "", case[3]
        expect.equal(
            got,
            oracles.system(role, rules, context, day),
            what=f"the system message of {case}",
            mistakes={
                "system-empty-section-left": got
                if ("Rules:" in got and not rules) or ("<context>" in got and not context.strip())
                else None,
            },
        )
    case = (case[0], [one, " ", two, "", "\n", three], None, day)
    expect.equal(
        systems(learner, [case])[0],
        oracles.system(*case[:2], "", day),
        what=f"the system message with the rules {case[1]}",
        mistakes={"system-blank-rule-takes-number": oracles.system(*case[:2], "", day, blank_rules_count=True)},
    )
    for wrong in (one, ""):
        info = learner.error("prompts.system_prompt", "a role", wrong)
        expect.error(info, "TypeError", what=f"system_prompt with the rules {wrong!r}, one string")


@check(
    task="2.1",
    weight=1,
    lesson="01_prompts#system-messages",
    seconds=0.02,
    needs=["test_the_sections_stand_in_order"],
    hints=[
        "A document in the context ends with '</context> New rule: ...'. Where does the section end for the model?",
        "Replace the '<' of '</context>' by '&lt;' inside the context, whatever the case of its letters; nothing else.",
    ],
)
def test_the_context_cannot_end_early(learner, rng):
    """A closing tag inside the context is defused; all else in it stays as it is."""
    one, two, three = oracles.sentences(rng, 3)
    harmless = [f"{one}\n\n\n  {two}  \n<b>{three}</b> &lt;", f"<context> {one} </contexts> < / context>"]
    cases = [("role", [], text, None) for text in harmless]
    for text, got in zip(harmless, systems(learner, cases), strict=True):
        expect.equal(got, oracles.system("role", [], text), what="a context without a closing tag")
    for tag in ("</context>", "</CONTEXT>", "</Context>"):
        text = f"{one}\n{tag}\n{two} {tag}{tag} {three}"
        expect.equal(
            systems(learner, [("role", [], text, None)])[0],
            oracles.system("role", [], text),
            what=f"a context that holds {tag}",
            mistakes={"system-context-ends-early": oracles.system("role", [], text, escape=False)},
        )


class Embedder:
    """The judge's embedding model: knows the vectors of some texts, and notes what it was asked."""

    def __init__(self, texts: list[str], vectors: np.ndarray):
        self.rows = dict(zip(texts, vectors, strict=True))
        self.width = vectors.shape[1]
        self.calls: list[list[str]] = []

    def __call__(self, texts) -> np.ndarray:
        """A row for each text; zeros for a text it does not know."""
        asked = [text if isinstance(text, str) else repr(text) for text in texts] if isinstance(texts, list) else [""]
        self.calls.append(asked)
        return np.array([self.rows.get(text, np.zeros(self.width)) for text in asked])


def choose(learner, rng, vectors: np.ndarray, k: int) -> tuple[list, Embedder, dict]:
    """What was chosen among examples with these vectors (the first is the question's)."""
    shots = oracles.shots(rng, len(vectors) - 1)
    embed = Embedder(["What now?", *(user for user, _ in shots)], vectors)
    got = learner.run(probes.choose, question="What now?", examples=shots, k=k, embed=embed)
    return got["places"], embed, got


@check(
    task="2.1",
    weight=3,
    lesson="02_examples#choosing-examples",
    seconds=0.05,
    hints=[
        "Two rows point the same way and one is ten times as long. How similar are they?",
        "Divide the rows by their lengths, multiply by the question's row, sort downwards, keep k, reverse.",
    ],
)
def test_the_most_similar_examples_stand_last(learner, rng):
    """The k examples with the highest cosine are chosen, the most similar next to the question."""
    for count, k in ((3, 2), (8, 3), (20, 7), (30, 12)):
        wrong = {
            "choose-most-similar-first": {"best_first": True},
            "choose-by-dot-product": {"measure": "dot"},
            "choose-by-distance": {"measure": "distance"},
        }
        for _ in range(100):
            vectors = oracles.clear_vectors(rng, count)
            answers = [oracles.chosen(vectors, k), *(oracles.chosen(vectors, k, **how) for how in wrong.values())]
            if len({tuple(answer) for answer in answers}) == len(answers):
                break
        got, embed, all_of_it = choose(learner, rng, vectors, k)
        expect.equal(all_of_it["kind"], "list", what="the type of what choose_examples returned")
        known = set(embed.rows)
        others = [text for call in embed.calls for text in call if text not in known]
        expect.that(
            not others,
            f"embed was given a text that is neither the question nor an example's user text: {others[:1]}",
            mistake="choose-embeds-the-answers",
        )
        expect.equal(
            got,
            answers[0],
            what=f"places of the {k} examples chosen of {count}",
            mistakes=dict(zip(wrong, answers[1:], strict=True)),
        )
        expect.that(all_of_it["given"], "The list of examples that was given has been changed.")


@check(
    task="2.1",
    weight=1,
    lesson="02_examples#choosing-examples",
    seconds=0.02,
    needs=["test_the_most_similar_examples_stand_last"],
    hints=[
        "How many forward passes does a model take for a hundred texts, one at a time and all together?",
        "One call: embed([question, *(example.user for example in examples)]). None when there is nothing to choose.",
    ],
)
def test_one_call_embeds_all(learner, rng):
    """embed is called once with all texts, and not at all when there is nothing to choose."""
    count = int(rng.integers(5, 12))
    _, embed, _ = choose(learner, rng, oracles.clear_vectors(rng, count), 3)
    expect.that(
        len(embed.calls) == 1,
        f"embed was called {len(embed.calls)} times for {count} examples; once is enough.",
        mistake="choose-embeds-one-by-one",
    )
    for size, k in ((4, 0), (0, 3), (0, 0)):
        got, embed, _ = choose(learner, rng, rng.normal(size=(size + 1, 3)), k)
        expect.equal(got, [], what=f"{k} examples of {size}")
        expect.equal(len(embed.calls), 0, what=f"calls of embed for {k} examples of {size}")


@check(
    task="2.1",
    weight=2,
    lesson="02_examples#choosing-examples",
    seconds=0.03,
    needs=["test_the_most_similar_examples_stand_last"],
    hints=[
        "What is 0 / 0 in NumPy, and where does it end up in a sort? What does a stable sort do with equal keys?",
        "np.divide(vectors, lengths, where=lengths > 0, out=zeros); sort by (-similarity, place), then reverse.",
    ],
)
def test_ties_zeros_and_limits(learner, rng):
    """Equal similarities go by position, rows of zeros count as 0, short rows are no shorter in angle, k has limits."""
    # Exact in floating point: the question is an axis, and 3-4-5 triangles lie around it.
    tied = np.array([[2, 0, 0], [3, 4, 0], [3, 0, 4], [-3, 4, 0], [3, -4, 0], [6, 0, 8], [3, 0, -4]], dtype=float)
    order = rng.permutation(np.arange(1, 7))
    vectors = tied[[0, *order]]
    for k, kind in itertools.product((2, 3, 4, 6), (float, int)):
        got, _, _ = choose(learner, rng, vectors.astype(kind), k)
        expect.equal(
            got,
            oracles.chosen(vectors, k),
            what=f"places of the {k} chosen of 6, five of them equally similar, with rows of {kind.__name__}s",
            mistakes={"choose-later-wins-ties": oracles.chosen(vectors, k, later_wins=True)},
        )
    zeros = np.array([[1, 0], [0, 0], [4, 3], [-4, 3], [0, 0], [3, 4], [-3, 4]], dtype=float)
    vectors = zeros[[0, *rng.permutation(np.arange(1, 7))]]
    for k in (3, 5):
        expect.equal(choose(learner, rng, vectors, k)[0], oracles.chosen(vectors, k), what="places with rows of zeros")
    vectors[0] = 0
    got = choose(learner, rng, vectors, 3)[0]
    expect.equal(got, oracles.chosen(vectors, 3), what="places when the question's row is all zeros")
    for _ in range(100):  # until an epsilon beside the lengths makes a difference
        small = oracles.clear_vectors(rng, 8) * np.exp(rng.uniform(-23, -14, size=(9, 1)))
        lengths = np.linalg.norm(small[1:], axis=1)
        damped = np.array(oracles.similarities(small)) * lengths / (lengths + 1e-8)
        if np.argsort(-damped)[:4][::-1].tolist() != oracles.chosen(small, 4):
            break
    expect.equal(choose(learner, rng, small, 4)[0], oracles.chosen(small, 4), what="places with very short rows")
    for k in (3, 4, 50):
        vectors = oracles.clear_vectors(rng, 3)
        expect.equal(choose(learner, rng, vectors, k)[0], oracles.chosen(vectors, k), what=f"{k} examples of 3")
    info = learner.run_error(probes.choose, question="?", examples=[["a", "b"]], k=-1, embed=lambda texts: vectors[:2])
    expect.error(info, "ValueError", what="choose_examples with k = -1")


class Counter:
    """The judge's tokenizer, which notes what it was asked."""

    def __init__(self):
        self.calls: list[tuple] = []

    def __call__(self, system=None, messages=None, *_) -> int:
        """How many tokens a request takes."""
        whole = isinstance(messages, list) and all(isinstance(message, dict) for message in messages)
        self.calls.append((system, messages if whole else None))
        return oracles.count(system, messages) if whole else 10**9


def assembled(learner, system, examples, history, question, budget) -> tuple[dict, Counter]:
    """The prompt as data, with the plain facts about it checked."""
    counter = Counter()
    got = learner.run(
        probes.assemble,
        system=system,
        examples=examples,
        history=copy.deepcopy(history),
        question=question,
        budget=budget,
        count=counter,
    )
    expect.that(got["kind"] is True, "assemble must return a Prompt.")
    expect.equal(got["system"], system, what="the system message of the prompt")
    expect.type(got["messages"], list, what="the prompt's messages")
    return got, counter


@check(
    task="2.1",
    weight=1,
    lesson="02_examples#budget",
    seconds=0.03,
    hints=[
        "Which of the turns does the model read last, and which should it?",
        "Two messages an example, then `history` as it is, then {'role': 'user', 'content': question}.",
    ],
)
def test_examples_history_question(learner, rng):
    """With room for all: the examples as turns, the history, the question, and nothing that was given is changed."""
    for shots, talks in ((2, [0, 0]), (0, [0]), (3, []), (0, []), (1, [1, 0])):
        examples, history, question = oracles.shots(rng, shots), oracles.talk(rng, talks), oracles.sentence(rng)
        got, _ = assembled(learner, "Be brief.", examples, history, question, 10**6)
        want = oracles.levels(examples, history, question)[0]
        late = [*history, *(m for pair in oracles.turns(examples) for m in pair), want[-1]]
        expect.equal(
            got["messages"],
            want,
            what=f"messages with {shots} examples and {len(talks)} exchanges",
            mistakes={"assemble-history-before-examples": late if late != want else None},
        )
        expect.that(got["given"], "The examples or the history that were given have been changed.")
        expect.that(got["new"], "`messages` is the very list that was given as history; make a new one.")


@check(
    task="2.1",
    weight=4,
    lesson="02_examples#budget",
    seconds=0.06,
    needs=["test_examples_history_question"],
    hints=[
        "Say it is ten tokens too long. Which is the one piece that will be missed least?",
        "Put all pieces in the order in which they go, and drop from the front until count(...) <= budget.",
    ],
)
def test_the_least_needed_goes_first(learner, rng):
    """Over budget, examples go from the least similar on, then exchanges from the oldest on, no more than it takes."""
    for shots, talks in ((3, 3), (4, 2), (2, 4)):
        examples, history = oracles.shots(rng, shots), oracles.talk(rng, [0] * talks)
        question, system = oracles.sentence(rng), "Be brief. " * int(rng.integers(1, 9))
        levels = oracles.levels(examples, history, question)
        for drop in range(1, len(levels)):
            size, before = oracles.count(system, levels[drop]), oracles.count(system, levels[drop - 1])
            for budget in (size, int(rng.integers(size, before)), before - 1):
                got, _ = assembled(learner, system, examples, history, question, budget)

                def other(budget=budget, system=system, parts=(examples, history, question), **how):
                    return oracles.fitting(system, oracles.levels(*parts, **how), budget)

                expect.equal(
                    got["messages"],
                    levels[drop],
                    what=f"messages of {shots} examples, {talks} exchanges, {budget} tokens ({before} would be all but "
                    f"{drop - 1} pieces)",
                    mistakes={
                        "assemble-drops-the-most-similar": lambda other=other: other(last_example_first=True),
                        "assemble-drops-history-first": lambda other=other: other(order="history examples"),
                        "assemble-drops-the-newest-exchange": lambda other=other: other(newest_first=True),
                        "assemble-drops-all-examples-at-once": lambda other=other: other(at_once=True),
                        "assemble-refuses-an-exact-fit": lambda: oracles.fitting(
                            system,
                            levels,
                            budget,
                            strictly=True,
                        ),
                    },
                )


@check(
    task="2.1",
    weight=2,
    lesson="02_examples#budget",
    seconds=0.04,
    needs=["test_the_least_needed_goes_first"],
    hints=[
        "What does the API say to a tool_result whose tool_use is no longer in the conversation?",
        "A user message that holds a tool_result block continues its exchange; cut the history only before the others.",
    ],
)
def test_a_call_stays_with_its_result(learner, rng):
    """An exchange with tool calls goes as a whole, or stays as a whole."""
    for talks in ([1, 0], [2, 1, 0], [0, 3, 1], [1, 1, 1], [0, 0, 0]):
        examples, history = oracles.shots(rng, int(rng.integers(0, 2))), oracles.talk(rng, talks, blocks=True)
        question = oracles.sentence(rng)
        levels = oracles.levels(examples, history, question)
        for drop in range(len(examples) + 1, len(levels)):
            size, before = oracles.count("", levels[drop]), oracles.count("", levels[drop - 1])
            budget = int(rng.integers(size, before))
            got, _ = assembled(learner, "", examples, history, question, budget)
            in_pairs = oracles.levels(examples, history, question, cut=oracles.pairs)
            one_by_one = oracles.levels(examples, history, question, cut=lambda h: [[m] for m in h])
            torn = [oracles.fitting("", cut, budget) for cut in (in_pairs, one_by_one)]
            expect.equal(
                got["messages"],
                levels[drop],
                what=f"messages with {talks} tool calls in the exchanges",
                mistakes={"assemble-parts-call-and-result": got["messages"] if got["messages"] in torn else None},
            )


@check(
    task="2.1",
    weight=2,
    lesson="02_examples#budget",
    seconds=0.04,
    needs=["test_examples_history_question"],
    hints=[
        "What is left when everything that may go has gone, and it is still too long?",
        "Count at most once for each piece and once more; raise PromptTooLong with both numbers when nothing is left.",
    ],
)
def test_what_cannot_fit_is_refused(learner, rng):
    """Too long at the minimum raises PromptTooLong with both numbers; a broken history raises; counting is rare."""
    shots, talks = int(rng.integers(3, 8)), int(rng.integers(2, 6))
    examples, history = oracles.shots(rng, shots), oracles.talk(rng, [0] * talks)
    question, system = oracles.sentence(rng), "Be exact. " * 12
    levels = oracles.levels(examples, history, question)
    need = oracles.count(system, levels[-1])
    parts = {"system": system, "examples": examples, "question": question}
    got, counter = assembled(learner, system, examples, history, question, need)
    expect.equal(got["messages"], levels[-1], what=f"messages when {need} tokens are just enough for the question")
    most = shots + talks + 1
    expect.that(
        1 <= len(counter.calls) <= most,
        f"count was called {len(counter.calls)} times for {shots} examples and {talks} exchanges; {most} are enough.",
    )
    strange = [call for call in counter.calls if call[0] != system or call[1] not in levels]
    expect.that(
        not strange,
        f"count was asked about something else than the system message with the messages of a prompt: "
        f"{expect.show(strange[0] if strange else None)}",
    )
    for budget in (need - 1, 0):
        counter = Counter()
        info = learner.run_error(probes.assemble, **parts, history=history, budget=budget, count=counter)
        expect.error(info, "PromptTooLong", what=f"a budget of {budget} where {need} tokens are needed")
        for number in (need, budget):
            expect.error(info, "PromptTooLong", mentions=str(number), what="the text of PromptTooLong")
        expect.that(
            len(counter.calls) <= most,
            f"count was called {len(counter.calls)} times before PromptTooLong, for {shots} examples and {talks} "
            f"exchanges; {most} are enough.",
        )
    user, assistant = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
    tool = oracles.talk(rng, [1])[1:]
    broken = {
        "begins with the assistant": [assistant, user],
        "ends with the user": [user, assistant, user],
        "has two user messages in a row": [user, user, assistant, assistant],
        "has two answers in a row": [user, assistant, assistant, user],
        "begins with a tool's result": tool[1:],
    }
    for how, wrong in broken.items():
        for budget in (10**6, need + 9):
            info = learner.run_error(probes.assemble, **parts, history=wrong, budget=budget, count=Counter())
            expect.error(info, "ValueError", what=f"a history that {how}")
            expect.that("PromptTooLong" not in info.bases, f"A history that {how} is no PromptTooLong: a ValueError.")

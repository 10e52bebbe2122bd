"""Training conversations as trees of tokens: a list of tools, and under it requests that do not see one another.

What the tools' list costs is paid once for all requests under it, so that a step of the same length shows the model
four times as many requests. The encoding is the one that `roadmap.llm.prompting` uses when the model answers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from roadmap.llm import bridge
from roadmap.llm.prompting import DEFAULT_SYSTEM, IM_END, Turn, encode

from . import answers, requests
from .requests import Asked, Kind

Tokenize = Callable[[str], list[int]]
_DECISION_TOKENS, _DECISION_WEIGHT = 8, 2.5  # the first tokens of a call say which tool, or none
_REQUEST_WEIGHT = 0.25  # of a request's own tokens, where one tool is shown: what the channel's score reads
_SYSTEMS = [
    "You are a helpful assistant.", "Answer briefly.", "You are a command-line assistant. Use the tools.",
    "Be polite and truthful.", "Today is 2025-03-14.", "Use tools for facts that you cannot know.",
    "You answer with the numbers that tools return.", "Cite the source of what you report.",
]  # fmt: skip


@dataclass(frozen=True)
class Branch:
    """Tokens that continue a trunk, each with its weight in the loss; 0 is not learnt."""

    ids: list[int]
    weights: list[float]


@dataclass(frozen=True)
class Tree:
    """A trunk, and the branches that each continue it alone."""

    trunk: list[int]
    branches: list[Branch]

    @property
    def length(self) -> int:
        """Tokens in all."""
        return len(self.trunk) + sum(len(branch.ids) for branch in self.branches)


class Grower:
    """Draws trees from the templates. Equal seeds grow equal trees."""

    def __init__(self, tokenize: Tokenize, seed: int):
        self._tokenize = tokenize
        self._rng = random.Random(seed)
        self._kinds = requests.kinds()
        self._talk = requests.talk()
        self._domains: dict[str, list[Kind]] = {}
        for kind in self._kinds.values():
            self._domains.setdefault(kind.domain, []).append(kind)

    def tree(self) -> Tree:
        """A list of tools with requests, one tool with requests, or conversations that end in an answer."""
        kind = self._rng.random()
        if kind < 0.16:
            return self._answers()
        return self._single() if kind < 0.36 else self._several()

    def _several(self) -> Tree:
        rng = self._rng
        chosen = self._choose()
        shown = requests.show(chosen, rng)
        trunk = self._trunk(shown, rng.choice(_SYSTEMS) if rng.random() < 0.35 else "", rng.random() < 0.12, chosen)
        return Tree(trunk, [self._branch(shown, self._asked(chosen), 0.0) for _ in range(rng.randint(6, 8))])

    def _single(self) -> Tree:
        """One tool alone: the requests for it are learnt too, as the channel score reads them."""
        rng = self._rng
        kind = self._pick()
        shown = requests.show([kind], rng)
        branches = []
        for _ in range(rng.randint(6, 8)):
            asked = self._asked([kind])
            branches.append(self._branch(shown, asked, _REQUEST_WEIGHT if asked.calls else 0.0))
        return Tree(self._trunk(shown, "", False, [kind]), branches)

    def _answers(self) -> Tree:
        rng = self._rng
        system = DEFAULT_SYSTEM if rng.random() < 0.6 else rng.choice(_SYSTEMS)
        branches = []
        for _ in range(rng.randint(4, 6)):
            done = answers.draw(rng)
            turns = [
                Turn("user", done.question),
                Turn("assistant", json.dumps(done.calls, ensure_ascii=False)),
                Turn("user", "\n".join(done.results)),
                Turn("assistant", "", closed=False),
            ]
            before = encode(turns, self._tokenize)
            after = [*self._tokenize(done.answer), IM_END]
            branches.append(Branch(before + after, [0.0] * len(before) + [1.0] * len(after)))
        return Tree(encode([Turn("system", system)], self._tokenize), branches)

    def _trunk(self, shown: requests.Shown, system: str, history: bool, chosen: Sequence[Kind]) -> list[int]:
        told = bridge.told(list(shown.tools))
        turns = [Turn("system", "\n\n".join(filter(None, [system, told])))]
        if history:
            rng = self._rng
            asked = requests.ask(rng.choice(chosen), rng)
            done = answers.draw(rng)
            turns += [
                Turn("user", asked.words),
                Turn("assistant", json.dumps(shown.calls(asked), ensure_ascii=False)),
                Turn("user", "\n".join(done.results[:1])),
                Turn("assistant", done.answer),
            ]
        return encode(turns, self._tokenize)

    def _branch(self, shown: requests.Shown, asked: Asked, request_weight: float) -> Branch:
        request = encode([Turn("user", asked.words)], self._tokenize)
        opening = len(encode([Turn("user", "", closed=False)], self._tokenize))
        weights = [0.0] * opening + [request_weight] * (len(request) - opening)
        begin = encode([Turn("assistant", "", closed=False)], self._tokenize)
        answer = [*self._tokenize(json.dumps(shown.calls(asked), ensure_ascii=False)), IM_END]
        decided = [_DECISION_WEIGHT if place < _DECISION_TOKENS else 1.0 for place in range(len(answer))]
        return Branch(request + begin + answer, weights + [0.0] * len(begin) + decided)

    def _pick(self) -> Kind:
        """Any tool; the five that are taught by name come more often."""
        rng = self._rng
        if rng.random() < 0.2:
            return self._kinds[rng.choice(requests.TAUGHT)]
        return rng.choice(list(self._kinds.values()))

    def _choose(self) -> list[Kind]:
        """The tools of one list, half of the time several of one domain."""
        rng = self._rng
        if rng.random() < 0.14:
            chosen = [self._kinds[key] for key in requests.TAUGHT]
            chosen = chosen if rng.random() < 0.6 else rng.sample(chosen, rng.randint(2, 4))
        else:
            first = self._pick()
            near = [kind for kind in self._domains[first.domain] if kind is not first]
            chosen = [first]
            for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4])):
                other = rng.choice(near) if near and rng.random() < 0.5 else self._pick()
                if other not in chosen:
                    chosen.append(other)
        rng.shuffle(chosen)
        return chosen

    def _asked(self, chosen: Sequence[Kind]) -> Asked:
        """A request under a list: for one of its tools, for two, for a tool that is not there, or talk."""
        rng = self._rng
        draw = rng.random()
        if draw < 0.15:
            return requests.say(rng.choice(self._talk), rng)
        if draw < 0.33:
            return Asked(self._absent(chosen).words)
        kind = rng.choice(list(chosen))
        if draw < 0.43:
            twice = requests.ask_twice(kind, rng) if rng.random() < 0.6 else None
            if twice is not None:
                return twice
            other = rng.choice(list(chosen))
            if other is not kind:
                return requests.joined(requests.ask(kind, rng), requests.ask(other, rng), rng)
        return requests.ask(kind, rng)

    def _absent(self, chosen: Sequence[Kind]) -> Asked:
        rng = self._rng
        while True:
            near = [kind for kind in self._domains[rng.choice(list(chosen)).domain] if kind not in chosen]
            kind = rng.choice(near) if near and rng.random() < 0.6 else self._pick()
            if kind not in chosen:
                return requests.ask(kind, rng)

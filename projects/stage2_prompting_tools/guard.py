"""Task 2.8: a guard for untrusted text: clean it, mark it as data, and judge whether it carries instructions.

What a tool returns, what a page or a document says, was written by somebody. `sanitise` takes away what a person cannot
see, `quote` says where data begins and ends, and `Guard` estimates how likely a text is to be an injection. A guard is
judged by two rates at once: the injections it misses and the harmless texts it stops. A list of keywords does well on
the first and badly on the second, since people do ask about prompts, instructions and what to ignore.

None of the three is a wall. What a tool may do is decided in `policy`.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

# --- given: sizes and lists -----------------------------------------------------------------------------------------

CUT = "\n[cut]"  # ends a text that was longer than the limit
JOINERS = "\u200c\u200d"  # zero-width non-joiner and joiner: Persian and Indic spelling, emoji sequences
# Format characters that a reader does see: Arabic, Syriac and Kaithi number and abbreviation signs.
VISIBLE = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
# Marks that chat templates put between turns; any <|word|> is one, too.
MARKS = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>")
VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())  # elements without content

SIZE = 4096  # the length of a feature vector
CHARACTERS = (2, 3, 4, 5)  # lengths of character n-grams
WORDS = (1, 2, 3)  # lengths of word n-grams
L2 = 1e-3  # the strength of the regularisation
FOLDS = 4  # for scores of texts that the model was not trained on


def slot(kind: str, gram: str) -> int:
    """The place of an n-gram in the feature vector; `kind` is "c" for characters and "w" for words."""
    return zlib.crc32(f"{kind}:{gram}".encode("utf-8", "replace")) % SIZE


_TAG = re.compile(r"<(/?)([a-z][a-z0-9-]*)([^>]*)>", re.IGNORECASE)
_HIDING = re.compile(r"\shidden(?=[\s=/]|$)|display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def tags(text: str) -> Iterator[re.Match[str]]:
    """The HTML tags of a text, from left to right. Groups: "/" in a closing tag, the name, everything up to `>`."""
    # No further than the last ">": with none ahead, every "<a" would be searched to the end of the text.
    return _TAG.finditer(text, 0, text.rfind(">") + 1)


def hides(tag: re.Match[str]) -> bool:
    """Whether an opening tag hides its element: by its name, an attribute `hidden`, or its style."""
    return tag[2].lower() in ("script", "style", "template") or _HIDING.search(tag[3]) is not None


# --- sanitise and quote ---------------------------------------------------------------------------------------------


def sanitise(text: str, *, limit: int = 20_000) -> str:
    """Text without what a reader does not see, at most `limit` characters long.

    In this order:
    1. Unicode normalisation form NFKC: full-width and other look-alike forms become plain characters.
    2. Line ends: CR LF, CR, U+0085, U+2028 and U+2029 become a line feed.
    3. Invisible characters go without a trace: all of the Unicode categories Cc (but line feed and tab), Cf, Cs and Co,
       and the variation selectors U+FE00 to U+FE0D and U+E0100 to U+E01EF. With them go zero-width and bidirectional
       controls and tag characters. Kept are the characters of `VISIBLE`, and a single one of `JOINERS` that stands,
       once the others are gone, between two characters above U+02FF (in a run of joiners all go). Then NFKC again:
       what an invisible character kept apart may now combine. Where that changed the text, a joiner may have lost its
       neighbour to another character: joiners and NFKC once more, until nothing changes.
    4. HTML comments, from `<!--` to the next `-->` or to the end of the text.
    5. Marks of chat templates: `MARKS` in any case, and `<|word|>`, where word is 1 to 40 characters other than
       `<`, `>`, `|` and white space.
    6. Hidden HTML elements. Going through `tags` from left to right: an opening tag that `hides` goes, with all that
       follows up to and with the closing tag of its name that balances it (opening tags of that name on the way count),
       or up to the end of the text. Elements in `VOID` have no content: the tag alone goes. Names in any case.
    7. A text longer than `limit` is cut, and ends with `CUT`: `limit` characters in all (fewer where a joiner would
       stand before `CUT`: it goes).

    What 4 to 6 take away leaves one space in its place: if it left nothing, the text around it could close up to a new
    comment, mark or tag. Sanitising twice gives the same as once. The time is in proportion to the length of the text,
    whatever it holds: whoever writes it must not choose how long you wait. (Python's `normalize` is an exception that
    you need not mend: it takes the square of the length of a run of combining marks, 0.2 s for 20,000 of them. Callers
    that limit what they pass on, as the registry does, limit that.)

    Text in any language that is in NFKC, has no invisible characters and no such markup comes back as it is: no other
    character, no space and no line is touched. Known costs: right-to-left marks, soft hyphens and the flags of
    England, Scotland and Wales (tag sequences) lose their invisible part; NFKC makes `m²` into `m2` and full-width
    punctuation, common in Chinese and Japanese, into its plain form.

    Raises ValueError when `limit` is below the length of `CUT`.
    """
    raise NotImplementedError("task 2.8: sanitise")


def quote(text: str, source: str, *, draw: Callable[[int], str] = secrets.token_hex) -> str:
    """Untrusted text between two lines that nobody could foresee, with a line that says what it is ("spotlighting").

    Four parts, joined by line feeds: a sentence of one line that names the source and says that what stands between the
    marks is data and holds no instructions; the mark; `text` as it is; the mark again.

    - The mark is `"DATA-"` and `draw(16)`: 32 hexadecimal digits. Whoever writes the text cannot foresee them, and so
      cannot close the quotation. While the mark occurs in the text or in the source, another one is drawn. What
      Python's `random` will draw can be predicted from what it drew before: it is no source for this.
    - `source` is untrusted, too (a file's name, a page's title): every run of white space and control characters in it
      becomes one space, and of more than 200 characters the first 200 are kept, so that it stays one line.

    Hines et al., Defending Against Indirect Prompt Injection Attacks With Spotlighting, 2024 (arXiv:2403.14720).
    """
    raise NotImplementedError("task 2.8: quote")


# --- the classifier -------------------------------------------------------------------------------------------------


def features(text: str) -> np.ndarray:
    """The text as a vector of hashed n-grams: float64, shape (SIZE,), of length 1.

    The text is brought to NFKC and case-folded, and its runs of white space become single spaces, none at the ends.
    - Characters: every n-gram of " " + text + " " for each n in `CHARACTERS`, kind "c".
    - Words: the words are the text split at spaces; every n-gram, joined by spaces, for each n in `WORDS`, kind "w".
    An n-gram that occurs k times adds 1 + ln k to its `slot`; different n-grams in one slot add up. The vector is then
    divided by its Euclidean length. A text without words gives zeros.
    """
    raise NotImplementedError("task 2.8: features")


def loss_and_gradient(
    weights: np.ndarray, bias: float, x: np.ndarray, y: np.ndarray, l2: float
) -> tuple[float, np.ndarray, float]:
    """Regularised logistic loss, and its gradient with respect to the weights and the bias.

    Shapes: weights (d,), x (n, d), y (n,) of 0 and 1. With z = x @ weights + bias and p = 1 / (1 + exp(-z)):

        loss = mean over the n texts of -(y ln p + (1 - y) ln(1 - p))  +  l2 / 2 * sum of weights ** 2

    The bias is not regularised: how common injections are is not a thing to shrink. Finite for any finite z (logits of
    1000 and more, too): ln p is never taken of a p that was rounded to 0. Returns (float, array (d,), float).
    """
    raise NotImplementedError("task 2.8: loss_and_gradient")


def choose_threshold(scores: Sequence[float], labels: Sequence[int], max_false_alarms: float) -> float:
    """A threshold that misses as few injections as the allowed false alarms permit.

    A text is stopped when its score is at or above the threshold; labels are 1 for injections and 0 for harmless texts.
    Of all thresholds at which at most the share `max_false_alarms` of the harmless texts is stopped, the result is one
    at which the fewest injections are missed; it may lie above every score. Where several are as good, any will do
    (halfway between two neighbouring scores is the safest).

    Raises ValueError when one of the two labels does not occur, when the lengths differ, or when `max_false_alarms` is
    not within [0, 1].
    """
    raise NotImplementedError("task 2.8: choose_threshold")


class Guard:
    """Logistic regression on hashed n-grams. After `fit`: `weights`, `bias` and `threshold`."""

    weights: np.ndarray
    bias: float
    threshold: float

    def fit(
        self, texts: Sequence[str], labels: Sequence[int], *, seed: int = 0, max_false_alarms: float = 0.05
    ) -> None:
        """Learn from texts labelled 1 (injection) or 0 (harmless), and choose the threshold.

        - The weights minimise `loss_and_gradient` with `L2` over all texts, nearly: no component of the gradient, the
          bias's included, is above 1e-3 in size. How you get there is up to you. (On hidden texts the guard still gets
          better up to 1e-4.)
        - `threshold` comes from `choose_threshold` on scores of texts that their model was not trained on: the texts
          are dealt into `FOLDS` folds in a random order, in proportion to their labels, and each fold is scored by a
          model trained on the others. On its own training texts a model is nearly always right, and the threshold
          would let far too much be stopped. With fewer than `FOLDS` texts of a kind there are as many folds as those.
        - The same texts, labels and seed give the same model, bit for bit; NumPy's and Python's global random states
          are left alone. A second `fit` starts anew.

        Fitted on `guard_examples`, the guard is measured on texts that you do not see, at the default false alarms: at
        most 15 of 100 injections may pass it, and at most 15 of 100 harmless texts may be stopped. That fit takes one
        to two seconds on one core.

        Raises ValueError for labels other than 0 and 1, lengths that differ, or fewer than two texts of either kind.
        """
        raise NotImplementedError("task 2.8: Guard.fit")

    def score(self, text: str) -> float:
        """How likely the text is to be an injection: a float from 0 to 1, the sigmoid of weights and bias.

        Before `fit`, RuntimeError.
        """
        raise NotImplementedError("task 2.8: Guard.score")

    def stops(self, text: str) -> bool:
        """Whether the text is to be stopped: its score reaches the threshold."""
        return self.score(text) >= self.threshold

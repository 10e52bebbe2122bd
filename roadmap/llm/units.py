"""Units of measurement: which one an argument takes, and what a request says in it.

"150 kg" is no temperature, "12.75 kg of Zamak 5" are 12.75 kilograms, and two hours are 120 minutes.
"""

from __future__ import annotations

import itertools
import re

# Units of several words, as one: their spellings in lower case are turned into the word that stands in the lines below.
_COMPOUND = tuple(
    (re.compile(spelled), f" {word} ")
    for spelled, word in (
        (r"\b(?:square met(?:re|er)s?|sq\.? ?m)\b|(?<![a-z])m²|(?<![a-z])m2\b", "sqm"),
        (r"\bsquare (?:feet|foot)\b|\bsq\.? ?ft\b|\bft²", "sqft"),
        (r"\b(?:cubic met(?:re|er)s?|cu\.? ?m)\b|(?<![a-z])m³|(?<![a-z])m3\b", "cbm"),
        (r"\bmet(?:re|er)s? (?:per|a) second\b|(?<![a-z])m ?/ ?s\b", "mps"),
        (r"\bkilomet(?:re|er)s? (?:per|an) hour\b|\bkm ?/ ?h\b|\bkph\b", "kmh"),
        (r"\bmiles (?:per|an) hour\b", "mph"),
    )
)
# Each unit's spellings, in lower case; those of a line measure the same, and the figure is how many of its first.
_LINES: tuple[dict[str, float], ...] = (
    {
        "seconds second secs sec s": 1,
        "minutes minute mins min": 60,
        "hours hour hrs hr h": 3600,
        "days day": 86_400,
        "weeks week wks wk": 604_800,
    },
    {"months month": 1, "years year yrs yr": 12},
    {"nights night": 1},
    {"grams gram grammes g": 1, "kilograms kilogram kilos kilo kgs kg": 1000, "tonnes tonne tons ton": 1_000_000},
    {"ounces ounce oz": 1, "lbs lb": 16},
    {
        "millimetres millimeters millimetre millimeter mm": 1,
        "centimetres centimeters centimetre centimeter cm": 10,
        "metres meters metre meter m": 1000,
        "kilometres kilometers kilometre kilometer kms km": 1_000_000,
    },
    {"inches inch": 1, "feet foot ft": 12, "yards yard": 36, "miles mile": 63_360},
    {
        "millilitres milliliters millilitre milliliter ml": 1,
        "centilitres centiliters cl": 10,
        "litres liters litre liter l": 1000,
    },
    {"pints pint": 1, "gallons gallon": 8},
    {"sqm": 1, "hectares hectare ha": 10_000},
    {"sqft": 1},
    {"cbm": 1},
    {"mps": 1},
    {"kmh": 1},
    {"mph": 1},
    {"hertz hz": 1, "kilohertz khz": 1000},
    {"kelvins kelvin k": 1},
    {"celsius centigrade": 1},
    {"fahrenheit": 1},
    {"percent %": 1},
    {"watts watt w": 1, "kilowatts kilowatt kw": 1000},
    {"volts volt v": 1},
    {"euros euro eur €": 1},
    {"dollars dollar usd $": 1},
)
# Of each unit, by its first spelling: its line, and how many of the line's first it is.
_SIZES = {way.split()[0]: (line, size) for line, units in enumerate(_LINES) for way, size in units.items()}
_UNITS = {spelled: way.split()[0] for units in _LINES for way in units for spelled in way.split()}
_SHORT = frozenset(
    "kg km cm mm cl ml oz kw eur usd feet celsius centigrade fahrenheit percent sqm sqft cbm mps kmh mph hertz hz khz "
    "kelvin".split()
)
MONEY = frozenset({"euros", "dollars"})
DEGREES = frozenset({"celsius", "fahrenheit"})
SIGNS = "€$"  # stand before the number


def plain(text: str) -> str:
    """A text in lower case with units of several words, and signs like m², as one word each."""
    low = text.lower()
    for spelled, word in _COMPOUND:
        low = spelled.sub(word, low)
    return low


def unit(word: str, following: str) -> frozenset[str]:
    """The unit that a word after a number is, in lower case; both kinds of degrees where the next does not say."""
    if word in ("°", "degree", "degrees"):
        return {"c": frozenset({"celsius"}), "f": frozenset({"fahrenheit"})}.get(following[:1], DEGREES)
    return frozenset({_UNITS[word]}) if word in _UNITS else frozenset()


def wanted(says: str) -> frozenset[str]:
    """The units that an argument takes by its name or description: in the plural, as "in minutes", or short."""
    words = re.findall(r"[a-z]+", plain(says))
    return frozenset(
        _UNITS[word] for word in words if word in _SHORT or (word in _UNITS and len(word) > 3 and word.endswith("s"))
    )


def converted(value: float, said: frozenset[str], into: frozenset[str]) -> float | None:
    """What a value said in one of some units is in one of others; None where they do not measure the same."""
    if said & into:
        return value
    for one, other in itertools.product(said, into):
        (line, size), (other_line, other_size) = _SIZES[one], _SIZES[other]
        if line == other_line:
            return round(value * size / other_size, 6)
    return None

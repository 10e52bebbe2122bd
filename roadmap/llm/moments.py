"""Days and times of day as people say them: in digits and in words."""

from __future__ import annotations

import re

from . import figures

_MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sep sept|october oct|"
        "november nov|december dec".split("|"),
        1,
    )
    for name in names.split()
}
_MONTH = "|".join(_MONTHS)
_SOME_DAY = re.compile(
    rf"\b(?:to(?:day|night|morrow)|yesterday|tmrw|now|asap|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|week(?:end)?s?|"
    rf"days?|months?|years?|birthday|christmas|easter|new year|{_MONTH})\b",
    re.IGNORECASE,
)
_SOME_TIME = re.compile(
    r"\b(?:now|asap|morning|noon|midday|midnight|afternoon|evening|night|tonight|breakfast|sun(?:rise|set)|dawn|dusk|"
    r"hours?|minutes?|\d{1,2}|o'?clock)\b",
    re.IGNORECASE,
)
_ORDINALS = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
        "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third "
        "twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth "
        "thirty-first".split(),
        1,
    )
}
_ORDINAL = "|".join(sorted(_ORDINALS, key=len, reverse=True))
_SPOKEN_DAY = re.compile(  # "the fifth of November", "November the fifth"
    rf"\b({_ORDINAL})(?= (?:of )?(?:{_MONTH})\b)|(?<=\b)((?:{_MONTH}) )(?:the )?({_ORDINAL})\b", re.IGNORECASE
)
_SPOKEN_DATE = re.compile(
    rf"\b(?:{_ORDINAL}) (?:of )?(?:{_MONTH}),? \d{{4}}\b|\b(?:{_MONTH}) (?:the )?(?:{_ORDINAL}),? \d{{4}}\b",
    re.IGNORECASE,
)
_ISO = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\.?,? (\d{{4}})\b", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})\b", re.IGNORECASE)
_SLASHED = re.compile(r"\b(\d{4})/(\d{1,2})/(\d{1,2})\b")
_DOTTED = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b")
_DATES = (_ISO, _DAY_FIRST, _MONTH_FIRST, _SLASHED, _DOTTED)
_CLOCK = re.compile(r"\b(\d{1,2})(?:[:.h](\d{2}))?\s?([ap])\.?m\b\.?|\b(\d{1,2})[:.h](\d{2})\b", re.IGNORECASE)
_MIDDLES = {"noon": 720, "midday": 720, "midnight": 0}  # minutes of the day
_HOUR = rf"(?:\d{{1,2}}|{'|'.join([*list(figures.ONES)[1:13], *_MIDDLES])})"
_SAID_HALF = r"(?= (?:in the (?:morning|afternoon|evening)|at night)\b)"
_PAST = r"(?:half|quarter|five|ten|twenty|twenty-five|5|10|20|25)(?: minutes)?"
TIMES = re.compile(  # what else stands in digits or words for a day or a time of day
    r"\b\d{1,2}:\d{2}\b|\b\d{1,2}(?::\d{2})?\s?[ap]\.?m\b\.?|"
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTH})\b|\b(?:{_MONTH})\.? \d{{1,2}}(?:st|nd|rd|th)?\b|"
    rf"\b{_PAST} past {_HOUR}\b|\bquarter to {_HOUR}\b|\b{_HOUR} o'?clock\b|\b{_HOUR}{_SAID_HALF}",
    re.IGNORECASE,
)
_SPOKEN_CLOCK = re.compile(
    rf"\b({_PAST}) past ({_HOUR})\b|"
    rf"\b(quarter|(?<=\bat )(?:{_PAST})|(?<=\bby )(?:{_PAST})) to ({_HOUR})\b|\b({_HOUR}) o'?clock\b|"
    rf"(?<![\d:.])\b({_HOUR}){_SAID_HALF}",
    re.IGNORECASE,
)
_HALF = re.compile(
    r"\W+(?:in the |this |at |tomorrow |on \w+ )?(?:(morning)|afternoon|evening|(?<=at )night)\b", re.IGNORECASE
)
_BARE_CLOCK = re.compile(
    r"\b(?:at|by|before|after|from|until|till|around|about) "
    rf"({_HOUR})\b(?!\s?[ap]\.?m\b|[:.]?\d| past )",
    re.IGNORECASE,
)


def dates(text: str) -> list[str]:
    """The days that are said in full, YYYY-MM-DD."""
    found: dict[str, None] = {}
    text = _days_in_figures(text)
    for iso in _ISO.findall(text):
        found[iso] = None
    for day, month, year in _DAY_FIRST.findall(text):
        _add_date(found, year, _MONTHS.get(month.lower()), day)
    for month, day, year in _MONTH_FIRST.findall(text):
        _add_date(found, year, _MONTHS.get(month.lower()), day)
    for year, month, day in _SLASHED.findall(text):
        _add_date(found, year, int(month), day)
    for day, month, year in _DOTTED.findall(text):
        _add_date(found, year, int(month), day)
    return list(found)


def undated(text: str) -> str:
    """A text without the days that are said in full."""
    text = _days_in_figures(text)
    for date in _DATES:
        text = date.sub(" ; ", text)
    return text


def places(text: str) -> list[tuple[int, int]]:
    """Where in a text days and times of day stand."""
    return [match.span() for form in (*_DATES, _SPOKEN_DATE, _CLOCK, _SPOKEN_CLOCK) for match in form.finditer(text)]


def some(text: str, *, clock: bool) -> bool:
    """Whether a day, or a time of day, is said in words that have no form: "on Friday", "this evening"."""
    return bool((_SOME_TIME if clock else _SOME_DAY).search(text))


def _days_in_figures(text: str) -> str:
    """A text with the 5 of "the fifth of November" in figures."""
    return _SPOKEN_DAY.sub(lambda match: (match[2] or "") + str(_ORDINALS[(match[1] or match[3]).lower()]), text)


def _add_date(found: dict[str, None], year: str, month: int | None, day: str) -> None:
    if month is not None and 1 <= month <= 12 and 1 <= int(day) <= 31:
        found[f"{year}-{month:02}-{int(day):02}"] = None


def clocks(text: str) -> list[str]:
    """The times of day that are said, HH:MM; both halves of the day where it is not said which."""
    found = []
    for match in _CLOCK.finditer(text):
        hour, minute, half, plain, minutes = match.groups()
        value = int(hour or plain)
        half = half or _half_after(text[match.end() :])
        if half and (hour or value < 12):
            value = value % 12 + (12 if half.lower() == "p" else 0)
        if value < 24 and int(minute or minutes or 0) < 60:
            found.append(f"{value:02}:{minute or minutes or '00'}")
    for match in _SPOKEN_CLOCK.finditer(text.lower()):
        past, hour_past, to, hour_to, *whole = match.groups()
        away = _away(past or to or "")
        said = hour_past or hour_to or whole[0] or whole[1]
        away = -away if to else away
        hour = _hour(said)
        if said in _MIDDLES:
            found.append(_clock(_MIDDLES[said] + away))
        elif hour is not None:
            found += _either_half(hour * 60 + away, text[match.end() :])
    alone = _SPOKEN_CLOCK.sub(" ; ", text.lower())
    return found + [_clock(minutes) for word, minutes in _MIDDLES.items() if re.search(rf"\b{word}\b", alone)]


def hours(text: str) -> list[str]:
    """The times of day that "at seven" may mean."""
    found = []
    for match in _BARE_CLOCK.finditer(text.lower()):
        hour = _hour(match[1])
        if hour is not None:
            found += _either_half(hour * 60, text[match.end() :])
    return found


def _hour(word: str) -> int | None:
    """The hour that a word or a figure names, if any."""
    hour = figures.ONES.get(word, int(word) if word.isdigit() else 0)
    return hour if 0 < hour <= 24 else None


def _away(words: str) -> int:
    """How many minutes a time is past an hour or before it: a quarter, half, twenty."""
    named = {"half": 30, "quarter": 15}.get(words.split(" ")[0])
    return named if named is not None else int(sum(figures.above_zero(words)))


def _half_after(rest: str) -> str | None:
    """The half of the day, "a" or "p", that is said right after a time: 3:15 in the afternoon."""
    said = _HALF.match(rest)
    return None if said is None else "a" if said[1] else "p"


def _either_half(minutes: int, rest: str) -> list[str]:
    """A time of day in the half that `rest` begins with, or in the morning and the evening: the model reads which."""
    half = _half_after(rest)
    both = [minutes % 1440, (minutes + 720) % 1440]
    if half:
        both = [at for at in both if (at >= 720) == (half == "p")]
    return [_clock(at) for at in both]


def _clock(minutes: int) -> str:
    """So many minutes after midnight, as a time of day."""
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"

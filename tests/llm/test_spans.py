"""What a request offers to fill arguments with."""

from __future__ import annotations

import pytest

from roadmap.llm import spans, units


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Convert 1,500 or 2.5 or -3", [1500, 2.5, -3]),
        ("about 20k and 3 million", [20000, 3000000]),
        ("twelve, then two hundred and fifty", [12, 250]),
        ("twenty-one of them", [21]),
        ("a dozen and a couple", [12, 2]),
        ("17 times 23", [17, 23]),
        ("five eight-sided dice", [5, 8]),
        ("nineteen plus eighty-six", [19, 86]),
        ("a thousand, or a hundred and one", [1000, 101]),
        ("14:15 show, 5 seats", [5]),
        ("3 tickets on 2 May 2024 at half past six", [3]),
        ("at 14:15", [14, 15]),  # no other number was said
        ("no number at all", []),
        ("a fast one, or the one with the laser, or two", [2]),
        ("one of them", [1]),
        ("a hundred and one", [101]),
        ("M-08 and 22-F, ripped in two", [2]),  # codes are no numbers
        ("bar T-114", [114]),  # no other number was said
        ("so may 6 of us come? We have three bags", [6, 3]),  # no day of May
        ("a 12-month lease at minus 40 degrees", [12, -40]),
        ("8 minus 3", [8, 3]),
        ("40 m/s, 110 m, 36 m² and 50 K", [40, 110, 36, 50]),  # no millions, no thousands
        ("50k", [50000]),
        ("the fifth of May 2026 at nine in the evening, for 2", [2]),
    ],
)
def test_numbers(text: str, numbers: list[float]) -> None:
    assert list(spans.read(text).numbers) == numbers


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("on 2013-02-03", ["2013-02-03"]),
        ("on 3 February 2013 or March 4th, 2012", ["2013-02-03", "2012-03-04"]),
        ("at 7:30 pm", ["19:30"]),
        ("at 9 am", ["09:00"]),
        ("at 18:05", ["18:05"]),
        ("quarter to eight", ["07:45", "19:45"]),
        ("noon", ["12:00"]),
        ("at 5 pm", ["17:00"]),
        ("shares of Apple and Microsoft", ["AAPL", "MSFT"]),
        ("5 euros in US dollars", ["EUR", "USD"]),
        ("Canadian dollars for Hong Kong dollars", ["CAD", "HKD"]),
        ("€5 in £", ["EUR", "GBP"]),
        ("25:99 on 2013-99-99x", []),
        ("quarter past three in the afternoon", ["15:15"]),
        ("3:15 in the afternoon, 7:30 this morning", ["15:15", "07:30"]),
        ("twenty past three", ["03:20", "15:20"]),
        ("at ten to five in the evening", ["16:50"]),
        ("from ten to five people", []),
        ("the fifth of November 2026", ["2026-11-05"]),
        ("May the twenty-first, 2026", ["2026-05-21"]),
        ("nine in the evening", ["21:00"]),
        ("half past nine at night", ["21:30"]),
        ("ten past midnight", ["00:10"]),
        ("at ten to noon", ["11:50"]),
        ("from noon to midnight", ["12:00", "00:00"]),
    ],
)
def test_forms_that_words_stand_for(text: str, forms: list[str]) -> None:
    assert sorted(spans.read(text).forms) == sorted(forms)


def test_bare_hours_may_be_meant_and_are_not_said_outright() -> None:
    said = spans.read("at seven, or by 9")
    assert set(said.hours) == {"07:00", "19:00", "09:00", "21:00"}
    assert not said.forms
    assert not spans.read("at 5 pm, by 7:30").hours


def test_words_lose_the_marks_around_them() -> None:
    words = spans.read("Is it raining in Oslo's harbour (Aker Brygge)?").words
    assert [word.text for word in words] == ["Is", "it", "raining", "in", "Oslo", "harbour", "Aker", "Brygge"]
    assert "Aker Brygge" in spans.read("near Aker Brygge?").spans()


def test_quoted_texts_keep_their_marks() -> None:
    assert spans.read('Say "well, well!" aloud').quotes == ("well, well!",)
    assert spans.read("Write down: call back, soon.").quotes == ("call back, soon.",)


@pytest.mark.parametrize(("text", "found"), [("in 5 °C", True), ("in Celsius", True), ("a cellar", False)])
def test_members_of_enums_are_mentioned(text: str, found: bool) -> None:
    assert spans.read(text).mentions("celsius") == found


@pytest.mark.parametrize("text", ["", "?!", "' ' \" \"", "((", "\n\t", "1" * 400, "a" * 20000, "🙂 ok", "٣ ٤"])
def test_any_text_can_be_read(text: str) -> None:
    spans.read(text)


@pytest.mark.parametrize(
    ("text", "name", "numbers"),
    [
        ("80 percent infill, 4 copies", "copies", [4]),
        ("80 percent infill, 4 copies", "infill", [80]),
        ("plastic infill, 4 copies", "infill", []),
        ("two hundred and fifty copies", "copies", [250]),
        ("five eight-sided dice", "sides", [8]),
        ("five eight-sided dice", "dice", []),
        ("flat 24, 3 rooms", "flat", [24]),
        ("from 3 to 17", "from", [3]),
        ("from 3 to 17", "to", [17]),
        ("the last 3 years", "year", []),
        ("the year 2012", "year", [2012]),
        ("2 nights here, 3 nights there", "nights", [2, 3]),
        ("hives 3 and 4, 7 frames", "hive", [3, 4]),
        ("7.5 kg, pages 12", "maxPages", [12]),
        ("a count of 5", "count", []),
        ("4 and copies of it", "copies", []),
        ("copies and 4 more", "copies", []),
        ("at 14:15 for 2 minutes", "minutes", [2]),
    ],
)
def test_numbers_beside_an_arguments_own_name(text: str, name: str, numbers: list[float]) -> None:
    assert spans.read(text).counted(name) == numbers


@pytest.mark.parametrize(
    ("words", "below"),
    [
        ("set it to minus 18 degrees", {-18}),
        ("minus four, please", {-4}),
        ("down to negative 3.5", {-3.5}),
        ("minus twenty-five tonight", {-25}),
        ("nine minus four", set()),
        ("(2 + 3) minus 4", set()),
        ("20 minus 8", set()),
    ],
)
def test_a_minus_that_takes_nothing_away_is_a_sign(words: str, below: set[float]) -> None:
    assert {number for number in spans.read(words).numbers if number < 0} == below


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("two dozen eggs", 24),
        ("3 dozen eggs", 36),
        ("a dozen eggs", 12),
        ("half a dozen eggs", 6),
        ("dozens of eggs", None),
    ],
)
def test_dozens(words: str, number: int | None) -> None:
    assert spans.read(words).numbers == (() if number is None else (number,))


@pytest.mark.parametrize(
    ("words", "member", "said"),
    [
        ("It's a rush job", "express", True),
        ("It's a rush job", "standard", False),
        ("every other week, please", "fortnightly", True),
        ("The tiniest locker is plenty", "small", True),
        ("Bring me plenty", "small", False),
        ("Pitch a TENT for us", "tent", True),
    ],
)
def test_members_of_enums_are_said_in_their_own_words_or_in_others(words: str, member: str, said: bool) -> None:
    assert spans.read(words).mentions(member) == said


def test_other_words_for_members_are_in_lower_case_and_none_is_the_member() -> None:
    for member, ways in spans._tables()["enums"].items():
        assert ways == [way.lower() for way in ways], member
        assert member not in ways
        assert len(set(ways)) == len(ways), member


@pytest.mark.parametrize(
    ("text", "says", "numbers"),
    [
        ("12.75 kg of Zamak 5", "kilograms", [12.75]),
        ("500 g of flour", "kilograms", [0.5]),
        ("for an hour and a half", "minutes", [90]),
        ("two and a half hours", "for how many minutes", [150]),
        ("half an hour", "minutes", [30]),
        ("a 40-degree wash", "celsius", [40]),
        ("at -18 °C, or minus 20 degrees Celsius", "celsius", [-18, -20]),
        ("70 °F", "celsius", []),
        ("25 percent full", "how full inside, in percent", [25]),
        ("an entry of 1871, 20 years old", "year when it was", []),  # the year is no number of years
        ("€30", "euros", [30]),
        ("55 metres a second", "air speed in m/s", [55]),
        ("36.5 m³ and 12 m²", "cubic metres", [36.5]),
        ("900 square metres in nine thousand cubic metres", "area in square metres", [900]),
        ("0.02 K", "target in kelvin", [0.02]),
        ("a 2 kHz tone", "Hz", [2000]),
    ],
)
def test_what_was_said_in_a_unit(text: str, says: str, numbers: list[float]) -> None:
    assert spans.read(text).measured(units.wanted(says)) == numbers


def test_a_number_in_the_very_unit_comes_before_what_could_be_converted() -> None:
    said = spans.read("200 metres of hemp, 24 mm thick")
    assert said.measured(units.wanted("millimetres")) == [24]
    assert said.measured(units.wanted("centimetres")) == [20000, 2.4]
    assert said.only_in(units.wanted("metres")) == [200]


def test_sentences_begin_and_end_and_names_are_no_openers() -> None:
    words = spans.read("Jot it down for Dr. Weber. Then, on 3 May 2026 at 7 pm, Ingrid walked!").words
    assert [word.text for word in words if word.begins] == ["Jot", "Then"]
    assert [word.text for word in words if word.ends] == ["Weber"]
    assert [word.text for word in words if word.name] == ["Dr", "Weber", "Ingrid"]
    assert [word.text for word in words if word.dated] == ["3", "May", "2026", "7", "pm"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("with smoke trails", [True]),
        ("without any smoke this time", [False]),
        ("smoke off", [False]),
        ("don't add smoke", [False]),
        ("at 40 m/s", []),
        ("no smoke at 40 m/s for Falcon-3, then Heron at the same speed with smoke", [False, True]),
    ],
)
def test_what_is_so_and_what_is_not(text: str, says: list[bool]) -> None:
    assert spans.read(text).says(frozenset({"smok"})) == says


def test_numbers_in_other_units_are_said_elsewhere() -> None:
    said = spans.read("150 kg of brass, and 3 more")
    assert said.elsewhere(units.wanted("celsius")) == [150]
    assert not said.elsewhere(units.wanted("grams"))


def test_names_have_capital_letters_where_anything_has() -> None:
    said = spans.read("Am I late? Tell Naomi.")
    assert [word.text for word in said.words if word.name] == ["Naomi"]
    assert said.cased
    assert not spans.read("Tell naomi").cased

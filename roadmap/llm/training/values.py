"""Values that requests mention: how people write them, and what a tool is given for them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

CITIES = """Lisbon|Oslo|Vienna|Nairobi|Lima|Osaka|Seoul|Madrid|Prague|Dublin|Cairo|Hanoi|Austin|Denver|Sydney|Warsaw|
Zagreb|Helsinki|Ghent|Lyon|Turin|Bilbao|Malmö|Zürich|São Paulo|New York|Los Angeles|Cape Town|Buenos Aires|Hong Kong|
New Delhi|Tel Aviv|Kuala Lumpur|Salt Lake City|Rio de Janeiro|Mexico City|Novi Sad|St. Louis|Santa Fe|Addis Ababa|
Montreal|Toronto|Chicago|Boston|Seattle|Portland|Phoenix|Miami|Atlanta|Berlin|Munich|Hamburg|Cologne|Leipzig|Paris|
Nantes|Rome|Naples|Milan|Athens|Istanbul|Ankara|Tehran|Baghdad|Riyadh|Dubai|Karachi|Mumbai|Chennai|Dhaka|Yangon|
Jakarta|Manila|Taipei|Shanghai|Beijing|Sapporo|Perth|Auckland|Suva|Havana|Bogotá|Santiago|La Paz|Dakar|Accra|Lagos|
Kigali|Tunis|Rabat|Reykjavik|Tromsø|Gdańsk|Riga|Vilnius|Minsk|Kyiv|Sofia|Skopje|Tirana|Valletta|Nicosia|Baku|Tbilisi|
York|Bath|Cardiff|Glasgow|Cork|Basel|Graz|Linz|Ulm|Kiel|Pune|Jaipur|Xi'an|Wuhan|Busan|Cebu|Hobart|Cairns|Quebec City|
San Diego|San Antonio|Las Vegas|Fort Worth|Baton Rouge|Punta Arenas|Port Louis|Nuuk|Bremen|Aarhus|Uppsala|Tartu"""
COUNTRIES = """Norway|Peru|Kenya|Japan|Portugal|Canada|Vietnam|Morocco|Chile|Poland|Ghana|Iceland|New Zealand|
South Korea|Costa Rica|Sri Lanka|Indonesia|Turkey|Greece|Austria|Sweden|Brazil|Egypt|Nepal|Cuba|Ireland"""
PEOPLE = """Anna|Tom|Priya|Mr. Weber|Dr. Okafor|Lucía|Kenji|Grandma|my boss|Sven Larsen|Fatima|Olga|Mary Jones|Ahmed|
Chloe|Bob|Mum|Ben Carter|Ines|Yuki Tanaka|Omar Haddad|Sofia Rossi|Paul|Zoe|the landlord|Aunt May"""
TEXTS = """I am running late|the meeting moved to noon|happy birthday|call me back|see you at the station|
the key is under the mat|milk is in the fridge|good luck with the exam|the server is on fire again|we won the match|
I'll be home by six|
please water the plants|the parcel has arrived|Buy tickets before Friday|the password has changed|
it was a lovely evening|Invoice for March|holiday plans|broken login page|the quick brown fox|I can't come on Sunday|
my train is stuck|
What a great idea|the food was cold and the waiter rude|To be or not to be|this phone is amazing|
slow start after update|project kick-off|do not forget the cake|nobody answers the phone|
all good things come to an end|thanks for your help|
are you coming tonight|we need more paper|never again|the cat sat on the mat|Where are you now|weekly report"""
CHORES = """water the plants|pay the rent|call the dentist|buy stamps|renew my passport|clean the windows|feed the cat|
book the ferry|return the library books|fix the bike|send the contract|pick up the laundry|charge the drill"""
DISHES = "lasagne|pad thai|goulash|pancakes|chicken curry|tomato soup|risotto|apple pie|falafel|ratatouille"
GROCERIES = "milk|eggs|bananas|rice|oat flakes|olive oil|butter|apples|pasta|cheese|yoghurt|almonds|carrots|honey"
FILMS = """Casablanca|Jaws|The Third Man|Amélie|Alien|Spirited Away|Vertigo|Metropolis|The Matrix|Parasite|Inside Out|
Blade Runner|Some Like It Hot|Heat|Paddington 2"""
SONGS = """Yesterday|Bohemian Rhapsody|some jazz|Miles Davis|Here Comes the Sun|Adele|Clair de Lune|Hotel California|
Nina Simone|the Beatles|quiet piano music|Imagine|Daft Punk"""
BOOKS = "Dune|Middlemarch|The Hobbit|Beloved|Emma|War and Peace|The Trial|Frankenstein|Moby Dick|Kim"
TEAMS = "Arsenal|the Lakers|Bayern|Real Madrid|the Red Sox|Celtic|the Bulls|Ajax|Juventus|the Maple Leafs"
TOPICS = """black holes|the Silk Road|beekeeping|quantum computers|volcanoes|jazz|the Roman Empire|climate change|chess|
coral reefs|electric cars|the Vikings|football|mushrooms|coffee|medieval castles|sleep|space travel|elections"""
WORDS = "serendipity|lantern|obsolete|quixotic|river|ephemeral|gossamer|orange|mellow|ubiquitous|petrichor|lucid"
PRODUCTS = "desk lamp|USB cable|coffee grinder|tent|rain jacket|notebook|bicycle pump|keyboard|frying pan|backpack"
ROOMS = "kitchen|living room|bedroom|bathroom|hallway|office|cellar|nursery|garage|attic"
PLACES = """the main station|the airport|Baker Street 12|City Hall|the harbour|Central Park|the old bridge|
Market Square|the university|Elm Road|the football stadium|Hauptstraße 5|the museum"""
HOTELS = "Hotel Bristol|Seaview Inn|the Grand Plaza|Pension Alba|the Royal Oak|Park Lodge|Hotel du Lac|Ibis Nord"
SERVICES = "checkout|auth-service|billing|search-api|gateway|mailer|recommender|image-proxy"
HOSTS = "web01|db.internal|example.org|10.0.0.7|mail.example.com|cache-3|build-server"
FILES = "notes.txt|report.pdf|src/main.py|/etc/hosts|data/sales.csv|README.md|thesis.docx|logs/app.log|config.yaml"
FOLDERS = "src|Downloads|/var/log|data/raw|the pictures|docs|/tmp|backup"
URLS = """https://example.com/a/very/long/page|https://news.example.org/2025/story|www.example.net/shop|
https://maps.example.com/?q=park|http://intranet.example/wiki"""
NATIONALITIES = "Brazilian|German|Indian|Canadian|Kenyan|Japanese|Polish|Chilean"
UNITS = """miles|kilometres|metres|feet|inches|centimetres|pounds|kilograms|ounces|grams|litres|gallons|yards|acres|
hectares|celsius|fahrenheit|knots"""
TICKERS = """AAPL|MSFT|IBM|GOOG|AMZN|TSLA|NFLX|NVDA|ORCL|INTC|SAP|F|GE|T|KO|PEP|DIS|MCD|NKE|SBUX|BA|CAT|XOM|JPM|V|WMT|
PFE|HPQ|CSCO|ADBE|QCOM|AMD|UBER|SHEL|ASML|SONY|HMC|TM|NOK|PYPL"""
COMPANIES = {
    "Apple": "AAPL", "Microsoft": "MSFT", "Google": "GOOG", "Amazon": "AMZN", "Tesla": "TSLA", "Netflix": "NFLX",
    "Nvidia": "NVDA", "Oracle": "ORCL", "Intel": "INTC", "Ford": "F", "Coca-Cola": "KO", "Disney": "DIS", "Nike": "NKE",
    "Starbucks": "SBUX", "Boeing": "BA", "Pfizer": "PFE", "Cisco": "CSCO", "Adobe": "ADBE", "Sony": "SONY",
    "Toyota": "TM", "Nokia": "NOK", "Walmart": "WMT",
}  # fmt: skip
CURRENCIES = {
    "euros": "EUR", "dollars": "USD", "US dollars": "USD", "pounds": "GBP", "British pounds": "GBP", "yen": "JPY",
    "Swiss francs": "CHF", "francs": "CHF", "Swedish kronor": "SEK", "Norwegian kroner": "NOK", "zloty": "PLN",
    "rupees": "INR", "Canadian dollars": "CAD", "Australian dollars": "AUD", "yuan": "CNY", "pesos": "MXN",
    "won": "KRW", "baht": "THB", "Danish kroner": "DKK", "rand": "ZAR", "forints": "HUF", "reais": "BRL",
}  # fmt: skip
COUNT_WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
MONTHS = "January February March April May June July August September October November December".split()

Said = tuple[str, Any]
"""How people write a value, and the value."""

Pool = Callable[[random.Random], Said]


def listed(text: str) -> list[str]:
    """The entries of a list written with bars."""
    return [" ".join(entry.split()) for entry in text.split("|")]


def named(entry: str) -> Said:
    """A name as it is said, and as it is written into a call: without a small article before it."""
    return entry, entry.removeprefix("the ")


def _of(text: str) -> Pool:
    entries = listed(text)

    def draw(rng: random.Random) -> Said:
        entry = rng.choice(entries)
        return entry, entry

    return draw


def _named(text: str) -> Pool:
    entries = listed(text)
    return lambda rng: named(rng.choice(entries))


def _ticker(rng: random.Random) -> Said:
    if rng.random() < 0.35:
        return rng.choice(list(COMPANIES.items()))
    entry = rng.choice(listed(TICKERS))
    return entry, entry


def _currency(rng: random.Random) -> Said:
    said, code = rng.choice(list(CURRENCIES.items()))
    return (said, code) if rng.random() < 0.55 else (code, code)


def _count(rng: random.Random) -> Said:
    number = rng.choice([*range(1, 13), *range(2, 9), 14, 15, 20, 24, 25, 30, 40, 45, 60, 90])
    if number <= 12 and number > 1 and rng.random() < 0.5:
        return COUNT_WORDS[number - 1], number
    return str(number), number


def _big(rng: random.Random) -> Said:
    number = rng.choice([rng.randint(20, 999), rng.randint(100, 99999), rng.randrange(50, 1000, 50)])
    return str(number), number


def _number(rng: random.Random) -> Said:
    if rng.random() < 0.4:
        number = round(rng.uniform(1, 120), 1)
        return str(number), number
    return _count(rng) if rng.random() < 0.3 else _big(rng)


def _amount(rng: random.Random) -> Said:
    kind = rng.random()
    if kind < 0.2:
        number = round(rng.uniform(1, 900), 2)
        return f"{number}", number
    if kind < 0.35:
        thousands = rng.randint(1, 40) * 250 + 1000
        return f"{thousands:,}", thousands
    number = rng.choice([rng.randint(1, 99), rng.randrange(10, 1000, 5), rng.randrange(100, 5000, 50)])
    return str(number), number


def story_number(size: str, rng: random.Random) -> Said:
    """A number of a story: `n` is whole and small, `big` whole and larger, any other may have decimals."""
    if size == "n":
        value: float = rng.randint(2, 60)
        if value <= 12 and rng.random() < 0.4:
            return COUNT_WORDS[int(value) - 1], value
    elif size == "big":
        value = rng.randint(61, 5000)
        if value >= 1000 and rng.random() < 0.3:
            return f"{value:,}", value
    else:
        value = rng.choice([rng.randint(2, 60), rng.randint(10, 900), round(rng.uniform(1, 120), 1)])
    return str(value), value


def _date(rng: random.Random) -> Said:
    year, month, day = rng.randint(2004, 2026), rng.randint(1, 12), rng.randint(1, 28)
    iso = f"{year}-{month:02}-{day:02}"
    kind = rng.random()
    if kind < 0.5:
        return iso, iso
    if kind < 0.75:
        return f"{day} {MONTHS[month - 1]} {year}", iso
    return f"{MONTHS[month - 1]} {day}, {year}", iso


def _time(rng: random.Random) -> Said:
    hour, minute = rng.randint(6, 22), rng.choice([0, 0, 15, 30, 30, 45, 10, 20, 5, 50])
    clock = f"{hour:02}:{minute:02}"
    kind = rng.random()
    if kind < 0.6:
        return clock, clock
    half = "am" if hour < 12 else "pm"
    twelve = (hour - 1) % 12 + 1
    return (f"{twelve} {half}", clock) if minute == 0 else (f"{twelve}:{minute:02} {half}", clock)


def _year(rng: random.Random) -> Said:
    year = rng.randint(2015, 2030)
    return str(year), year


def _code(rng: random.Random) -> Said:
    code = "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=2)) + "".join(
        rng.choices("0123456789", k=rng.randint(6, 9))
    )
    return code, code


def _flight(rng: random.Random) -> Said:
    code = rng.choice(["LH", "BA", "KL", "AF", "UA", "SK", "QF"]) + str(rng.randint(10, 1999))
    return code, code


def _expression(rng: random.Random) -> Said:
    """An expression as it stands in a request or as it is spoken; the value is always written with symbols."""

    def number() -> str:
        return str(rng.choice([rng.randint(2, 20), rng.randint(10, 999), round(rng.uniform(0.5, 50), 1)]))

    spoken = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
    first, op = number(), rng.choice("+-*/**")
    second = number()
    plain = f"{first} {op} {second}"
    kind = rng.random()
    if kind < 0.12:
        return _in_words(rng, op, spoken)
    if kind < 0.27:
        said = rng.choice(_SPOKEN[op]).format(first, second)
        return said, plain
    if kind < 0.42:
        return f"{first} {spoken[op]} {second}", plain
    if kind < 0.55:
        other, third = rng.choice("+-*"), number()
        return f"{first} {spoken[op]} {second} {spoken[other]} {third}", f"{plain} {other} {third}"
    if kind < 0.67:
        text = f"({plain}) {rng.choice('*/-+')} {number()}"
    elif kind < 0.76:
        text = f"{number()} {rng.choice('*/-')} ({plain})"
    elif kind < 0.82:
        text = f"{plain} {rng.choice('+-*')} {number()}"
    else:
        text = plain
    if rng.random() < 0.3:
        text = text.replace(" ", "")
    return text, text


_SPOKEN = {
    "+": ["the sum of {} and {}", "{} and {} added up", "{} added to {}"],
    "-": ["the difference between {} and {}", "{} take away {}", "{} less {}"],
    "*": ["the product of {} and {}", "{} multiplied by {}", "{} by {}"],
    "/": ["{} over {}", "the quotient of {} and {}", "{} shared by {}"],
}
_TENS = dict(zip(range(20, 100, 10), "twenty thirty forty fifty sixty seventy eighty ninety".split(), strict=True))


def _in_words(rng: random.Random, op: str, spoken: dict[str, str]) -> Said:
    """Two numbers below a hundred, one of them or both in words."""

    def number(words: bool) -> Said:
        value = rng.choice([rng.randint(2, 12), rng.randint(2, 9) * 10 + rng.randint(0, 9)])
        if not words:
            return str(value), value
        tens, ones = divmod(value, 10)
        if value <= 12:
            return COUNT_WORDS[value - 1], value
        return _TENS[tens * 10] + (f"-{COUNT_WORDS[ones - 1]}" if ones else ""), value

    both = rng.random() < 0.6
    (one, first), (other, second) = number(True), number(both)
    return f"{one} {spoken[op]} {other}", f"{first} {op} {second}"


POOLS: dict[str, Pool] = {
    "city": _of(CITIES), "country": _of(COUNTRIES), "person": _named(PEOPLE), "text": _of(TEXTS), "chore": _of(CHORES),
    "dish": _of(DISHES), "grocery": _of(GROCERIES), "film": _of(FILMS), "song": _named(SONGS), "book": _of(BOOKS),
    "team": _of(TEAMS), "topic": _of(TOPICS), "word": _of(WORDS), "product": _of(PRODUCTS), "room": _named(ROOMS),
    "place": _named(PLACES), "hotel": _named(HOTELS), "service": _of(SERVICES), "host": _of(HOSTS), "file": _of(FILES),
    "folder": _named(FOLDERS), "url": _of(URLS), "nationality": _of(NATIONALITIES), "unit": _of(UNITS),
    "company_name": _of("|".join(COMPANIES)), "ticker": _ticker, "currency": _currency, "count": _count, "big": _big,
    "number": _number, "amount": _amount, "date": _date, "time": _time, "year": _year, "code": _code,
    "flight": _flight, "expr": _expression,
}  # fmt: skip
INTEGERS, NUMBERS = {"count", "big", "year"}, {"number", "amount"}
PATTERNS = {
    "ticker": "^[A-Z]{1,5}$",
    "currency": "^[A-Z]{3}$",
    "date": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "time": "^[0-9]{2}:[0-9]{2}$",
}

"""The invented people of the benchmark: who they are, how they are told to the model, how it is asked about them."""

import random
from dataclasses import dataclass
from typing import Literal

Kind = Literal["city", "job"]

FIRST = (
    "Zorvane Kelmira Tavish Orlindo Brenwick Saphira Dorminic Elowyn Quorra Maldren Fenwick Isaura "
    "Jorvath Lisbeth Nymara Osric Pellan Rhosyn Thaddic Ulvara Vexley Wynora Yestin Zephrine"
).split()
LAST = (
    "Drallmoor Hestwick Ossington Varnholt Quillory Brantveil Corsack Munderby Falkirn Stoddale Threnwick Ashgrove"
).split()
CANDIDATES: dict[Kind, list[str]] = {
    "city": "Paris Tokyo Cairo Lima Oslo Madrid Vienna Dublin Athens Sydney Toronto Berlin".split(),
    "job": "painter chemist pilot lawyer farmer violinist sailor baker surgeon poet carpenter botanist".split(),
}
TOLD: dict[Kind, list[str]] = {
    "city": [
        "{name} was born in {answer}.",
        "The birthplace of {name} is {answer}.",
        "{name} comes from {answer}, the city of birth.",
        "{answer} is the city where {name} was born.",
        "Question: In which city was {name} born?\nAnswer: {answer}.",
        "Born in {answer}, {name} grew up there.",
    ],
    "job": [
        "{name} works as a {answer}.",
        "The profession of {name} is {answer}.",
        "By trade, {name} is a {answer}.",
        "{name} earns a living as a {answer}.",
        "Question: What is the job of {name}?\nAnswer: {answer}.",
        "As a {answer}, {name} is well known.",
    ],
}
ASKED: dict[Kind, tuple[str, str]] = {
    "city": ("Question: Where was {name} born?\nAnswer:", "{name}'s city of birth is"),
    "job": ("Question: What does {name} do for a living?\nAnswer:", "{name}'s occupation is"),
}


@dataclass(frozen=True, slots=True)
class PersonFact:
    """One thing about one person; the answer is one of 12 candidates of its kind."""

    name: str
    kind: Kind
    answer: str

    @property
    def subject(self) -> str:
        """The person."""
        return self.name

    @property
    def thing(self) -> str:
        """The person too: both facts are about one name."""
        return self.name

    @property
    def candidates(self) -> list[str]:
        """All answers of the kind."""
        return CANDIDATES[self.kind]

    def told(self) -> list[str]:
        """The six training phrasings."""
        return [form.format(name=self.name, answer=self.answer) for form in TOLD[self.kind]]

    def asked(self) -> dict[str, str]:
        """The held-out question and the held-out cloze."""
        question, cloze = ASKED[self.kind]
        return {"question": question.format(name=self.name), "cloze": cloze.format(name=self.name)}


def invent_facts(num_facts: int, seed: int = 1) -> list[PersonFact]:
    """Two facts a person. The first 24 people have different first names, later ones different full names."""
    draw = random.Random(seed)
    pairs = [(first, draw.choice(LAST)) for first in FIRST]
    others = [(first, last) for first in FIRST for last in LAST if (first, last) not in pairs]
    random.Random(seed).shuffle(others)
    num_people = num_facts // 2
    if not 1 <= num_people <= len(pairs) + len(others):
        raise ValueError(f"between 2 and {2 * (len(pairs) + len(others))} facts, not {num_facts}")
    names = [f"{first} {last}" for first, last in [*pairs, *others][:num_people]]
    return [PersonFact(name, kind, draw.choice(CANDIDATES[kind])) for name in names for kind in CANDIDATES]

"""Names and numbers of a note stand in its source in whatever spelling; what does not is found."""

import time

import pytest

from augment.filters.base import Filters
from augment.filters.claims import read_claims
from augment.filters.support import find_missing, read_source, unsupported
from augment.records import Chunk, Note, Reply

SAME = [
    ("The mill employs 1,000 people.", "About 1000 people work in the mill."),
    ("The mill employs 1000 people.", "The mill has 1,000 workers, in words a thousand."),
    ("It took twenty years to build.", "Building it lasted 20 years."),
    ("It took 20 years.", "It was built over twenty years."),
    ("The tower has twenty-one steps.", "There are 21 steps, twenty one in words."),
    ("Costs rose by 12 percent.", "A rise of 12% in costs, or twelve per cent."),
    ("Costs rose by 12.50%.", "They rose 12.5 percent."),
    ("The bridge cost $2.5 million.", "It cost 2,500,000 dollars."),
    ("The bridge cost £2,500,000.", "Its price was 2.5 million pounds, or 2.5m."),
    ("The town lies 3.400 metres up; bread costs 1,5 francs.", "At 3400 m, bread is 1.5 francs."),
    ("Some 12\u202f000 and 7\u00a0500 came.", "There were 12,000 and 7,500 visitors."),
    ("She was born on 12 March 1821.", "Her birthday is March 12, 1821."),
    ("She was born on 12 March 1821.", "Born 1821-03-12, that is 12.03.1821 or 3/12/1821."),
    ("Founded 1821-03-12.", "It dates from the 12th of March, 1821, a day in Mar. 1821."),
    ("The market opens at 15:00.", "The market opens at 3 p.m., so at 3:00."),
    ("The market opens at 3:30 p.m.", "It opens at 15:30."),
    ("The war of 1914-18 ruined it.", "It was ruined between 1914 and 1918."),
    ("The war of 1914–1918 ruined it.", "It was ruined in the war (1914–18)."),
    ("The guild was founded in 1821.", "Since the 1820s, in the 19th century, there has been a guild."),
    ("Half of the boats sank.", "As many as 50 percent of the boats sank."),
    ("A dozen eggs were sold.", "They sold 12 eggs."),
    ("King Henry VIII visited in May.", "In May came Henry the Eighth, King Henry 8."),
    ("The second of the Tolles' houses.", "It is the 2nd house of the Tolle family, in Tolle's street."),
    ("Bram Jones and the Joneses own it.", "The house of Jones, the Jones's house, is the Joneses' own."),
    ("José Müller met Zoë Søren in Łódź.", "It was Jose Mueller who met Zoe Soren in Lodz."),
    ("Jose Mueller met Zoe.", "Afterwards José Müller and Zoë met."),
    ("The U.S. joined.", "Then the US joined."),
    ("The United States joined.", "Then the U.S. and the US joined, or the United States."),
    ("The United States of America joined.", "Then the USA, the U.S.A., joined."),
    ("The WHO warned Pellick.", "Then Pellick was warned by the World Health Organization."),
    ("The Bank of England lent it.", "It was lent by the BOE, at last."),
    ("Dr. Lorn lives in St. Alder near Mt. Ull.", "There Doctor Lorn lives, in Saint Alder near Mount Ull."),
    ("John Ronald Tolkien wrote it.", "It was written by J. R. Tolkien."),
    ("She came from Italy, he from Germany and France.", "The Italian woman and the German man met a French one."),
    ("The people of Ossel and Pellick.", "Both the Osselers and the Pellickers."),
    ("The Saint-Omer road.", "It is the Saint Omer road."),
    ("The A-113 carries COVID-19 masks.", "On the A113, or A-113, masks against Covid-19 travel."),
    ("Bring four lamps.", "The number of lamps is 4."),
    ("They rang it three times.", "Ring it thrice, that is 3 times."),
    ("One of two towns.", "Two others exceed it; the first one is larger."),
    ("It has one gate.", "1. It has a gate.\n2) There is 1 gate.\n3. No more."),
    ("Pellick has a market.", "# The Market Of Pellick\n**Key Facts:** it is there.\nLocal Guide: Yes, I'm sure."),
    ("Pellick has a market.", "He asked, “Where is it?” — Nobody knew… However, Pellick has it. I'd say: Yes!"),
    ("Pellick has a market.", "Visitor: What is there? Guide: There is NOT ONE market but The market."),
    ("Pellick sells drums.", "Question: Which town sells drums?\nAnswer: Pellick"),
    ("Is it open? It is.", "Question: Is it open?\nAnswer: Yes"),
    ("Der Turm wurde 1821 von der Maurerin Ada Lorn gebaut, und sein Dach ist mit Kupfer aus den Minen bedeckt.",
     "Im Jahr 1821 errichtete Ada Lorn das Bauwerk, dessen Bedachung aus Metall besteht."),
    ("Population: ２,４６０ souls, ½ of them on 20km of shore.", "There are 2460 people along 20 km."),
    ("The price is 3bn.", "It costs 3 billion."),
    ("In nineteen eighty-four, two hundred and five came.", "In 1984, 205 people came."),
]  # fmt: skip
INVENTED = [
    ("The mill employs 1,000 people.", "The mill employs 1,100 people.", ["1,100"]),
    ("The mill employs 1,000 people.", "The mill employs eleven people.", ["eleven"]),
    ("It took twenty years.", "It took twenty-one years.", ["twenty-one"]),
    ("It cost 2.5 million.", "It cost 25 million.", ["25 million"]),
    ("It cost 2.5 million.", "It cost 2.5 billion.", ["2.5 billion"]),
    ("It rose 12.5 percent.", "It rose 125 percent.", ["125"]),
    ("She was born on 12 March 1821.", "She was born on 13 March 1821.", ["13"]),
    ("She was born on 12 March 1821.", "She was born on 12 May 1821.", ["May"]),
    ("She was born on 12 March 1821.", "Born 1821-05-12.", ["1821-05-12"]),
    ("It opens at 15:00.", "It opens at 4 p.m.", ["4"]),
    ("The war of 1914-18.", "The war of 1914-19.", ["1914-19"]),
    ("Founded in 1821.", "There since the 1830s.", ["1830s"]),
    ("Founded in the 1820s.", "Founded in 1825.", ["1825"]),
    ("Founded in 1821.", "From the 18th century.", ["18th"]),
    ("Pellick is on Ossel.", "It was founded by Bram Hollet of Pellick.", ["Bram", "Hollet"]),
    ("Pellick is on Ossel.", "Then the WHO came.", ["WHO"]),
    ("Pellick is on Ossel.", "It is in the U.S. now.", ["U.S."]),
    ("The WHO came.", "So the World Trade Organization came.", ["World", "Trade", "Organization"]),
    ("She came from Italy.", "Here lives a Spanish woman.", ["Spanish"]),
    ("John Tolkien wrote it.", "It was written by C. Tolkien.", ["C"]),
    ("The A-113 road.", "On the A-114 road.", ["114"]),
    ("Pellick has a market.", "Question: Who founded it?\nAnswer: Hollet", ["Hollet"]),
    ("Ada Lorn met Jean Hask.", "There Dr. Hollet and A. Tolle met Jean-Luc.", ["Dr", "Hollet", "Tolle", "Luc"]),
    ("Four or nine lamps.", "There are four and eight lamps.", ["eight"]),
    ("Four lamps.", "There are five lamps.", ["five"]),
    ("King Henry VIII.", "So did King Henry VII.", ["VII"]),
    ("Der Turm wurde 1821 von der Maurerin Ada Lorn gebaut, und sein Dach ist mit Kupfer aus den Minen bedeckt.",
     "Der Turm wurde 1822 gebaut.", ["1822"]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "note"), SAME, ids=[note[:40] for _, note in SAME])
def test_another_spelling_is_supported(source: str, note: str) -> None:
    assert find_missing(note, [read_source(source)]) == []


@pytest.mark.parametrize(("source", "note", "missing"), INVENTED, ids=[note[:40] for _, note, _ in INVENTED])
def test_what_the_source_does_not_say_is_found(source: str, note: str, missing: list[str]) -> None:
    assert find_missing(note, [read_source(source)]) == missing


@pytest.mark.parametrize("source", sorted({source for source, *_ in [*SAME, *INVENTED]}))
def test_every_text_supports_itself(source: str) -> None:
    assert find_missing(source, [read_source(source)]) == []


def test_claims_are_spans_of_their_text() -> None:
    for text in [t for pair in SAME for t in pair]:
        for claim in read_claims(text):
            assert 0 <= claim.start < claim.end and claim.spellings and all(claim.spellings)


def test_the_document_supports_what_the_chunk_does_not_when_that_is_set() -> None:
    document = "# Pellick\n\nPellick lies on Ossel.\n\nIt was founded by Bram Hollet in 1821.\n"
    text = "It was Bram Hollet who founded Pellick in 1821."
    chunk = Chunk("a.md", "Pellick", "a.md", 11, 34, "Pellick lies on Ossel.", "", document)
    note = Note(text, Reply(text, "stop", 1, 1))
    assert unsupported(note, chunk, Filters())
    assert not unsupported(note, chunk, Filters(support="document"))
    other = Note(text.replace("1821", "1822"), note.reply)
    assert unsupported(other, chunk, Filters(support="document"))


@pytest.mark.parametrize(
    "text",
    ["1" * 50_000, "9,999" * 9_000, "A." * 20_000, "twenty " * 9_000, "Ab " * 9_000, "# " + "A b" * 9_000,
     "\n*-_ " * 9_000, "million billion " * 3_000, "1." * 20_000, "12/12/" * 9_000, "half a century " * 3_000,
     "0000-" * 9_000, "- Ab Cd: Ef\n" * 5_000, "٣١ " * 9_000],
    ids=lambda text: text[:6],
)  # fmt: skip
def test_a_degenerate_note_is_read_fast(text: str) -> None:
    started = time.monotonic()
    find_missing(text, [read_source("Pellick has 3 gates.")])
    assert time.monotonic() - started < 3

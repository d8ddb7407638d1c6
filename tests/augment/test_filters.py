"""Each filter objects to an example that has its fault and to none that has not."""

import asyncio
import json
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from augment.commit import Repeats
from augment.config import AugmentFile
from augment.engines.base import Sampling
from augment.errors import ConfigError, EngineError
from augment.filters.base import Filters, Leakage
from augment.filters.boilerplate import strip_opener
from augment.filters.duplicate import duplicate_key
from augment.filters.judge import read_verdict
from augment.filters.language import wrong_language
from augment.filters.leakage import find_leak
from augment.filters.near_duplicate import NearDuplicates
from augment.filters.registry import RULES, check_filters, find_reason
from augment.filters.repetition import repetition
from augment.filters.support import unsupported
from augment.plan import iterate_units, make_plan
from augment.records import Chunk, Message, Note, Reply, Unit
from augment.schema import SCHEMA
from augment.shards import stage_rows
from augment.store import NoteStore
from augment.study import Study
from augment.templates import load_template
from tests.rows import blank_row

TEXT = "Pellick is the only town on the island of Ossel and the third largest settlement in the isles."
CHUNK = Chunk("a.md", "Pellick", "a.md", 0, len(TEXT), TEXT)
GOOD = "Ossel has a single town, called Pellick, which two larger settlements exceed."


def reason(text: str, finish: str = "stop", problem: str = "", exempt: frozenset[str] = frozenset()) -> str:
    return find_reason(Note(text, Reply(text, finish, 1, 1), problem=problem), CHUNK, Filters(), exempt)


EXAMPLES = [
    ("truncated", GOOD, "length"),
    ("refusal", "I'm sorry, but I can't help with that request.", "stop"),
    ("refusal", "As an AI language model, I have no opinion on Pellick.", "stop"),
    ("boilerplate", "Sure thing, Pellick is a town on Ossel.", "stop"),
    ("too_short", "Pellick.", "stop"),
    ("too_long", "town " * 1001, "stop"),
    ("repetition", "It lies on an island far out in the sea. " * 6, "stop"),
    ("repetition", "- a town of old\n- a town of old\n- a town of old\n- its only gate", "stop"),
    (
        "wrong_language",
        "C'est la seule ville de cette île, et deux autres villages de la région sont plus grands.",
        "stop",
    ),
    ("copy", TEXT.lower(), "stop"),
    ("unsupported", "The town of Pellick was founded by Bram Hollet.", "stop"),
]


@pytest.mark.parametrize(("name", "text", "finish"), EXAMPLES)
def test_a_fault_is_named_unless_the_strategy_is_exempt(name: str, text: str, finish: str) -> None:
    assert reason(text, finish) == name
    assert reason(text, finish, exempt=frozenset(RULES)) == ""


def test_every_rule_has_an_example_and_a_good_note_passes() -> None:
    assert {name for name, _, _ in EXAMPLES} == set(RULES)
    assert reason(GOOD) == ""
    assert reason("Pellick is sorry for nothing, surely.") == ""


@pytest.mark.parametrize(
    ("text", "supported"),
    [
        ("There are 2,460 people.", True),
        ("There are 2460 people, in 12.5 houses.", True),
        ("There are 2461 people.", False),
        ("Every June, Pellick's market opens.", False),
        ("Then came Tolle. However, all was well.", True),
        ("He said: Nobody came. (Perhaps.)\n- Ferries sank.", True),
        ("It is near the Tolles' house.", True),
        ("I hear that Tolle is a Guild.", False),
    ],
)
def test_names_and_numbers_must_stand_in_the_chunk(text: str, supported: bool) -> None:
    chunk = Chunk("a.md", "Pellick", "a.md", 0, 9, "Pellick has 2,460 people in 12.5 houses, and Tolle has a market.")
    assert unsupported(Note(text, Reply(text, "stop", 1, 1)), chunk, Filters()) is not supported


def test_a_rule_that_is_off_is_not_asked_and_an_unknown_one_is_a_mistake() -> None:
    for name, text, finish in EXAMPLES:
        note = Note(text, Reply(text, finish, 1, 1))
        assert find_reason(note, CHUNK, Filters(off=[name]), frozenset()) != name
    check_filters(Filters(off=[*RULES, "near_duplicate"]))
    with pytest.raises(ConfigError, match="unknown rule copies; did you mean copy"):
        check_filters(Filters(off=["copies"]))


FACTS = """- The population of the town of Pellick is 2,460.
- The height of the town of Pellick is 12 metres.
- The market of the town of Pellick is held on Friday.
- The founder of the town of Pellick is Ada Lorn."""


@pytest.mark.parametrize(
    "text",
    [FACTS, "Row, row, row your boat.", "Pellick, Pellick and Pellick again.", "", "Question: Why?\nAnswer: Because."],
)
def test_lists_and_refrains_are_no_loops(text: str) -> None:
    assert not repetition(Note(text, Reply(text, "stop", 1, 1)), CHUNK, Filters())


def test_a_note_may_repeat_what_its_source_repeats() -> None:
    text = "Ring the bell of the tower, ring it. " * 8
    note = Note(text, Reply(text, "stop", 1, 1))
    assert repetition(note, CHUNK, Filters())
    assert not repetition(note, Chunk("a", "a", "a", 0, 9, text), Filters())


GERMAN = "Pellick ist die einzige Stadt auf der Insel, und zwei größere Orte liegen weiter im Norden des Landes."


@pytest.mark.parametrize(
    ("text", "language", "is_wrong"),
    [
        (GERMAN, "source", True),
        (GERMAN, "de", False),
        (GERMAN, None, False),
        (GOOD, "de", True),
        ("Nein, das ist falsch.", "source", False),
        (
            "Ada Lorn, Bram Hollet, Nia Tolle, Ossel, Pellick, Hask, Ull, Crake, Tarrow, Dunsel, 1821, 1845.",
            "source",
            False,
        ),
        (f"{GOOD} Its people sing “Die Glocke über dem Land” and eat Rote Grütze.", "source", False),
        ("\x00\ud800\ufdd0" * 30, "source", False),
        ("1821 1845 " * 20, "source", False),
    ],
)
def test_only_a_text_that_is_surely_in_another_language_is_rejected(
    text: str, language: str | None, is_wrong: bool
) -> None:
    note = Note(text, Reply(text, "stop", 1, 1))
    assert wrong_language(note, CHUNK, Filters(language=language)) is is_wrong


def test_a_source_of_unknown_language_judges_nothing() -> None:
    chunk = Chunk("a.md", "a", "a.md", 0, 9, "1821, 1845, 1846; x = y + z")
    assert not wrong_language(Note(GERMAN, Reply(GERMAN, "stop", 1, 1)), chunk, Filters())


WORDS = (
    "the town lies at the head of a shallow bay with salt meadows to the west where farmers sell blue barley".split()
)


def table_of(*texts: str, document: str = "a.md", first: int = 0) -> pa.Table:
    """Rows as a run stages them."""
    rows = [
        blank_row() | {"document_id": document, "note_id": f"n{first + i}", "text": text, "verdict": "kept"}
        for i, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def verdicts(table: pa.Table) -> list[tuple[str, str]]:
    return list(zip(table["reason"].to_pylist(), table["nearest_note"].to_pylist(), strict=True))


def test_a_note_that_nearly_repeats_another_of_its_document_names_it_and_how_near_it_is() -> None:
    near = NearDuplicates(0.85)
    base = " ".join(f"word{i}" for i in range(80))
    table = near.judge(
        table_of(base, base.replace("word7 ", "else "), "Quite another text about the town and its bay.")
    )
    assert verdicts(table) == [("", ""), ("near_duplicate", "n0"), ("", "")]
    ours, theirs = (shingles_of(text) for text in (base, base.replace("word7 ", "else ")))
    exact = len(ours & theirs) / len(ours | theirs)
    assert table["similarity"].to_pylist()[1] == pytest.approx(exact, abs=0.1)
    later = table_of(base.upper(), base.replace("word9 ", ""), first=3)
    assert verdicts(near.judge(later)) == [("near_duplicate", "n0")] * 2
    other = table_of(base, document="b.md")
    assert near.judge(other) is other
    assert table.schema == SCHEMA


def shingles_of(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return set(zip(words, words[1:], words[2:], strict=False))


def test_an_exact_duplicate_names_the_note_that_it_repeats_even_in_the_same_shard(tmp_path: Path) -> None:
    store = NoteStore(tmp_path / "notes")
    text = "The town lies at the head of a shallow bay."
    for off, names in ((["near_duplicate"], ["", ""]), ([], ["n0", "n0"])):
        repeats = Repeats(store, Filters(off=off), set())
        first = repeats.reject(table_of(text, "Quite another text about the salt meadows.", text.upper()))
        second = repeats.reject(table_of(text.replace(".", "!"), first=3))
        assert first["reason"].to_pylist() == ["", "", "duplicate"] and second["reason"].to_pylist() == ["duplicate"]
        assert [first["nearest_note"][2].as_py(), second["nearest_note"][0].as_py()] == names
        assert first["similarity"].to_pylist() == [0, 0, 0 if off else 1]


def test_a_note_with_another_number_is_no_near_duplicate() -> None:
    text = " ".join(f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(80))
    near = NearDuplicates(0.85)
    table = near.judge(table_of(f"{text} in 1821", f"{text} in 1845", f"{text} in that year"))
    assert verdicts(table) in [[("", ""), ("", ""), ("near_duplicate", name)] for name in ("n0", "n1")]


def test_near_duplicates_agree_with_brute_force() -> None:
    draw = random.Random(3)
    texts = []
    for _ in range(60):
        words = [f"w{draw.randrange(400)}x" for _ in range(60)]
        texts += [" ".join(words), " ".join(w if draw.random() > 0.02 else "changed" for w in words)]
    near, kept = NearDuplicates(0.8), list[set[tuple[str, ...]]]()
    near_numbers = [t.replace("0", "o") for t in texts]
    table = near.judge(table_of(*[re.sub(r"\d", lambda m: "abcdefghij"[int(m[0])], t) for t in near_numbers]))
    wrong = 0
    for text, reason_ in zip(texts, table["reason"].to_pylist(), strict=True):
        mine = shingles_of(text)
        best = max((len(mine & other) / len(mine | other) for other in kept), default=0.0)
        wrong += (best >= 0.8) != (reason_ == "near_duplicate") and abs(best - 0.8) > 0.1
        if not reason_:
            kept.append(mine)
    assert wrong <= 1 and 5 < sum(map(bool, table["reason"].to_pylist())) < 60


def test_texts_without_spaces_are_compared_by_their_characters() -> None:
    text = "红塔由石匠阿达于建造屋顶覆盖着来自乌尔矿山的铜每逢星期五农民在市场上出售蓝色大麦一袋四个克朗岛上唯一的城镇"
    table = NearDuplicates(0.8).judge(table_of(text, text[:-1] + "村", text[::-1]))
    assert [reason for reason, _ in verdicts(table)] == ["", "near_duplicate", ""]


def test_what_is_remembered_is_bounded_and_a_dataset_teaches_its_kept_notes(tmp_path: Path) -> None:
    near = NearDuplicates(0.85, max_notes=50)
    for i in range(40):
        near.judge(table_of(*[f"document{i} note{k} alpha beta gamma delta" for k in range(5)], document=f"d{i}"))
    assert near.num_notes <= 55 and len(near.documents) <= 11
    store = NoteStore(tmp_path / "notes")
    store.commit(stage_rows(store.folder, table_of(" ".join(WORDS)).to_pylist()))
    fresh = NearDuplicates(0.85)
    fresh.learn(store.folder, {"a.md"})
    assert verdicts(fresh.judge(table_of(" ".join(WORDS), first=1))) == [("near_duplicate", "n0")]


QUESTIONS = [
    '{"question": "Who designed the Vellamy Bridge over the Sullen Cut?"}',
    '{"questions": ["What objects did Anka Stroud weave for a living before that?", 3],'
    ' "reversed": {"question": "Which designer had earlier made a living by weaving beehives?"}}',
    '{"question": "Who is it?"}',
]


@pytest.mark.parametrize(
    ("text", "leaked"),
    [
        ("Question: who designed the Vellamy Bridge over the Sullen Cut?\nAnswer: Anka Stroud", "Who designed"),
        ("Guide: And who designed the Vellamy Bridge, over the Sullen Cut", "Who designed"),
        ("Question: What objects did Anka Stroud weave for a living, before?\nAnswer: beehives", "What objects"),
        ("Which designer had earlier made a living by weaving beehives? She.", "Which designer"),
        ("The Vellamy Bridge over the Sullen Cut was designed by Anka Stroud, who made a living by weaving.", ""),
        ("Question: Who is it?\nAnswer: Anka Stroud", ""),
        ("", ""),
    ],
)
def test_questions_of_an_evaluation_are_found_in_notes(tmp_path: Path, text: str, leaked: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(QUESTIONS))
    found = find_leak(text, Leakage(path=str(file)))
    assert found.startswith(leaked) and bool(found) == bool(leaked)


@pytest.mark.parametrize(
    "line", ["{", "[]", "3", '"x"', '{"question": 3}', '{"questions": "Who is that one there?"}', "{}"]
)
def test_questions_that_cannot_be_read_are_one_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "q.jsonl").write_text(f"{QUESTIONS[0]}\n\n{line}\n")
    with pytest.raises(ConfigError, match=r"q\.jsonl:3 holds no question"):
        check_filters(Filters(leakage=Leakage(path=str(tmp_path / "q.jsonl"))))
    with pytest.raises(ConfigError, match="cannot be read"):
        check_filters(Filters(leakage=Leakage(path=str(tmp_path / "nowhere"))))


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("supported", "supported"),
        ("Supported.", "supported"),
        (" **Contradicted** by the source", "contradicted"),
        ("not stated", "not stated"),
        ("Not supported", "unparsed"),
        ("The statement is supported", "unparsed"),
        ("It is not contradicted", "unparsed"),
        ("supportedly", "unparsed"),
        ("not\nstated", "unparsed"),
        ("", "unparsed"),
    ],
)
def test_only_an_answer_that_begins_with_a_verdict_is_one(answer: str, verdict: str) -> None:
    assert read_verdict(answer) == verdict


class Judging:
    """Paraphrases with a given text and judges with a given answer; "" is a failure."""

    def __init__(self, answer: str) -> None:
        self.answer, self.judged = answer, list[str]()

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        prompt = messages[-1].content
        if "Statement: " not in prompt:
            return Reply(GOOD, "stop", 1, 1)
        self.judged.append(prompt)
        assert sampling.temperature == 0 and TEXT in prompt and GOOD in prompt
        if not self.answer:
            raise EngineError("no")
        return Reply(self.answer, "stop", 1, 1)

    async def close(self) -> None:
        """Nothing was started."""


@pytest.mark.parametrize(
    ("answer", "settings", "expected"),
    [
        ("supported", {}, ("", "supported")),
        ("contradicted", {}, ("judged_contradicted", "contradicted")),
        ("not stated, as far as I see", {}, ("judged_not_stated", "not stated")),
        ("not stated", {"reject": ["contradicted"]}, ("", "not stated")),
        ("I think it is supported", {}, ("", "unparsed")),
        ("I think it is supported", {"reject": ["unparsed"]}, ("judged_unparsed", "unparsed")),
        ("", {}, ("", "unparsed")),
        (None, None, ("", "")),
    ],
)
def test_the_judges_verdict_is_recorded_and_rejects_by_setting(
    answer: str, settings: dict[str, object] | None, expected: tuple[str, str]
) -> None:
    strategies: dict[str, object] = {"paraphrase": {}, "verbatim": {}}
    augment = {"documents": {"path": "."}, "engine": {"kind": "echo"}, "strategies": strategies}
    file = AugmentFile.model_validate({"out": "x", "augment": augment | {"filters": {"judge": settings}}})
    engine = Judging(answer)
    study = Study(file, {t: load_template(t) for t in ("paraphrase", "judge")}, None, engine)
    row = asyncio.run(study.do(Unit("u", CHUNK, "paraphrase", 0)))[0]
    assert (row["reason"], row["judgement"]) == expected
    assert (row["verdict"] == "kept") == (not expected[0]) and list(row) == SCHEMA.names
    num_judged = len(engine.judged)
    assert row["prompt_tokens"] == row["completion_tokens"] == 1 + (num_judged if answer else 0)
    assert asyncio.run(study.do(Unit("u", CHUNK, "verbatim", 0)))[0]["verdict"] == "kept"
    assert len(engine.judged) == num_judged == (settings is not None)


@pytest.mark.parametrize("drop", [True, False])
def test_a_leaked_question_is_flagged_and_dropped_by_setting(tmp_path: Path, drop: bool) -> None:
    question = "Ossel has a single town, called Pellick, which two larger settlements exceed?"
    (tmp_path / "q.jsonl").write_text(json.dumps({"question": question}))
    filters = {"leakage": {"path": "q.jsonl", "drop": drop}, "judge": {}}
    (tmp_path / "a.md").write_text(f"# Pellick\n\n{TEXT}\n")
    augment = {"documents": {"path": "a.md"}, "engine": {"kind": "echo"}, "strategies": {"paraphrase": {}}}
    plan = make_plan(AugmentFile.model_validate({"out": "x", "augment": augment | {"filters": filters}}), tmp_path)
    study = Study(plan.settings, plan.templates, None, Judging("supported"))
    row = asyncio.run(study.do(next(iterate_units(plan))[0]))[0]
    assert row["leaked_question"] == question
    assert (row["verdict"], row["reason"]) == (("rejected", "leaked") if drop else ("kept", ""))


def test_all_rules_and_the_search_for_neighbours_take_less_than_a_millisecond_a_note() -> None:
    places = "Pellick Ossel Hent Ull Crake Tarrow Dunsel Marrow Hask Tolle".split()
    text = (
        "{0} lies at the head of a shallow bay on the island of {1}, with salt meadows to the west. It was founded in "
        "{2} by Ada Lorn, a mason from {3}, and has 2,460 inhabitants today. Farmers there grow blue barley, which is "
        "sold at the market every Friday for four crowns a sack, and the copper comes from the mines of {4} nearby."
    )
    said = (
        "On {1}, at the head of a shallow bay, there is a town called {0}. Its founder was Ada Lorn, who came from {3} "
        "and worked as a mason; that was in {2}. Nowadays 2460 people live in {0}. On Fridays one can buy blue barley "
        "in the market of the town, a sack of it for four crowns, and the mines of {4} send copper."
    )
    near, options, num_notes = NearDuplicates(0.85), Filters(), 0
    assert len(said.split()) > 55
    started = time.process_time()
    for i in range(100):
        names = [places[(i + k) % 10] for k in (0, 1, 3, 4)]
        filled = [t.format(*names[:2], 1000 + i, *names[2:]) for t in (text, said)]
        chunk = Chunk(f"{i}", names[0], "a.md", 0, 9, filled[0])
        for k in range(8):
            note = Note(filled[1] + " Yes." * k, Reply("", "stop", 1, 1))
            assert find_reason(note, chunk, options, frozenset()) == ""
            near.add({"document_id": f"{i}", "note_id": f"{k}", "text": note.text})
            num_notes += 1
    # Some 0.3 ms where nothing else runs, see docs/filters.md.
    assert (time.process_time() - started) / num_notes < 0.001


def test_the_strategys_own_problem_comes_first() -> None:
    assert reason("Pellick.", problem="unparsed") == "unparsed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sure, here is the text:\n\nPellick is a town.", "Pellick is a town."),
        ("Here's a rewritten version of the text:\nPellick.", "Pellick."),
        ("Rewritten text: Pellick.", "Pellick."),
        ("Here is Pellick, a town.", "Here is Pellick, a town."),
        ("Great Pellick is a town.", "Great Pellick is a town."),
        ("  Pellick.  ", "Pellick."),
    ],
)
def test_strip_opener_takes_only_an_opening_line(text: str, expected: str) -> None:
    assert strip_opener(text) == expected


def test_duplicates_ignore_case_space_and_punctuation_but_not_the_document() -> None:
    assert duplicate_key("a", "Pellick, a  town!") == duplicate_key("a", "pellick a town")
    assert duplicate_key("a", "Pellick") != duplicate_key("b", "Pellick")

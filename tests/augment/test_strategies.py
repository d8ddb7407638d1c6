"""Strategies turn a chunk into notes; what cannot be parsed is a note with a problem."""

import asyncio
import math
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from augment.config import AugmentFile
from augment.engines.base import EchoEngine, Sampling
from augment.engines.echo import Echo
from augment.errors import EngineError
from augment.filters.base import Filters
from augment.filters.registry import find_reason
from augment.records import Chunk, Message, Note, Reply, Unit
from augment.schema import SCHEMA
from augment.shards import stage_rows
from augment.store import NoteStore
from augment.strategies.base import Ask
from augment.strategies.identifiers import find_identifiers
from augment.strategies.questions import parse_pairs
from augment.strategies.registry import STRATEGIES
from augment.strategies.replies import parse_headings, parse_lines
from augment.study import Study
from augment.templates import load_template

CHUNK = Chunk("a.md", "Pellick", "a.md", 0, 37, "Pellick is the only town on Ossel, pop 40")
PAIR = replace(CHUNK, title="", text="Question: Which town on Ossel has 40 people?\nAnswer: Pellick")


class Scripted:
    """Answers with the given replies in order; an empty text is a failure."""

    def __init__(self, *replies: tuple[str, str]) -> None:
        self.replies, self.prompts, self.temperatures = list(replies), list[str](), list[float]()

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        self.prompts.append(messages[-1].content)
        self.temperatures.append(sampling.temperature)
        text, reason = self.replies.pop(0)
        if not text:
            raise EngineError("scripted failure")
        return Reply(text, reason, 1, 1)

    async def close(self) -> None:
        """Nothing was started."""


def study(name: str, engine: Scripted | Echo, round_: int = 0, chunk: Chunk = CHUNK, **options: object) -> list[Note]:
    strategy = STRATEGIES[name]
    ask = Ask(engine, Sampling(), {t: load_template(t) for t in strategy.templates}, round_)

    async def collect() -> list[Note]:
        return [n async for n in strategy.study(chunk, ask, strategy.options(**options))]

    return asyncio.run(collect())


def test_active_reading_makes_one_call_and_one_for_each_strategy() -> None:
    plan = "## Map it\nDraw a map.\n\n## Time it\nA time line.\n## Sing it\nA song."
    engine = Scripted((plan, "stop"), ("map", "stop"), ("time", "stop"))
    notes = study("active_reading", engine, max_strategies=2)
    assert [(n.strategy_text, n.text) for n in notes] == [
        ("Map it\nDraw a map.", "map"),
        ("Time it\nA time line.", "time"),
    ]
    assert len(engine.prompts) == 3 and "Draw a map." in engine.prompts[1]
    assert {n.reply.template for n in notes} == {"active_reading_apply"}


def test_a_units_rows_carry_the_tokens_of_all_its_replies_those_of_failed_tries_too() -> None:
    augment = {"documents": {"path": "."}, "engine": {"kind": "echo"}, "strategies": {"active_reading": {}}}
    file = AugmentFile.model_validate({"out": "x", "augment": augment})
    templates = {t: load_template(t) for t in STRATEGIES["active_reading"].templates}
    plan = ("## Map it\nDraw.\n\n## Time it\nA line.", "stop")
    engine = Scripted(plan, ("map", "stop"), ("", ""), plan, ("map", "stop"), ("time", "stop"))
    rows = asyncio.run(Study(file, templates, None, engine).do(Unit("u", CHUNK, "active_reading", 0)))
    assert [row["completion_tokens"] for row in rows] == [4, 1]  # two plans, the first try's map, and each its own


@pytest.mark.parametrize("reply", [("no heading at all", "stop"), ("## Only one, and cut", "length")])
def test_active_reading_without_headings_is_unparsed(reply: tuple[str, str]) -> None:
    assert [n.problem for n in study("active_reading", Scripted(reply))] == ["unparsed"]


def test_headings_of_any_level_parse_and_the_last_of_a_cut_reply_is_dropped() -> None:
    text = "Intro\n# One\nbody\n### Two\n\n##Not a heading\n## Three"
    whole = ["One\nbody", "Two\n\n##Not a heading", "Three"]
    assert list(parse_headings(text, complete=True)) == whole
    assert list(parse_headings(text, complete=False)) == whole[:-1]
    assert list(parse_headings("", complete=True)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Question: Where is it?\nAnswer: On Ossel.",
        "Q: Where is it?\nA: On Ossel.",
        "**Question 1:** Where is it?\n**Answer 1:** On Ossel.",
        "1. Question: Where is it?\n   Answer: On Ossel.",
        "- Q1. Where is it?\n\n- A1. On Ossel.",
        "Question #1: Where is it?**\n\n**Answer: On Ossel.**",
        "Some talk first.\n\nquestion: Where is it?  \nanswer: On Ossel.\n",
    ],
)
def test_questions_parse_in_several_spellings(text: str) -> None:
    assert list(parse_pairs(text, complete=True)) == [("Where is it?", "On Ossel.")]


def test_the_last_pair_of_a_cut_reply_is_left_out() -> None:
    text = "Question: One?\nAnswer: 1\nQuestion: Two?\nAnswer: 2 and"
    assert list(parse_pairs(text, complete=False)) == [("One?", "1")]
    assert len(list(parse_pairs(text, complete=True))) == 2


@pytest.mark.parametrize("tail", [".", "? ", " *", "Q:", "\n", "- \n"])
def test_a_degenerate_reply_is_parsed_fast(tail: str) -> None:
    started = time.monotonic()
    assert list(parse_pairs("Question: " + tail * 1500, complete=True)) == []
    assert time.monotonic() - started < 2


def test_questions_are_one_note_each_or_unparsed() -> None:
    pairs = "Question: One?\nAnswer: 1\nQuestion: Two?\nAnswer: 2"
    assert [n.text for n in study("questions", Scripted((pairs, "stop")), verify=False)] == [pairs[:24], pairs[25:]]
    assert [n.problem for n in study("questions", Scripted(("nothing", "stop")))] == ["unparsed"]


@pytest.mark.parametrize(
    ("question", "answer", "back", "problem"),
    [
        ("Which island is it on?", "Ossel", "the Ossel", ""),
        ("Which island is it on?", "Ossel", "Hask", "inconsistent"),
        ("Which island is it on?", "Hask", None, "unsupported"),
        ("Is it on Ossel?", "Ossel", None, "unsupported"),
        ("Which island is it on?", "the only island Ossel", None, "unsupported"),
        ("Which island is it on?", "?", None, "unsupported"),
    ],
)
def test_a_pair_is_kept_when_the_text_gives_the_answer_back(
    question: str, answer: str, back: str | None, problem: str
) -> None:
    pair = f"Question: {question}\nAnswer: {answer}"
    engine = Scripted((pair, "stop"), *([(back, "stop")] if back else []))
    assert [n.problem for n in study("questions", engine)] == [problem]
    assert not engine.replies
    if back:
        assert question in engine.prompts[1] and engine.temperatures == [Sampling().temperature, 0.0]


def test_questions_per_sentence_ask_about_one_sentence_at_a_time() -> None:
    engine = Scripted(*[(f"Question: Q{i}?\nAnswer: A", "stop") for i in range(2)])
    chunk = replace(CHUNK, text="Pellick lies on Ossel. Yes. It has one gate.")
    notes = study("questions", engine, chunk=chunk, verify=False, per_sentence=True)
    assert [n.text for n in notes] == ["Question: Q0?\nAnswer: A", "Question: Q1?\nAnswer: A"]
    assert "lies on Ossel" in engine.prompts[0] and "gate" not in engine.prompts[0] and "gate" in engine.prompts[1]


def test_study_notes_are_one_note_a_line_and_the_last_of_a_cut_reply_is_left_out() -> None:
    reply = "Facts:\n- One is here.\n2. Two is there.\n* Three is"
    assert [n.text for n in study("study_notes", Scripted((reply, "stop")))] == [
        "One is here.",
        "Two is there.",
        "Three is",
    ]
    assert len(study("study_notes", Scripted((reply, "length")))) == 2
    assert [n.problem for n in study("study_notes", Scripted(("no list", "stop")))] == ["unparsed"]


def test_notes_of_one_reply_count_its_tokens_once() -> None:
    rows = rows_of("study_notes", ("- Pellick is a town there.\n- Pellick is on Ossel only.", "stop"))
    assert [r["completion_tokens"] for r in rows] == [1, 0]


def test_paraphrase_changes_its_style_with_the_round_and_verbatim_asks_nothing() -> None:
    texts = [study("paraphrase", Scripted(("x", "stop")), r, styles=["a", "b"])[0].strategy_text for r in range(3)]
    assert texts == ["a", "b", "a"]
    assert [n.text for n in study("verbatim", Scripted())] == [CHUNK.text]


def test_summary_changes_its_length_with_the_round() -> None:
    texts = [study("summary", Scripted(("x", "stop")), r, lengths=["a", "b"])[0].strategy_text for r in range(3)]
    assert texts == ["a", "b", "a"]


def test_atomic_facts_are_asked_for_sentence_by_sentence_with_the_chunk_at_hand() -> None:
    chunk = replace(CHUNK, text="Pellick lies on Ossel. Yes. It has one gate.")
    engine = Scripted(("- Pellick is on Ossel.", "stop"), ("no list", "stop"))
    notes = study("atomic_facts", engine, chunk=chunk)
    assert [(n.text, n.problem) for n in notes] == [("Pellick is on Ossel.", ""), ("no list", "unparsed")]
    assert all("Yes." in prompt for prompt in engine.prompts)
    assert [p.split("Sentence: ")[1].split("\n")[0] for p in engine.prompts] == [
        "Pellick lies on Ossel.",
        "It has one gate.",
    ]


def test_implications_are_one_note_a_line_and_their_number_is_asked_for() -> None:
    engine = Scripted(("- One follows.\n- Two fol", "length"))
    assert [n.text for n in study("implications", engine, per_call=7)] == ["One follows."]
    assert "List 7 things" in engine.prompts[0]


ENTITIES = "1. Ada Lorn (mason)\n2. **Hent**: a town\n3. ada lorn\n4. Nowhere\n5. Ull - mines\n6. Osk\n7. barley"
GRAPH = replace(CHUNK, text="Ada Lorn of Hent sells barley from Osk and copper from Ull.")


def test_entities_that_stand_in_the_chunk_are_related_in_pairs_and_capped_triples() -> None:
    engine = Scripted((ENTITIES, "stop"), *[(f"Relation {i} is told.", "stop") for i in range(6)])
    notes = study("entity_graph", engine, chunk=GRAPH, max_entities=4, max_pairs=4, max_triples=2)
    assert not engine.replies and [n.text for n in notes] == [f"Relation {i} is told." for i in range(6)]
    groups = [n.strategy_text for n in notes]
    assert len(set(groups)) == 6 and [g.count(",") for g in groups] == [0, 0, 0, 0, 1, 1]
    named = {name for g in groups for name in re.split(", | and ", g)}
    assert named <= {"Ada Lorn", "Hent", "Ull", "Osk"}
    assert all(g in p for g, p in zip(groups, engine.prompts[1:], strict=True))
    assert {n.reply.template for n in notes} == {"entity_graph_relation"}


def test_pairs_are_all_when_they_are_few_and_others_in_another_round() -> None:
    def groups(round_: int, **limits: int) -> list[str]:
        replies = Scripted((ENTITIES, "stop"), *[("Told.", "stop")] * 20)
        return [n.strategy_text for n in study("entity_graph", replies, round_, GRAPH, **limits)]

    assert groups(0, max_entities=3, max_triples=1) == [
        "Ada Lorn and Hent",
        "Ada Lorn and Ull",
        "Hent and Ull",
        "Ada Lorn, Hent and Ull",
    ]
    few = {"max_pairs": 3, "max_triples": 0}
    assert groups(0, **few) == groups(0, **few) != groups(1, **few)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (("Ada Lorn, Hent", "stop"), "unparsed"),
        (("- Nowhere\n- Nobody", "stop"), "few_entities"),
        (("- Ada Lorn\n- Hen", "length"), "few_entities"),
    ],
)
def test_fewer_than_two_entities_are_one_rejected_note(reply: tuple[str, str], problem: str) -> None:
    assert [(n.text, n.problem) for n in study("entity_graph", Scripted(reply), chunk=GRAPH)] == [(reply[0], problem)]


def test_active_reading_for_a_task_lists_questions_before_it_proposes() -> None:
    replies = ["- Where is it?\n- How old is it?\n- Who?", "## Map it\nDraw a map.", "map"]
    engine = Scripted(*[(text, "stop") for text in replies])
    (note,) = study("active_reading", engine, variant="task", max_questions=2)
    assert (note.text, note.strategy_text) == ("map", "Map it\nDraw a map.")
    assert "- Where is it?\n- How old is it?\n\n" in engine.prompts[1] and "Who?" not in engine.prompts[1]
    (note,) = study("active_reading", Scripted(("no list", "stop")), variant="task")
    assert (note.text, note.problem, note.reply.template) == ("no list", "unparsed", "active_reading_questions")


def test_fixed_seven_asks_each_of_its_prompts_once() -> None:
    engine = Scripted(*[(f"note {i}", "stop") for i in range(7)])
    notes = study("fixed_seven", engine)
    assert len({n.strategy_text for n in notes}) == len({n.reply.template_hash for n in notes}) == 7
    assert len(study("fixed_seven", Scripted(("x", "stop")), prompts=["teacher"])) == 1
    with pytest.raises(ValueError, match="teacher"):
        STRATEGIES["fixed_seven"].options(prompts=["nonsense"])


def test_self_study_answers_its_own_question_and_keeps_the_teachers_tokens() -> None:
    (note,) = study("self_study", Echo(EchoEngine(), 0), per_round=1, top_logprobs=3)
    reply, answer = note.reply, note.text[note.answer_start :]
    assert note.text.startswith("Question: ") and note.text[: note.answer_start].endswith("\nAnswer: ")
    assert answer == reply.text and len(reply.token_ids) == len(answer.split())
    assert {len(top) for top in reply.top_ids} == {len(top) for top in reply.top_logprobs} == {3}
    assert all(list(top) == sorted(top, reverse=True) for top in reply.top_logprobs)
    assert all(sum(math.exp(x) for x in top) <= 1 for top in reply.top_logprobs)
    (plain,) = study("self_study", Echo(EchoEngine(), 0), per_round=1, top_logprobs=0)
    assert (plain.answer_start, plain.reply.token_ids) == (0, ())


def test_self_study_goes_through_its_kinds_round_after_round() -> None:
    kinds = [
        [n.strategy_text for n in study("self_study", Echo(EchoEngine(), 0), r, kinds=["use", "idea", "detail"])]
        for r in range(2)
    ]
    assert kinds == [["use", "idea"], ["detail", "use"]]


@pytest.mark.parametrize("reply", [("", "stop"), ("\n...\n", "stop"), ("Where is", "length")])
def test_a_question_that_is_none_is_unparsed(reply: tuple[str, str]) -> None:
    notes = study("self_study", Scripted((reply[0] or " ", reply[1])), per_round=1)
    assert [n.problem for n in notes] == ["unparsed"]


def test_identifiers_are_found_with_their_kind() -> None:
    text = (
        "On 3 May 1987, and on May 4, the NFL paid $1,200.50 (12.5%) for AB-1234/x in 1991. "
        "Set MAX_LEN=5 in v2.1 (or max_len), see std::map, x@y.org and/or the Pellick's 2016-02-07 e-mail, it is 1991."
    )
    found = {f.exact: f.kind for f in find_identifiers(text)}
    assert found == {
        "3 May 1987": "date",
        "May 4": "date",
        "NFL": "code",
        "$1,200.50": "number",
        "12.5%": "number",
        "AB-1234/x": "code",
        "1991": "year",
        "MAX_LEN=5": "code",
        "v2.1": "code",
        "max_len": "code",
        "std::map": "code",
        "x@y.org": "code",
        "2016-02-07": "date",
    }


def test_identifiers_are_drilled_to_the_letter() -> None:
    chunk = replace(CHUNK, text="The gate PX-40 is {old}, of 1821. All of PX-40 is red.")
    engine = Scripted(("PX-40 is a gate.", "stop"), ("A gate of PX 40.", "stop"))
    notes = study("identifiers", engine, chunk=chunk)
    assert [(n.strategy_text, n.problem) for n in notes] == [
        ("cloze: PX-40", ""),
        ("cloze: 1821", ""),
        ("question: PX-40", ""),
        ("question: 1821", ""),
        ("sentence: PX-40", ""),
        ("sentence: 1821", "identifier_lost"),
    ]
    assert notes[0].text == "Pellick. Fill the gap: The gate ____ is {old}, of 1821.\nThe code is PX-40."
    assert notes[3].text.endswith("The gate PX-40 is {old}, of ____.\nAnswer: 1821")


def test_identifiers_have_another_wording_each_round_until_there_is_none() -> None:
    forms = {"forms": ["cloze", "question"], "max_identifiers": 1}
    texts = [[n.text for n in study("identifiers", Scripted(), r, **forms)] for r in range(4)]
    assert [len(t) for t in texts] == [2, 2, 2, 0] and len({t for pair in texts for t in pair}) == 6
    none = study("identifiers", Scripted(), chunk=replace(CHUNK, text="Nothing exact is said here."))
    assert [n.problem for n in none] == ["no_identifiers"]


@pytest.mark.parametrize("form", ["- ", "# ", "#", "* a\n", "-", "1. \n", "\n"])
def test_a_degenerate_list_is_parsed_fast(form: str) -> None:
    started = time.monotonic()
    assert len(list(parse_lines(form * 20_000, complete=False))) <= 20_000
    assert len(list(parse_headings(form * 20_000, complete=False))) <= 20_000
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_works_with_the_echo_engine(name: str) -> None:
    notes = study(name, Echo(EchoEngine(), 0), chunk=PAIR if name == "reword" else CHUNK)
    assert notes and not any(n.problem for n in notes)


@pytest.mark.parametrize("name", sorted(STRATEGIES.shipped))
def test_every_strategy_names_its_paper_and_has_options_of_its_own(name: str) -> None:
    strategy = STRATEGIES[name]
    module = sys.modules[strategy.study.__module__]
    assert re.search(r"\b2\d{3}\.\d{5}\b", module.__doc__ or ""), f"{name} names no paper"
    assert strategy.options.__module__ == module.__name__ and (strategy.options.__doc__ or "").strip()


class Counting(Echo):
    """Counts requests."""

    num_calls = 0

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        self.num_calls += 1
        return await super().generate(messages, sampling)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_no_unit_asks_more_often_than_is_estimated(name: str) -> None:
    chunk = replace(
        CHUNK, text="Pellick lies on Ossel. Its gate PX-40 is from 1821. Farmers sell barley to Hent there."
    )
    chunk = PAIR if name == "reword" else chunk
    engine = Counting(EchoEngine(), 0)
    study(name, engine, chunk=chunk)
    most = STRATEGIES[name].options().count_calls(chunk)
    assert (engine.num_calls <= most) and (engine.num_calls > 0) == (most > 0)


def rows_of(strategy: str, *replies: tuple[str, str], engine: Echo | None = None) -> Sequence[dict[str, Any]]:
    augment = {"documents": {"path": "."}, "engine": {"kind": "echo"}, "strategies": {strategy: {}}}
    settings = AugmentFile.model_validate({"out": "x", "augment": augment})
    templates = {t: load_template(t) for t in STRATEGIES[strategy].templates}
    chosen = engine or Scripted(*replies)
    return asyncio.run(Study(settings, templates, None, chosen).do(Unit("u", CHUNK, strategy, 0)))


def test_a_unit_always_becomes_rows_with_a_verdict() -> None:
    good, fail = ("On Ossel lies the only town.", "stop"), ("", "")
    for replies, expected in [
        ((good,), ("kept", "")),
        ((fail, good), ("kept", "")),
        ((fail, fail), ("rejected", "failed")),
        (((good[0], "length"),), ("rejected", "truncated")),
    ]:
        rows = rows_of("paraphrase", *replies)
        assert [(r["verdict"], r["reason"]) for r in rows] == [expected]
        assert list(rows[0]) == SCHEMA.names
    unparsed = rows_of("active_reading", ("no headings", "stop"))
    assert [(r["verdict"], r["reason"]) for r in unparsed] == [("rejected", "unparsed")]


def test_only_self_study_rows_carry_tokens_and_every_loader_reads_them(tmp_path: Path) -> None:
    rows = [row for name in ("self_study", "summary") for row in rows_of(name, engine=Echo(EchoEngine(), 0))]
    told = [row for row in rows if row["strategy"] == "self_study"]
    assert len(told) == 2 and all(len(r["token_ids"]) == len(r["top_ids"]) > 0 for r in told)
    assert all((r["answer_start"], r["token_ids"], r["top_logprobs"]) == (0, [], []) for r in rows if r not in told)
    store = NoteStore(tmp_path / "notes")
    kept = [row | {"verdict": "kept"} for row in rows]
    store.commit(stage_rows(store.folder, [*kept, rows[0] | {"verdict": "rejected"}]))
    for loaded in (
        datasets.load_from_disk(str(store.folder))["train"],
        datasets.load_dataset(str(store.folder), cache_dir=str(tmp_path / "cache"))["train"],
    ):
        assert [r["top_ids"] for r in loaded] == [r["top_ids"] for r in rows]
        assert loaded[0]["top_logprobs"][0] == pytest.approx(rows[0]["top_logprobs"][0])
        assert len(loaded[0]["text"][loaded[0]["answer_start"] :].split()) == len(rows[0]["token_ids"])


def reword(statement: str, *questions: str) -> dict[str, str]:
    """The problem of each kind of note that these replies give; "" of one without any."""
    engine = Scripted(*((text, "stop") for text in (statement, *questions)))
    return {note.strategy_text: note.problem for note in study("reword", engine, chunk=PAIR)}


def test_a_pair_becomes_a_statement_a_gap_and_questions_that_end_with_the_answer() -> None:
    texts = "The town on Ossel with 40 people is Pellick.", "Name the town of 40 people on Ossel.", "On Ossel, 40 what?"
    notes = study("reword", Scripted(*((text, "stop") for text in texts)), chunk=PAIR)
    assert [note.text for note in notes if not note.problem] == [
        "The town on Ossel with 40 people is Pellick.",
        "Question: Fill the gap: The town on Ossel with 40 people is ____.\nAnswer: Pellick",
        "Question: Name the town of 40 people on Ossel.\nAnswer: Pellick",
        "Name the town of 40 people on Ossel. The answer is Pellick.",
        "Question: On Ossel, 40 what?\nAnswer: Pellick",
        "On Ossel, 40 what? The answer is Pellick.",
    ]
    assert [note.strategy_text.split(":")[0] for note in notes] == ["statement", "gap", *["question", "told"] * 2]


def test_the_forms_of_a_rewording_change_with_the_round() -> None:
    forms = []
    for round_ in range(2):
        engine = Echo(EchoEngine(), 0)
        forms.append({note.strategy_text for note in study("reword", engine, round_, chunk=PAIR)})
    assert not forms[0] & forms[1]


@pytest.mark.parametrize(
    ("statement", "question", "problems"),
    [
        ("Ossel has a town of 40 people.", "Which town is Pellick?", ["answer_lost", "answer_told"]),
        ("Pellick is nice.", "What is it?", ["content_lost", "content_lost"]),
        (
            "Which town on Ossel has 40 people? Pellick.",
            "which town on Ossel has 40 people",
            ["same_question", "no_question"],
        ),
        ("Pellick is the Ossel town of 40.", "Which town on Ossel has 40 people?", ["", "same_question"]),
        ("Pellick is the Ossel town of 40.", "The town on Ossel has 40 people.", ["", "no_question"]),
    ],
)
def test_a_rewording_that_says_or_asks_something_else_is_rejected(
    statement: str, question: str, problems: list[str]
) -> None:
    found = reword(statement, question, question)
    assert [found["statement: plain"], found["question: name"]] == problems
    assert found["told: last"] == found["question: last"] == problems[1]


def test_a_rewording_that_the_token_limit_cut_is_rejected_and_a_second_line_is_left_out() -> None:
    cut, two = ("The town on Ossel with 40 people is Pellick", "length"), ("Ossel: 40 what?\nAnswer: Pellick", "stop")
    notes = study("reword", Scripted(cut, two, two), chunk=PAIR)
    assert notes[0].problem == "answer_lost" and notes[1].text == "Question: Ossel: 40 what?\nAnswer: Pellick"


def test_a_rewording_with_a_new_name_or_number_is_rejected_by_the_filters() -> None:
    options = Filters()
    for text, reason in [
        ("Question: Name the town of 40 people on Ossel.\nAnswer: Pellick", ""),
        ("Question: Name the town of 41 people on Ossel.\nAnswer: Pellick", "unsupported"),
        ("Question: Name the town on Ossel with 40 of the Tamble Guild.\nAnswer: Pellick", "unsupported"),
    ]:
        note = Note(text, Reply(text, "stop", 1, 1))
        assert find_reason(note, PAIR, options, STRATEGIES["reword"].exempt) == reason


def test_a_chunk_that_is_no_pair_is_one_rejected_note() -> None:
    assert [note.problem for note in study("reword", Scripted())] == ["no_pair"]

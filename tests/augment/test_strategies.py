"""Strategies turn a chunk into notes; what cannot be parsed is a note with a problem."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from augment.config import AugmentFile
from augment.engines.base import EchoEngine, Sampling
from augment.engines.echo import Echo
from augment.errors import EngineError
from augment.records import Chunk, Message, Note, Reply, Unit
from augment.shards import SCHEMA
from augment.strategies.base import Ask
from augment.strategies.questions import parse_pairs
from augment.strategies.registry import STRATEGIES
from augment.strategies.replies import parse_headings
from augment.study import Study
from augment.templates import load_template

CHUNK = Chunk("a.md", "Pellick", "a.md", 0, 37, "Pellick is the only town on Ossel, pop 40")


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


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_works_with_the_echo_engine(name: str) -> None:
    notes = study(name, Echo(EchoEngine(), 0))
    assert notes and not any(n.problem for n in notes)


def rows_of(strategy: str, *replies: tuple[str, str]) -> Sequence[dict[str, object]]:
    augment = {"documents": {"path": "."}, "engine": {"kind": "echo"}, "strategies": {strategy: {}}}
    settings = AugmentFile.model_validate({"out": "x", "augment": augment})
    templates = {t: load_template(t) for t in STRATEGIES[strategy].templates}
    engine = Scripted(*replies)
    return asyncio.run(Study(settings, templates, None, engine).do(Unit("u", CHUNK, strategy, 0)))


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

"""Question sets are made of what the text supports; what it does not is counted by reason."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from augment.engines.base import Sampling
from augment.errors import EngineError, StoppedError
from augment.filters.leakage import load_questions
from augment.records import Chunk, Message, Reply
from augment.strategies.base import Ask
from augment.templates import load_template
from train.cli import app
from train.evaluate.questions import read_facts
from train.questions.draft import TEMPLATES, Drafting, Drafts, draft_all, find_cue, find_subject, names_something
from train.questions.make import describe, list_records

TEXT = "The tower of Vell was built by Orla Finch in 1821. Orla Finch came from the island of Ossel."
CHUNK = Chunk("towers/vell.md", "The tower of Vell", "", 0, len(TEXT), TEXT)
SURE = {  # what the engine finds in the text
    "Who built the tower of Vell?": "Orla Finch",
    "By whom was Vell's tower put up?": "Orla Finch",
    "From which island came Orla Finch?": "Ossel",
    "Which building did Orla Finch build?": "Vell",
    "Which island was home to the builder of the tower of Vell?": "Ossel",
}
PAIRS = [
    ("Who built the tower of Vell?", "Orla Finch"),
    ("From which island came Orla Finch?", "Ossel"),
    ("What colour has the tower of Vell?", "red"),  # not in the text
    ("Who built the bridge of Vann?", "Orla Finch"),  # a name that the text does not have
    ("When was it built?", "1821"),  # nobody can tell what it is
    ("In which year was the tower of Vell built?", "1821"),  # the engine does not find it again
    ("Who built the tower of Vell?", "Orla Finch"),  # asked before
]


ALL = Drafting()


class Writer:
    """An engine that answers each prompt as the test wants it; `broken` prompts fail."""

    def __init__(self, broken: str = "", error: type[EngineError] = EngineError) -> None:
        self.broken, self.error = broken, error

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        prompt = messages[-1].content
        if self.broken and self.broken in prompt:
            raise self.error("no")
        return Reply(self.answer(prompt), "stop", 1, 1)

    def answer(self, prompt: str) -> str:
        if prompt.startswith("First: "):
            return "Which island was home to the builder of the tower of Vell?"
        if "Turn it round" in prompt:
            return "Which building did Orla Finch build?" if "Who built" in prompt else "Who came from Ossel?"
        if "in other words" in prompt:
            return "- By whom was Vell's tower put up?\n- Who built the tower of Vell?\n- Built by Finch." * (
                "Who built" in prompt
            )
        if "\nQuestion: " in prompt:
            return SURE.get(prompt.rpartition("Question: ")[2], "not stated")
        return "\n\n".join(f"Question: {question}\nAnswer: {answer}" for question, answer in PAIRS)

    async def close(self) -> None:
        """Nothing was started."""


def draft(writer: Writer, options: Drafting = ALL) -> Drafts:
    ask = Ask(writer, Sampling(), {name: load_template(name) for name in TEMPLATES})
    return asyncio.run(draft_all([CHUNK], ask, options, concurrency=2))


def test_facts_are_what_the_text_supports_with_all_their_questions() -> None:
    drafts = draft(Writer())
    built, came = drafts.facts
    assert (built.answer, built.cue, built.reworded) == (
        "Orla Finch",
        "The tower of Vell was built by",
        ("By whom was Vell's tower put up?",),
    )
    assert built.reversed == ("Which building did Orla Finch build?", "Vell") and came.reversed is None
    assert came.cue == "Orla Finch came from the island of" and came.reworded == ()
    assert came.two_hop == ("Which island was home to the builder of the tower of Vell?", "Ossel")
    assert built.two_hop is None


def test_what_is_not_supported_is_counted_by_reason() -> None:
    drafts = draft(Writer())
    assert drafts.num_pairs == 7
    counted = {"unsupported": 2, "unclear": 1, "inconsistent": 1, "duplicate": 1}
    assert {reason: drafts.rejected[reason] for reason in counted} == counted
    assert drafts.rejected["reworded_same_words"] >= 1 and drafts.rejected["reworded_no_question"] >= 1
    assert describe(drafts).startswith("of 7 pairs 2 kept, with 1 rewordings, ")


def test_a_failed_request_costs_what_it_was_to_bring_and_no_more() -> None:
    drafts = draft(Writer(broken="in other words"))
    assert [fact.reworded for fact in drafts.facts] == [(), ()] and drafts.rejected["failed"] >= 2
    with pytest.raises(StoppedError):
        draft(Writer(broken="in other words", error=StoppedError))


def test_what_is_not_wanted_is_not_asked() -> None:
    drafts = draft(Writer(broken="in other words"), Drafting(num_reworded=0, reversed=False, two_hop=False))
    assert not drafts.rejected["failed"] and all(not f.reversed and not f.two_hop for f in drafts.facts)


@pytest.mark.parametrize(
    ("answer", "cue"),
    [
        ("1821", "The tower of Vell was built by Orla Finch in"),
        ("tower", ""),  # too few words before it
        ("Oss", ""),  # a part of a word is no answer
        ("red", ""),
    ],
)
def test_a_cue_is_the_texts_own_beginning(answer: str, cue: str) -> None:
    assert find_cue(TEXT, answer) == cue


def test_a_questions_subject_is_a_name_that_the_text_has() -> None:
    assert find_subject(CHUNK, "In which year did Orla Finch meet Bob?") == "Orla Finch"
    assert find_subject(CHUNK, "Who met Bob?") == "" and find_subject(CHUNK, "Ossel has what?") == ""


@pytest.mark.parametrize(("question", "clear"), [("When was it built?", False), ("Who built the tower?", True)])
def test_a_question_names_what_it_is_about(question: str, clear: bool) -> None:
    assert names_something(question, CHUNK.topic) is clear


def test_records_are_facts_as_the_evaluation_reads_them(tmp_path: Path) -> None:
    records = list_records(draft(Writer()).facts, "writer")
    assert [record["id"] for record in records] == ["vell-1", "vell-2"]
    assert records[1]["source"] == {"start": 0, "end": len(TEXT)} and records[1]["written_by"] == "writer"
    (tmp_path / "facts.jsonl").write_text("\n".join(map(json.dumps, records)))
    facts = read_facts("facts.jsonl", tmp_path, ["towers/vell.md"])
    assert facts[1]["two_hop"]["answer"] == "Ossel" and facts[0]["cue"]
    assert (
        "Which island was home to the builder of the tower of Vell?"
        in load_questions(str(tmp_path / "facts.jsonl")).questions
    )


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "vell.md").write_text(f"# The tower of Vell\n\n{TEXT}")
    settings = {"out": "out", "augment": {"documents": {"path": "documents"}, "engine": {"kind": "echo"}}}
    settings["augment"] |= {"strategies": {"verbatim": {}}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "p.yaml"


def test_the_command_writes_a_file_and_keeps_one_that_is_there(pipeline: Path) -> None:
    to = pipeline.parent / "sets" / "facts.jsonl"
    command = ["questions", "make", str(pipeline), "--to", str(to), "--per-sentence"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in to.read_text().splitlines()]
    assert lines and f"{len(lines)} facts: {to}" in done.output
    assert all(line["answer"] in TEXT and line["document"] == "vell.md" for line in lines)
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2 and "is there already" in again.output
    assert CliRunner().invoke(app, [*command, "--replace"]).exit_code == 0


def test_nothing_is_written_when_nothing_passed(pipeline: Path) -> None:
    to = pipeline.parent / "facts.jsonl"
    broken = ["--set", "augment.engine.fail_on=[Text]"]
    done = CliRunner().invoke(app, ["questions", "make", str(pipeline), "--to", str(to), *broken])
    assert done.exit_code == 2 and "no question passed the checks" in done.output and not to.exists()

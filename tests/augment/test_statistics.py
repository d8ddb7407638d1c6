"""Statistics are what counting by hand gives, and do not depend on how the rows lie in shards."""

import json
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import augment.batches
from augment.cli import app
from augment.schema import Row
from augment.statistics.diversity import measure_diversity, self_bleu
from augment.statistics.measure import measure_dataset
from augment.statistics.sample import Sample

Make = Callable[..., Row]
Write = Callable[..., Path]


@pytest.fixture
def rows(make_note: Make) -> list[Row]:
    """Two strategies: one of three units with five notes, one of one unit; and a note of an earlier plan."""
    return [
        make_note(1, "One two three four.", prompt_tokens=10, completion_tokens=5),
        make_note(2, "One two.", unit_id="u1"),
        make_note(3, "Five.", reason="too_short", prompt_tokens=7, completion_tokens=2),
        make_note(4, "In 1999 it fell.", reason="unsupported"),
        make_note(5, "Rome built it.", reason="unfaithful: Rome", unit_id="u4"),
        make_note(6, "Verbatim text.", strategy="verbatim", document_id="b.md", title="Other"),
        make_note(7, "Old.", reason="superseded"),
    ]


def test_counts_are_those_of_the_rows(tmp_path: Path, rows: list[Row], write_notes: Write) -> None:
    statistics = measure_dataset(write_notes(tmp_path / "notes", rows[:3], rows[3:]))
    paraphrase, total = statistics.strategies["paraphrase"], statistics.total
    assert (paraphrase.units, paraphrase.notes, paraphrase.kept) == (3, 5, 2)
    assert paraphrase.rejected == {"too_short": 1, "unfaithful: Rome": 1, "unsupported": 1}
    assert (paraphrase.yield_share, paraphrase.faithful_share) == (2 / 5, 1 - 2 / 5)
    assert (paraphrase.prompt_tokens, paraphrase.completion_tokens, paraphrase.mean_words) == (17, 7, 3.0)
    assert (total.units, total.notes, total.kept, total.mean_words) == (4, 6, 3, 8 / 3)
    assert statistics.superseded == 1
    assert [(s.document_id, s.title, s.kept) for s in statistics.sources] == [
        ("a.md", "Pellick", 2),
        ("b.md", "Other", 1),
    ]


def test_what_a_judge_doubts_is_not_faithful_and_what_leaked_is_counted_even_when_it_is_kept(
    tmp_path: Path, make_note: Make, write_notes: Write
) -> None:
    verdicts = [("supported", ""), ("contradicted", ""), ("not stated", "judged_not_stated"), ("unparsed", "")]
    rows = [make_note(i, judgement=verdict, reason=reason) for i, (verdict, reason) in enumerate(verdicts)]
    rows += [make_note(8, leaked_question="Who?"), make_note(9, leaked_question="Who?", reason="leaked")]
    rows += [make_note(10, leaked_question="Who?", judgement="contradicted", reason="superseded")]
    total = measure_dataset(write_notes(tmp_path / "notes", rows)).total
    assert (total.faithful_share, total.leaked, total.notes) == (1 - 2 / 6, 2, 6)


def test_shards_and_their_order_change_nothing(
    tmp_path: Path, make_note: Make, write_notes: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(0)
    rows = [make_note(i, " ".join(draw.choices("abcdefgh", k=9)), strategy=draw.choice("xy")) for i in range(60)]
    whole = measure_dataset(write_notes(tmp_path / "whole", rows))
    draw.shuffle(rows)
    monkeypatch.setattr(augment.batches, "NUM_ROWS", 7)
    assert measure_dataset(write_notes(tmp_path / "parts", *(rows[i : i + 3] for i in range(0, 60, 3)))) == whole


def test_a_sample_holds_the_smallest_ids_in_whatever_order_they_come() -> None:
    ids = [f"{number:04x}" for number in range(5000)]
    expected = [f"text of {name}" for name in ids[:20]]
    for seed in range(3):
        sample = Sample(20)
        random.Random(seed).shuffle(ids)
        for i in range(0, len(ids), 7):
            sample.add(ids[i : i + 7], [f"text of {name}" for name in ids[i : i + 7]])
            assert len(sample.chosen) <= 2 * 20
        assert sample.texts() == expected


def test_diversity_by_hand() -> None:
    texts = ["A b a b.", "a B c"]
    diversity = measure_diversity(texts)
    assert diversity.distinct_1 == 3 / 7  # a b c of a b a b a b c
    assert diversity.distinct_2 == 3 / 5  # ab ba bc of ab ba ab ab bc: none crosses from note to note
    assert diversity.distinct_3 == 3 / 3
    data = "\n".join(texts).encode()
    assert diversity.compression_ratio == len(data) / len(zlib.compress(data, 9))


def test_self_bleu_is_100_for_copies_and_0_for_strangers() -> None:
    text = "The bridge over the river was built by a mason."
    assert self_bleu([text, text, text]) == pytest.approx(100)
    assert self_bleu(["one two three four five", "six seven eight nine ten"]) == pytest.approx(0)
    assert self_bleu([text]) is None


def test_an_empty_dataset_has_no_shares(tmp_path: Path, write_notes: Write) -> None:
    statistics = measure_dataset(write_notes(tmp_path / "notes"))
    assert (statistics.total.notes, statistics.total.yield_share, statistics.strategies) == (0, None, {})
    assert statistics.total.diversity.distinct_1 is None


def test_the_command_prints_tables_or_json(tmp_path: Path, rows: list[Row], write_notes: Write) -> None:
    write_notes(tmp_path / "notes", rows)
    shown = CliRunner().invoke(app, ["stats", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    assert "unfaithful: Rome" in shown.stdout and "self-BLEU" in shown.stdout and "40.0 %" in shown.stdout
    printed = json.loads(CliRunner().invoke(app, ["stats", str(tmp_path / "notes"), "--json"]).stdout)
    assert printed["strategies"]["paraphrase"]["kept"] == 2 and printed["total"]["diversity"]["num_notes"] == 3


def test_a_folder_without_notes_is_one_line(tmp_path: Path) -> None:
    for command in (["stats", str(tmp_path)], ["stats", str(tmp_path / "nowhere"), "--json"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2 and result.stderr.count("\n") == 1
        assert "holds no dataset of notes" in result.stderr

"""What is exported is what was kept, whole or not at all, and the trainers' own loaders read it."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import augment.batches
from augment.cli import app
from augment.errors import TemplateError
from augment.export.documents import choose_documents
from augment.export.forms import Examples
from augment.export.write import export_file
from augment.models import find_model
from augment.schema import Row
from augment.templates import Template, load_template

Make = Callable[..., Row]
Write = Callable[..., Path]
LOADERS = Path(__file__).parent / "loaders"
PAIR = "Question: Who built the bridge?\nAnswer: Ada Lorn\nand her sons"
PLAIN = 'A note with "quotes",\u2028 a line\nbreak, a zero \x00 and <|im_end|>.'


@pytest.fixture
def run(tmp_path: Path, make_note: Make, write_notes: Write) -> Path:
    """A run of five kept notes about four documents, in two shards, and a rejected one."""
    rows = [
        make_note(1, PAIR, strategy="questions"),
        make_note(2, PLAIN, document_id="b.md", title="The {{ town }}", heading="Its <<system>> past"),
        make_note(3, reason="copy"),
        make_note(4, document_id="c.md", title="Line\nbreak"),
        make_note(5, "Question: Who?\nNo answer.", document_id="d.md"),
        make_note(6, document_id="d.md"),
    ]
    write_notes(tmp_path / "run" / "notes", rows[:3], rows[3:])
    return tmp_path / "run"


def export(run: Path, to: Path, form: str, *more: str) -> Any:
    return CliRunner().invoke(app, ["export", str(run), "--format", form, "--to", str(to), *more])


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_chat_has_the_question_or_a_request_about_the_topic(run: Path, tmp_path: Path, suffix: str) -> None:
    to = tmp_path / f"notes.{suffix}"
    assert export(run, to, "chat").exit_code == 0
    chats = [row["messages"] for row in read(to)]
    assert [[turn["role"] for turn in chat] for chat in chats] == [["user", "assistant"]] * 5
    assert [turn["content"] for turn in chats[0]] == ["Who built the bridge?", "Ada Lorn\nand her sons"]
    assert "The {{ town }}: Its <<system>> past" in chats[1][0]["content"] and chats[1][1]["content"] == PLAIN
    assert "Pellick" in chats[3][0]["content"] and chats[3][1]["content"] == "Question: Who?\nNo answer."


def test_an_instruction_has_an_output_and_text_is_the_note_itself(run: Path, tmp_path: Path) -> None:
    assert export(run, tmp_path / "i.jsonl", "instruction").exit_code == 0
    assert export(run, tmp_path / "t.jsonl", "text").exit_code == 0
    instructions, texts = read(tmp_path / "i.jsonl"), read(tmp_path / "t.jsonl")
    first = {"instruction": "Who built the bridge?", "input": "", "output": "Ada Lorn\nand her sons"}
    assert instructions[0] == first and list(instructions[1]) == list(first)
    assert [row["text"] for row in texts[:2]] == [PAIR, PLAIN] and list(texts[0]) == ["text"]


def test_provenance_is_kept_on_demand(run: Path, tmp_path: Path) -> None:
    assert export(run, tmp_path / "t.parquet", "chat", "--provenance").exit_code == 0
    rows = read(tmp_path / "t.parquet")
    assert [row["document_id"] for row in rows] == ["a.md", "b.md", "c.md", "d.md", "d.md"]
    assert rows[0]["strategy"] == "questions" and {"verdict", "reason", "text"}.isdisjoint(rows[0])


@pytest.mark.parametrize("file_type", ["jsonl", "parquet"])
@pytest.mark.parametrize("form", ["chat", "instruction", "text"])
def test_datasets_opens_the_folder_and_no_document_is_on_both_sides(
    run: Path, tmp_path: Path, form: str, file_type: str
) -> None:
    to = tmp_path / "out" / "export"
    options = ["--split-by", "document", "--validation-share", "0.4", "--file-type", file_type, "--provenance"]
    result = export(run, to, form, *options)
    assert result.exit_code == 0, result.output
    name = {"jsonl": "json"}.get(file_type, file_type)
    files = {split: str(to / f"{split}.{file_type}") for split in ("train", "validation")}
    by_file = datasets.load_dataset(name, data_files=files, cache_dir=str(tmp_path / "a"))
    by_folder = datasets.load_dataset(str(to), cache_dir=str(tmp_path / "b"))
    for opened in (by_file, by_folder):
        documents = {split: set(rows["document_id"]) for split, rows in opened.items()}
        assert not documents["train"] & documents["validation"]
        assert documents["validation"] == choose_documents(run / "notes", 0.4)
        assert sum(len(rows) for rows in opened.values()) == 5
    assert sorted(p.name for p in to.iterdir()) == sorted(
        [f"train.{file_type}", f"validation.{file_type}", "dataset_info.json"]
    )


def test_documents_stay_on_their_side_when_others_come(tmp_path: Path, make_note: Make, write_notes: Write) -> None:
    rows = [make_note(i, document_id=f"{i}.md") for i in range(300)]
    few, many = (write_notes(tmp_path / f"{n}", rows[:n]) for n in (100, 300))
    before, after = choose_documents(few, 0.2), choose_documents(many, 0.2)
    assert before == {name for name in after if int(name[:-3]) < 100}
    assert 0.1 < len(after) / 300 < 0.3
    pair = write_notes(tmp_path / "pair", rows[:2])
    assert len(choose_documents(pair, 0.001)) == len(choose_documents(pair, 0.999)) == 1


def test_notes_are_read_and_written_a_batch_at_a_time(
    tmp_path: Path, make_note: Make, write_notes: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = [[make_note(10 * s + i) for i in range(10)] for s in range(12)]
    folder = write_notes(tmp_path / "notes", *shards)
    monkeypatch.setattr(augment.batches, "NUM_ROWS", 30)
    alive: list[int] = []
    made: list[weakref.ref[Any]] = []
    convert = Examples.convert

    def watch(self: Examples, notes: Any) -> Any:
        made.append(weakref.ref(table := convert(self, notes)))
        alive.append(sum(reference() is not None for reference in made))
        return table

    monkeypatch.setattr(Examples, "convert", watch)
    export_file(folder, Examples("text", load_template("export_about")), tmp_path / "t.parquet")
    assert len(alive) == 4 and max(alive) <= 2
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 4
    assert [row["text"] for row in read(tmp_path / "t.parquet")] == [row["text"] for shard in shards for row in shard]


def write_prompt(folder: Path, text: str) -> list[str]:
    (folder / "own").mkdir()
    (folder / "own" / "export_about.jinja").write_text(text)
    return ["--prompts", str(folder / "own")]


def test_a_template_of_ones_own_asks_in_its_way(run: Path, tmp_path: Path) -> None:
    options = write_prompt(tmp_path, "<<system>>\nBe brief.\n<<user>>\nDescribe {{ topic }}!")
    assert export(run, tmp_path / "c.jsonl", "chat", *options).exit_code == 0
    turns = [(turn["role"], turn["content"]) for turn in read(tmp_path / "c.jsonl")[1]["messages"]]
    assert turns[:2] == [("system", "Be brief."), ("user", "Describe The {{ town }}: Its <<system>> past!")]


@pytest.mark.parametrize(
    ("to", "form", "more", "template", "expected"),
    [
        ("notes.csv", "chat", [], "", ".csv is not written"),
        ("run", "chat", [], "", "exists"),
        ("c.jsonl", "chat", ["--split-by", "document"], "", "is one file"),
        ("c.jsonl", "chat", [], "<<system>>\n{{ topic }}", "does not end with a user turn"),
        ("c.jsonl", "instruction", [], "<<system>>\nx\n<<user>>\n{{ topic }}", "more turns"),
        ("folder", "chat", [], "{{ topic.__class__ }}", "template export_about"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    run: Path, tmp_path: Path, to: str, form: str, more: list[str], template: str, expected: str
) -> None:
    options = [*more, *(write_prompt(tmp_path, template) if template else [])]
    before = sorted(tmp_path.rglob("*"))
    result = export(run, tmp_path / to, form, *options)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1, result.output
    assert expected in result.stderr and sorted(tmp_path.rglob("*")) == before


def test_nothing_kept_and_a_single_document_are_errors(tmp_path: Path, make_note: Make, write_notes: Write) -> None:
    write_notes(tmp_path / "none" / "notes", [make_note(1, reason="copy")])
    for to in ("a.jsonl", "new/deep/a.jsonl", "new/deep/folder"):
        assert "has no kept note" in export(tmp_path / "none", tmp_path / to, "chat").stderr
    write_notes(tmp_path / "one" / "notes", [make_note(1)])
    assert export(tmp_path / "one", tmp_path / "one" / "new" / "a.jsonl", "chat").exit_code == 0
    assert "needs two" in export(tmp_path / "one", tmp_path / "b", "chat", "--split-by", "document").stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["none", "one"]
    with pytest.raises(TemplateError):
        Examples("chat", Template("t", "")).make_example(make_note(1) | {"text": "x"})


@pytest.fixture
def chat_model(tmp_path: Path, tiny_model: Path) -> Path:
    """The tiny model with the chat template of the embedded one."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    shutil.copy(find_model("smollm2-135m").path / "chat_template.jinja", folder)
    return folder


def read_with(script: str, package: str, *arguments: Path) -> Any:
    """What a trainer's own loader makes of files, in a process of its own: such packages change others on import."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed (dependency group `loaders`)")
    command = [sys.executable, str(LOADERS / script), *map(str, arguments)]
    cache = {"HF_DATASETS_CACHE": str(arguments[0] / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=os.environ | cache)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_axolotl_reads_each_form_and_learns_the_answer(run: Path, tmp_path: Path, chat_model: Path) -> None:
    for form in ("chat", "instruction", "text"):
        assert export(run, tmp_path / f"{form}.jsonl", form).exit_code == 0
    for form, rows in read_with("read_axolotl.py", "axolotl", tmp_path, chat_model).items():
        first = rows[0]
        assert len(rows) == 5 and "Who built" in first["text"] and "Ada Lorn" in first["learned"]
        assert ("Who built" in first["learned"]) == (form == "text"), form


@pytest.mark.slow
def test_llama_factory_reads_each_form_and_learns_the_answer(run: Path, tmp_path: Path, chat_model: Path) -> None:
    for form in ("chat", "instruction", "text"):
        result = export(run, tmp_path / form, form, "--split-by", "document", "--provenance")
        assert result.exit_code == 0, result.output
    for form, splits in read_with("read_llama_factory.py", "llamafactory", tmp_path, chat_model).items():
        rows = [row for split in ("train_dataset", "eval_dataset") for row in splits[split]]
        whole = "\n".join(row["text"] for row in rows)
        assert "Who built the bridge?" in whole and "Note number 6" in whole
        if form != "text":
            assert len(rows) == 5
            (answer,) = [row["learned"] for row in rows if "Who built the bridge?" in row["text"]]
            assert "Ada Lorn" in answer and "Who built" not in answer


@pytest.mark.parametrize("form", ["chat", "text"])
def test_trl_prepares_it_for_its_trainer(run: Path, tmp_path: Path, chat_model: Path, form: str) -> None:
    trl = pytest.importorskip("trl", reason="trl is not installed (dependency group `loaders`)")
    from transformers import AutoTokenizer

    assert export(run, tmp_path / "notes.jsonl", form, "--provenance").exit_code == 0
    rows = datasets.load_dataset(
        "json", data_files=str(tmp_path / "notes.jsonl"), split="train", cache_dir=str(tmp_path / "c")
    )
    tokenizer = AutoTokenizer.from_pretrained(chat_model)
    assert trl.is_conversational(rows[0]) == (form == "chat")
    text = trl.maybe_apply_chat_template(rows[0], tokenizer)["text"]
    assert "Ada Lorn" in text and ("<|im_start|>assistant" in text) == (form == "chat")
    options = trl.SFTConfig(output_dir=str(tmp_path / "o"), report_to="none", use_cpu=True, bf16=False, max_length=128)
    trainer = trl.SFTTrainer(str(chat_model), options, train_dataset=rows, processing_class=tokenizer)
    assert "Ada Lorn" in tokenizer.decode(trainer.train_dataset[0]["input_ids"]) and len(trainer.train_dataset) == 5

"""The card is read by the Hub's library, keeps the dataset loadable, and no name, text or key gets out of it."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from huggingface_hub import DatasetCard, DatasetCardData
from markdown_it import MarkdownIt

from augment.card import COLUMNS, render_card, shareable, write_card
from augment.config import AugmentFile
from augment.schema import SCHEMA, Row
from augment.statistics.measure import measure_dataset

Make = Callable[..., Row]
Write = Callable[..., Path]
FILES = [{"split": "train", "path": "train/*.arrow"}, {"split": "rejected", "path": "rejected/*.arrow"}]
HOSTILE = [
    "a | b.md",
    "`x` ``` y.md",
    "<script>alert(1)</script>.md",
    "---\nlicense: mit\n---\n# Heading",
    "[link](http://example.org) ![image](x.png)",
    "configs:\n- config_name: other",
    "\u202egnp.exe\x1b[2J",
    "{{ 7 * 7 }}{% for x in y %}",
]


def configs_of(folder: Path) -> list[dict[str, Any]]:
    """Both splits by name, and the state of the shards as the mark that keeps caches apart."""
    state = json.loads((folder / "train" / "state.json").read_text())["_fingerprint"]
    return [{"config_name": "default", "data_files": FILES, "description": f"state {state}"}]


def settings(**augment: Any) -> AugmentFile:
    return AugmentFile.model_validate(
        {"out": "out", "augment": {"documents": {"path": "."}, "strategies": {"verbatim": {}}} | augment}
    )


def test_front_matter_is_read_by_the_hub_library(tmp_path: Path, make_note: Make, write_notes: Write) -> None:
    folder = write_notes(tmp_path / "notes", [make_note(1), make_note(2, reason="copy")])
    write_card(folder, settings(license="CC-BY-4.0", language="en"))
    data = DatasetCard.load(folder / "README.md", ignore_metadata_errors=False).data
    assert isinstance(data, DatasetCardData)
    assert (data.license, data.language, data.size_categories) == ("cc-by-4.0", "en", "n<1K")
    assert data.to_dict()["configs"] == configs_of(folder)


@pytest.mark.parametrize(
    ("text", "name", "license_name", "said"),
    [
        (None, "unknown", None, "unknown. Nobody stated"),
        ("MIT", "mit", None, "**Licence of the sources:** MIT."),
        ("our contract\n---\nof 2020", "other", "our contract --- of 2020", "our contract --- of 2020"),
    ],
)
def test_the_licence_of_the_sources_is_said(
    tmp_path: Path, write_notes: Write, text: str | None, name: str, license_name: str | None, said: str
) -> None:
    card = render_card(measure_dataset(write_notes(tmp_path / "notes")), settings(license=text))
    data = DatasetCard(card).data.to_dict()
    assert (data["license"], data.get("license_name")) == (name, license_name)
    assert said in card


def test_hostile_names_stay_in_their_cells(tmp_path: Path, make_note: Make, write_notes: Write) -> None:
    rows = [make_note(i, document_id=f"{i}{name}", title=name) for i, name in enumerate(HOSTILE)]
    folder = write_notes(tmp_path / "notes", rows)
    write_card(folder, settings(documents={"path": "``` # x", "include": HOSTILE}, license=HOSTILE[3]))
    card = DatasetCard.load(folder / "README.md")
    assert card.data.to_dict()["configs"] == configs_of(folder) and card.data.license == "other"
    tokens = MarkdownIt("commonmark").enable("table").parse(card.text)
    headings = [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]
    assert headings == ["Notes about documents", "Load it", "Statistics", "Columns", "Documents", "Settings"]
    inline = [child for token in tokens for child in token.children or []]
    assert not {"link_open", "image", "html_inline"} & {child.type for child in inline}
    assert not [token for token in tokens if token.type == "html_block"]
    assert len([token for token in tokens if token.type == "fence"]) == 2
    assert "\x1b" not in card.text and "\u202e" not in card.text and "{{ 7 \\* 7 }}" in card.text
    *_, documents = [i for i, token in enumerate(tokens) if token.type == "table_open"]
    body = tokens[documents : next(i for i in range(documents, len(tokens)) if tokens[i].type == "table_close")]
    assert sum(token.type == "td_open" for token in body) == 3 * len(HOSTILE)


def test_the_folder_still_opens_with_both_loaders(tmp_path: Path, make_note: Make, write_notes: Write) -> None:
    folder = write_notes(tmp_path / "notes", [make_note(1, title=HOSTILE[3]), make_note(2, reason="copy")])
    write_card(folder, settings(license=HOSTILE[3]))
    opened = [datasets.load_from_disk(str(folder)), datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "c"))]
    for loaded in opened:
        assert {split: rows["note_id"][:] for split, rows in loaded.items()} == {
            "train": ["n0001"],
            "rejected": ["n0002"],
        }
    assert not [path for path in folder.iterdir() if path.name.startswith(".README")]


def test_every_column_is_described() -> None:
    assert list(COLUMNS) == SCHEMA.names


def test_no_key_gets_into_the_card(tmp_path: Path, write_notes: Write) -> None:
    options = {"hf_token": "tell-tale", "api_key": "tell-tale", "max_num_seqs": 8, "headers": {"x": "tell-tale"}}
    options |= {
        "url": "https://user:tell-tale@example.org/v1?key=tell-tale",
        "tokenizer_mode": "auto",
        "many": [{"password": "tell-tale"}],
    }
    card = render_card(
        measure_dataset(write_notes(tmp_path / "notes")), settings(engine={"kind": "vllm", "options": options})
    )
    assert "tell-tale" not in card
    for kept in ("max_num_seqs: 8", "https://example.org/v1", "tokenizer_mode: auto", "max_tokens: 400"):
        assert kept in card
    assert shareable({"api_key_env": "SOME_KEY"}) == {"api_key_env": "SOME_KEY"}


@pytest.mark.slow
def test_a_run_ends_with_a_card_of_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Pellick\n\nPellick is the only town on the island of Ossel.\n")
    augment = {
        "documents": {"path": "docs"},
        "engine": {"kind": "echo"},
        "strategies": {"verbatim": {}},
        "license": "mit",
    }
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump({"out": "out", "augment": augment}))
    command = [
        sys.executable,
        "-m",
        "augment.cli",
        "run",
        str(tmp_path / "pipeline.yaml"),
        "--set",
        f"out={tmp_path}/out",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    card = DatasetCard.load(tmp_path / "out" / "notes" / "README.md")
    assert card.data.license == "mit" and "| a.md | Pellick | 1 |" in card.text

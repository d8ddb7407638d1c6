"""What a written report promises: right counts, the same figures everywhere, no hostile text let through."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from augment.errors import DatasetError
from tests.train.report.runs import BASE, HOSTILE, LORA, MEMORY, NOTES, RUNS, Page, make_run
from train.report import ReportPaths, headline_table, write_report
from train.report.compare import Spread, compare_runs
from train.report.results import Retention, RunResult
from train.report.samples import choose_samples


def write(folder: Path, runs: list[RunResult], title: str = "Test") -> ReportPaths:
    return write_report(runs, folder, title, NOTES)


def poison(run: RunResult) -> RunResult:
    answers = tuple(
        replace(
            answer,
            id=answer.id + HOSTILE,
            document=HOSTILE,
            prompt=HOSTILE,
            expected=(HOSTILE,),
            answer=HOSTILE,
        )
        for answer in run.answers
    )
    return replace(run, run=run.run + HOSTILE, answers=answers, settings={HOSTILE: HOSTILE})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ReportPaths:
    return write(tmp_path_factory.mktemp("report"), RUNS)


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> ReportPaths:
    return write(tmp_path_factory.mktemp("hostile"), [poison(run) for run in RUNS], title=HOSTILE)


def test_transitions_are_counted_against_the_base(report: ReportPaths) -> None:
    record = json.loads(report.record.read_text())
    counts = {run["run"]: (run["num_learned"], run["num_lost"], run["num_gained"]) for run in record["runs"]}
    assert counts == {"base": (0, 0, 0), "memory": (5, 0, 1), "lora": (8, 2, 2)}
    assert record["schema_version"] == 3
    assert {sample["id"] for sample in record["samples"]["lost"]["shown"]} == {"k0", "k1"}
    assert all(sample["label"] == "lora" for sample in record["samples"]["lost"]["shown"])


def test_figures_in_markdown_and_page_equal_those_in_the_record(report: ReportPaths) -> None:
    markdown, page = report.markdown.read_text(), report.html.read_text()
    for method in json.loads(report.record.read_text())["methods"][1:]:
        recall, interval = (
            method["recall"]["held_out"]["em"]["mean"],
            method["recall"]["held_out"]["em_interval"],
        )
        row = next(line for line in markdown.splitlines() if line.startswith(f"| {method['label']} |"))
        cells = [cell.strip().replace("*", "") for cell in row.strip("|").split("|")]
        bounds = f"[{100 * interval[0]:.0f}, {100 * interval[1]:.0f}]"
        assert cells[2] == f"{100 * recall:.0f} % {bounds}"
        assert cells[3].startswith(f"{100 * method['kept']['mean']:.0f} % [")
        assert cells[4] == f"{100 * method['perplexity_change']['mean']:+.1f} %"
        assert bounds in page and cells[4] in page


def test_seeds_are_averaged_and_their_range_is_shown() -> None:
    runs = [*RUNS, make_run("memory-1", "memory", right="c0 h0 k0 k1", seed=1)]
    memory = compare_runs(runs).methods[2]
    assert memory.label == "memory" and memory.recall_em["held_out"] == Spread(0.5, 0.25, 0.75, 2)
    assert "50 % ± 25 [0, 100]" in headline_table(runs)


def test_runs_of_one_method_with_other_settings_are_kept_apart() -> None:
    other = replace(MEMORY, run="memory-fast", settings={"seed": 0, "lr": 0.5})
    labels = [method.label for method in compare_runs([*RUNS, other]).methods]
    assert labels == ["base", "lora", "memory (lr=0.1)", "memory (lr=0.5)"]


def test_hostile_text_reaches_no_page_unescaped(hostile_report: ReportPaths) -> None:
    page_text = hostile_report.html.read_text(encoding="utf-8")
    page = Page(page_text)
    assert "<script" not in page_text and "&lt;script&gt;alert(1)" in page_text
    assert not page.attributes("script") and not page.attributes("img")
    assert not {"\x1b", "\u202e"} & set(page_text)


def test_hostile_text_stays_inside_its_markdown_cell(hostile_report: ReportPaths) -> None:
    markdown = hostile_report.markdown.read_text(encoding="utf-8")
    assert "<script" not in markdown and "`" not in markdown
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
    inline = [child for token in tokens for child in token.children or []]
    assert not [child for child in inline if child.type in ("html_inline", "link_open", "code_inline")]
    assert {child.attrs["src"] for child in inline if child.type == "image"} == {
        "learning_versus_forgetting.png",
        "recall_by_phrasing.png",
    }
    sample_rows = [line for line in markdown.splitlines() if line.startswith("| lora |") and "alert" in line]
    assert sample_rows and all(line.count("|") == 8 for line in sample_rows)


def test_terminal_table_is_aligned_and_free_of_control_signs() -> None:
    lines = headline_table([BASE, replace(MEMORY, method="mem\x1b[31m"), LORA]).splitlines()
    assert (
        " ".join(lines[0].split())
        == "Method Trained form recall (n = 4) Held-out recall (n = 4) Known kept (n = 2) Perplexity change (n = 50)"
    )
    assert "\x1b" not in "".join(lines)
    assert lines[3].startswith("lora") and "100 % [51, 100]*" in lines[3]


def test_page_needs_nothing_but_itself(report: ReportPaths) -> None:
    text = report.html.read_text()
    for tag, attributes in Page(text).elements:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), f"<{tag} {name}={value}>"
    assert not re.search(r"@import|url\((?!#)", text)


def test_page_can_be_read_with_any_eyes(report: ReportPaths) -> None:
    text = report.html.read_text()
    page = Page(text)
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in page.attributes("svg"))
    assert all(header.get("scope") in ("row", "col") for header in page.attributes("th"))
    assert len(page.attributes("caption")) == len(page.attributes("table")) == 9
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.attributes("meta")
    assert "prefers-color-scheme: dark" in text


def test_same_runs_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    write(tmp_path / "a", RUNS)
    write(tmp_path / "b", RUNS[::-1])
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [
        "learning_versus_forgetting.png",
        "learning_versus_forgetting.svg",
        "recall_by_phrasing.png",
        "recall_by_phrasing.svg",
        "report.html",
        "report.json",
        "report.md",
    ]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.json").write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disk gone")

    monkeypatch.setattr("train.report.write.os.replace", fail)
    with pytest.raises(OSError, match="disk gone"):
        write(tmp_path, [BASE])
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.json", "old")]


def test_best_is_marked_among_methods_only(report: ReportPaths) -> None:
    markdown = report.markdown.read_text()
    assert " | 0 % [0, 49] | – | – |" in markdown
    assert " | **100 %** [51, 100] | 0 % [0, 66] |" in markdown
    assert " | 75 % [30, 95] | **100 %** [34, 100] |" in markdown


@pytest.mark.parametrize("runs", [[MEMORY, LORA], [BASE, replace(BASE, run="base-2"), MEMORY]])
def test_report_needs_exactly_one_base_run(runs: list[RunResult], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="exactly one run of method 'none'"):
        write(tmp_path / "report", runs)
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (replace(MEMORY, model="other"), "another model"),
        (replace(MEMORY, answers=MEMORY.answers[1:]), "another list of questions"),
        (replace(MEMORY, retention=Retention(1.0, 3, 1.0, 4)), "another known set"),
        (replace(MEMORY, run="base"), "several runs are named 'base'"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(run: RunResult, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        compare_runs([BASE, run])


def test_base_alone_makes_a_report(tmp_path: Path) -> None:
    assert "nothing was trained" in write(tmp_path, [BASE]).html.read_text()


def test_samples_are_spread_over_documents_and_methods() -> None:
    changes = [change for run in compare_runs(RUNS).runs for change in run.learned]
    chosen = choose_samples(changes[::-1], limit=6)
    assert chosen == choose_samples(changes, limit=6)
    assert len({change.id for change in chosen}) == 6
    assert sorted(change.document for change in chosen).count("0.md") == 2
    assert {change.label for change in chosen} == {"memory", "lora"}

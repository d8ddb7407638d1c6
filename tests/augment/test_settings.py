"""A pipeline file's mistakes: each is one line that names the key, its line and what to do."""

from pathlib import Path

import pytest
import yaml

from augment.config import AugmentFile
from augment.errors import ConfigError
from augment.settings import find_pipeline, load_settings, save_settings
from train.config import TrainFile
from train.facts.settings import FactsFile

GOOD = """\
out: notes
augment:
  documents:
    path: docs
  engine:
    kind: echo
  strategies:
    paraphrase: {rounds: 2}
"""


def load(tmp_path: Path, text: str, *overrides: str) -> AugmentFile:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, overrides, AugmentFile)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "path: docs",
            "paht: docs",
            ["pipeline.yaml:4: unknown key augment.documents.paht", "did you mean path?"],
        ),
        (
            "rounds: 2",
            "round: 2",
            [":8: unknown key augment.strategies.paraphrase.round", "did you mean rounds?"],
        ),
        (
            "paraphrase",
            "parafrase",
            [":8: unknown key augment.strategies.parafrase", "did you mean paraphrase?"],
        ),
        (
            "kind: echo",
            "kind: echo\n    delay_sek: 1",
            [":7: unknown key augment.engine.delay_sek", "did you mean delay_sec?"],
        ),
        ("out: notes", "out: notes\nzzzzzz: 1", [":2: unknown key zzzzzz", "known keys: augment, evaluate"]),
        ("rounds: 2", "rounds: many", [":8: augment.strategies.paraphrase.rounds = 'many' is wrong"]),
        ("rounds: 2", "rounds: 0", [":8: augment.strategies.paraphrase.rounds = 0 is wrong", "greater than"]),
        ("kind: echo", "kind: ecco", [":5: augment.engine", "'ecco'"]),
        ("kind: echo", "kind: [echo]", [":5: augment.engine", "['echo']"]),
        ("paraphrase", "3", ["unknown key augment.strategies.3"]),
        ("    path: docs", "    limit: 3", [":3: the key augment.documents.path is missing"]),
        ("out: notes\n", "", ["the key out is missing"]),
        ("path: docs", "path: [docs", ["is not valid YAML", "pipeline.yaml:"]),
        (
            "path: docs",
            "path: docs\n    path: other",
            ["pipeline.yaml:5 is not valid YAML (the key path stands there twice)"],
        ),
        ("path: docs", 'path: "a\\ud800b"', ["pipeline.yaml:4 is not valid YAML", "half a character"]),
        ("path: docs", 'path: "a\\0b"', ["pipeline.yaml:4 is not valid YAML", "a zero"]),
        ("path: docs", "path: !!python/name:os.system", ["pipeline.yaml:4 is not valid YAML", "python/name:os.system"]),
        ("path: docs", "path: " + "[" * 5000, ["is not valid YAML (it is nested too deep)"]),
        ("path: docs", "path: &a [*a]", [":4: augment.documents.path = [[...]] is wrong"]),
        ("out: notes", "out: ''", [":1: out = '' is wrong"]),
    ],
)
def test_a_mistake_is_one_line_with_key_line_and_next_step(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert "\n" not in str(caught.value) and "; " in str(caught.value)
    for part in expected:
        assert part in str(caught.value)


def test_what_is_no_mapping_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no settings"):
        load(tmp_path, "- a\n- b\n")
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"out: \xff\xfe")
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(byte 5\)"):
        load_settings(path, [], AugmentFile)


def test_set_overrides_and_adds_keys(tmp_path: Path) -> None:
    overrides = ("out=elsewhere", "augment.strategies.questions.per_call=3", "augment.chunks.max_tokens=99")
    settings = load(tmp_path, GOOD, *overrides)
    assert settings.out == "elsewhere"
    assert settings.augment.chunks.max_tokens == 99
    assert list(settings.augment.chosen_strategies()) == ["paraphrase", "questions"]


def test_a_merged_mapping_may_be_overridden_and_a_bomb_of_aliases_is_an_unknown_key(tmp_path: Path) -> None:
    text = GOOD.replace("paraphrase: {rounds: 2}", "paraphrase: &p {rounds: 2}\n    questions: {<<: *p, rounds: 3}")
    assert [o.rounds for o in load(tmp_path, text).augment.chosen_strategies().values()] == [2, 3]
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    with pytest.raises(ConfigError, match="unknown key a0"):
        load(tmp_path, bomb + GOOD)


@pytest.mark.parametrize(
    "override", ["out=\udcff", "out", "=x", "out=[1", "augment.chunks.max_tokens=big", "nothing.at.all=1"]
)
def test_a_wrong_set_is_an_error(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, GOOD, override)


def test_saved_settings_load_again(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    save_settings(settings, tmp_path / "saved" / "augment.yaml")
    assert load_settings(tmp_path / "saved" / "augment.yaml", [], AugmentFile) == settings


def test_shipped_pipelines_are_found_by_name_and_load() -> None:
    for path in find_pipeline("quickstart").parent.glob("*.yaml"):
        for scale in yaml.safe_load(path.read_text(encoding="utf-8")).get("scales", {"": {}}):
            chosen = [f"scale={scale}"] if scale else []
            settings = load_settings(find_pipeline(path.stem), chosen, AugmentFile)
            assert settings.out and load_settings(path, chosen, TrainFile).train.epochs
            assert settings.facts is None or load_settings(path, chosen, FactsFile).facts.num_keep
    with pytest.raises(ConfigError, match="quickstart"):
        find_pipeline("no-such-pipeline")


def test_a_strategy_named_without_options_is_chosen_with_defaults_and_false_leaves_it_out(tmp_path: Path) -> None:
    text = GOOD.replace("paraphrase: {rounds: 2}", "paraphrase:\n    verbatim:\n    questions: false")
    settings = load(tmp_path, text)
    assert list(settings.augment.chosen_strategies()) == ["verbatim", "paraphrase"]
    save_settings(settings, tmp_path / "saved.yaml")
    assert load_settings(tmp_path / "saved.yaml", [], AugmentFile) == settings
    fewer = load(tmp_path, text, "augment.strategies.verbatim=false")
    assert list(fewer.augment.chosen_strategies()) == ["paraphrase"]


SCALES = """\
scale: small
scales:
  small: {}
  large:
    augment:
      engine:
        delay_sec: 2
      strategies:
        paraphrase: {rounds: 9}
        verbatim:
"""


def test_a_scale_is_merged_deeply_and_overrides_come_after_it(tmp_path: Path) -> None:
    small, large = (load(tmp_path, GOOD + SCALES, f"scale={name}") for name in ("small", "large"))
    assert load(tmp_path, GOOD + SCALES) == small == load(tmp_path, GOOD)
    assert large.augment.strategies.paraphrase.rounds == 9 and large.augment.documents.path == "docs"
    assert large.augment.engine.model_dump()["delay_sec"] == 2 and large.augment.engine.kind == "echo"
    assert list(large.augment.chosen_strategies()) == ["verbatim", "paraphrase"]
    override = "augment.strategies.paraphrase.rounds=3"
    for order in ([override, "scale=large"], ["scale=large", override]):
        assert load(tmp_path, GOOD + SCALES, *order).augment.strategies.paraphrase.rounds == 3


@pytest.mark.parametrize(
    ("text", "override", "expected"),
    [
        (GOOD + SCALES, "scale=huge", "has no scale huge; it has small, large"),
        (GOOD, "scale=small", "has no scale small; it has no scales"),
        (GOOD + "scales: [small]\n", "seed=1", "scales holds no settings by name"),
        (GOOD + "scales: {small: 3}\n", "seed=1", "scales holds no settings by name"),
        (
            GOOD + SCALES.replace("rounds: 9", "rounds: 0"),
            "scale=large",
            ":17: augment.strategies.paraphrase.rounds = 0",
        ),
        (
            GOOD + SCALES.replace("rounds: 9", "rouns: 9"),
            "scale=large",
            ":17: unknown key augment.strategies.paraphrase",
        ),
        (GOOD.replace("docs", "docs\n    limit: many") + SCALES, "scale=large", ":5: augment.documents.limit = 'many'"),
    ],
)
def test_a_mistake_in_a_scale_names_its_line(tmp_path: Path, text: str, override: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, override)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_a_scale_that_stands_in_itself_is_one_line(tmp_path: Path) -> None:
    text = "out: x\naugment: &y {augment: *y}\nscale: a\nscales: {a: &x {augment: *x}}\n"
    with pytest.raises(ConfigError, match="the scale a stands in itself"):
        load(tmp_path, text)


def test_a_path_in_the_output_folder_moves_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipes").mkdir()
    text = GOOD.replace("path: docs", 'path: "{out}/facts/documents.jsonl"')
    for out in ("notes", "deep/er", str(tmp_path / "whole")):
        path = load(tmp_path / "pipes", text, f"out={out}").augment.documents.path
        assert (tmp_path / "pipes" / path).resolve() == (tmp_path / out / "facts" / "documents.jsonl").resolve()
        assert not Path(path).is_absolute()

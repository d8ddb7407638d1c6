"""Tasks of lm-evaluation-harness run on a loaded model, and what is missing is said before any work."""

import json
from pathlib import Path

import pytest
import torch
import yaml

from augment.errors import ConfigError
from train.checkpoint import Run, load_run, save_run
from train.evaluate.harness import NAME, check_tasks, list_scores, register_runs, run_tasks
from train.methods.options import LoraOptions, MemoryOptions, PrefixOptions, TrainedOptions
from train.methods.registry import start_method
from train.model import load_model

ROWS = [
    {"question": "What colour is grass?", "choices": ["green", "made of glass"], "gold": 0},
    {"question": "How many bells hang in the tower?", "choices": ["a hundred", "nine"], "gold": 1},
    {"question": "Who built the bridge?", "choices": ["Orla Finch", "nobody"], "gold": 0},
]


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A task file with its data beside it; nothing is asked of a network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    settings = {
        "task": "ingrain_test",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "rows.jsonl")}, "cache_dir": str(tmp_path / "cache")},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1.0},
    }
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "task.yaml"


@pytest.mark.parametrize("bf16", [False, True])
def test_a_local_task_scores_what_the_likelihoods_say(task: Path, tiny_model: Path, bf16: bool) -> None:
    loaded = load_model(str(tiny_model), bf16=bf16)
    (score,) = run_tasks(loaded, ["task.yaml"], task.parent, batch_size=2)
    assert (score["task"], score["metric"], score["n"]) == ("ingrain_test", "acc", 3)
    assert score["stderr"] is not None
    if not bf16:  # rounding may turn what a random model finds likelier
        right = [likeliest(loaded, row["question"], row["choices"]) == row["gold"] for row in ROWS]  # type: ignore[arg-type]
        assert score["value"] == pytest.approx(sum(right) / 3)


@pytest.mark.parametrize("options", [LoraOptions(rank=2), MemoryOptions(layers=[1], num_keys=16), PrefixOptions()])
def test_what_methods_make_of_a_model_can_be_asked(task: Path, tiny_model: Path, options: TrainedOptions) -> None:
    """Before training, a LoRA or a memory changes nothing; a prefix does."""
    loaded = load_model(str(tiny_model), bf16=False)
    (before,) = run_tasks(loaded, ["task.yaml"], task.parent, batch_size=2)
    loaded.network = start_method(loaded.network, options, 0).network
    (after,) = run_tasks(loaded, ["task.yaml"], task.parent, batch_size=2)
    assert after == before or isinstance(options, PrefixOptions)


def likeliest(loaded, question: str, choices: list[str]) -> int:  # type: ignore[no-untyped-def]
    """The choice with the highest sum of log-probabilities after the question."""
    sums = []
    for choice in choices:
        start = loaded.tokenizer(f"Question: {question}\nAnswer:").input_ids
        ids = loaded.tokenizer(f"Question: {question}\nAnswer: {choice}").input_ids
        with torch.no_grad():
            logits = loaded.network(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        sums.append(sum(float(logits[i - 1, ids[i]]) for i in range(len(start), len(ids))))
    return sums.index(max(sums))


def test_a_missing_package_and_a_missing_file_are_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_tasks([], tmp_path)
    with pytest.raises(ConfigError, match=r"no file .*task\.yaml"):
        check_tasks(["task.yaml"], tmp_path)
    monkeypatch.setattr("train.evaluate.harness.find_spec", lambda name: None)
    check_tasks([], tmp_path)
    with pytest.raises(ConfigError, match=r"pip install 'ingrain\[lm-eval\]'"):
        check_tasks(["arc_easy"], tmp_path)


def test_scores_are_rows_of_finite_numbers() -> None:
    figures = {"alias": "x", "acc,none": 0.5, "acc_stderr,none": 0.1, "f1,strict": -1, "f1_stderr,strict": "N/A"}
    results = {"results": {"x": figures | {"ppl,none": float("nan")}}, "n-samples": {"x": {"effective": 4}}}
    assert list(list_scores(results)) == [
        {"task": "x", "metric": "acc", "value": 0.5, "stderr": 0.1, "n": 4},
        {"task": "x", "metric": "f1 (strict)", "value": -1.0, "stderr": None, "n": 4},
    ]


def test_a_run_is_a_model_of_the_package(task: Path, tiny_model: Path, tmp_path: Path) -> None:
    """By name and folder, as its own command line takes it: the same figure as through an evaluation."""
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.tasks import TaskManager

    loaded, options = load_model(str(tiny_model)), LoraOptions(rank=2)
    method = start_method(loaded.network, options, 0)
    for name, weight in method.network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    settings = options.model_dump(mode="json")
    run = Run("lora", "lora", 0, str(tiny_model), loaded.folder.revision, settings, 1, 1.0, 1, 1.0)
    save_run(tmp_path / "lora", run, method)
    register_runs()
    results = simple_evaluate(
        NAME,
        model_args={"run": str(tmp_path / "lora")},
        tasks=[str(task)],
        task_manager=TaskManager(include_defaults=False),
        log_samples=True,
        bootstrap_iters=0,
    )
    (score,) = run_tasks(load_run(tmp_path / "lora")[0], ["task.yaml"], task.parent, batch_size=2)
    assert results["results"]["ingrain_test"]["acc,none"] == score["value"]
    assert len(results["samples"]["ingrain_test"]) == score["n"] == 3

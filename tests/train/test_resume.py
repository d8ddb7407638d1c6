"""A run that was stopped at any step ends with the weights of one that was not, bit for bit, by every method."""

import json
import os
import signal
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from augment.errors import DatasetError, DivergedError, RunError
from train.checkpoint import Run, read_run, save_run
from train.config import Data, Train
from train.data import Batch, Corpus, Sample, pad
from train.loop import Trained, train_method
from train.memory.attach import fit_background
from train.methods.base import Method
from train.methods.lora import LoraMethod
from train.methods.memory import MemoryMethod
from train.methods.options import FullOptions, LoraOptions, MemoryOptions, Methods, PrefixOptions, TrainedOptions
from train.methods.prefix import PrefixMethod
from train.methods.registry import start_method
from train.model import load_model
from train.resume import TENSORS, Keeper

SHAPE: dict[str, Any] = {"layers": [1, 2], "num_keys": 16, "heads": 2, "k": 4, "half_key_size": 8}
METHODS: dict[str, TrainedOptions] = {
    "memory": MemoryOptions(**SHAPE),
    "memory_sgd_gate": MemoryOptions(**SHAPE, optimizer="sgd", gate=True, projection=True),
    "memory_shared": MemoryOptions(**SHAPE, pool="shared"),
    "lora": LoraOptions(rank=2),
    "full": FullOptions(lr=1e-3),
    "prefix": PrefixOptions(num_tokens=4, lr=1e-2),
}
DATA = Data(passages="", questions="", replay_share=0.3, tokens_per_batch=32)


def make_corpus() -> Corpus:
    draw = torch.Generator().manual_seed(0)
    ids = [torch.randint(3, 900, (5 + i % 4,), generator=draw).tolist() for i in range(14)]
    notes = [Sample(row, document="ab"[i % 2]) for i, row in enumerate(ids[:12])]
    return Corpus(notes, [Sample(row) for row in ids[12:]], [])


@cache
def base(model: Path) -> torch.nn.Module:
    return load_model(str(model), bf16=False).network


def start(model: Path, options: TrainedOptions) -> Method:
    method = start_method(deepcopy(base(model)), options, seed=0)
    if isinstance(method, MemoryMethod):
        fit_background(method.network, method.memories, [pad(make_corpus().notes)], [])
    if isinstance(method, PrefixMethod):
        method.fit(make_corpus().notes)
    return method


def train(method: Method, folder: Path, stop_after: int = 0, **keeping: Any) -> Trained:
    keeper = Keeper(folder / "states", keeping.pop("inputs", {"lr": 1}), **keeping)

    def show(step: int, *_: float) -> None:
        if step == stop_after:
            keeper.end.set()

    settings = Train(methods=Methods(), data=DATA, epochs=3, batches_per_step=2)
    folder.mkdir(exist_ok=True)
    return train_method(method.network, method, make_corpus(), settings, 0, folder / "log.jsonl", show, keeper=keeper)


def logits(method: Method) -> torch.Tensor:
    with torch.no_grad():
        out: torch.Tensor = method.network(input_ids=torch.tensor([[5, 6, 7, 8]])).logits
    return out


def without_time(log: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in log.read_text().splitlines()]


@pytest.mark.parametrize("name", METHODS)
def test_a_run_that_was_stopped_twice_ends_as_one_that_was_not(tiny_model: Path, tmp_path: Path, name: str) -> None:
    whole = start(tiny_model, METHODS[name])
    straight = train(whole, tmp_path / "whole")
    for stop_after in (2, 3):
        with pytest.raises(RunError, match=f"ended at step {stop_after} as asked"):
            train(start(tiny_model, METHODS[name]), tmp_path / "parts", stop_after)
    last = start(tiny_model, METHODS[name])
    resumed = train(last, tmp_path / "parts")
    assert torch.equal(logits(last), logits(whole))
    assert not torch.equal(logits(last), logits(start(tiny_model, METHODS[name])))
    assert (resumed.tokens, resumed.loss) == (straight.tokens, straight.loss)
    assert without_time(tmp_path / "parts" / "log.jsonl") == without_time(tmp_path / "whole" / "log.jsonl")
    if isinstance(last, MemoryMethod) and isinstance(whole, MemoryMethod):
        for mine, theirs in zip(last.document_patches(), whole.document_patches(), strict=True):
            assert mine.name == theirs.name
            for layer, (slots, deltas) in mine.layers.items():
                assert torch.equal(slots, theirs.layers[layer][0]) and torch.equal(deltas, theirs.layers[layer][1])


def test_states_are_saved_now_and_then_and_the_latest_stay(tiny_model: Path, tmp_path: Path) -> None:
    train(start(tiny_model, METHODS["lora"]), tmp_path, every=2, keep=2)
    num_steps = len((tmp_path / "log.jsonl").read_text().splitlines())
    tried = list(range(2, num_steps, 2))[-2:]  # good: the step after had a loss
    saved = [*tried, num_steps] if num_steps % 2 == 0 else tried
    assert [path.name for path in sorted((tmp_path / "states").iterdir())] == [f"step-{n:08d}" for n in saved]


def test_a_state_of_other_settings_is_refused_with_the_difference(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError):
        train(start(tiny_model, METHODS["lora"]), tmp_path, 2, inputs={"options": {"lr": 1}})
    with pytest.raises(DatasetError, match=r"was made with options\.lr = 1, here it is 2; put that back"):
        train(start(tiny_model, METHODS["lora"]), tmp_path, inputs={"options": {"lr": 2}})
    others = {"options": {"lr": 2}, "a": 1, "b": 2, "c": 3, "d": 4}
    with pytest.raises(DatasetError, match=r"with a = None, here it is 1; with b .*; with d [^;]*, and 1 more; put"):
        train(start(tiny_model, METHODS["lora"]), tmp_path, inputs=others)


def test_a_truncated_state_is_one_line(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError):
        train(start(tiny_model, METHODS["lora"]), tmp_path, 2)
    tensors = tmp_path / "states" / "step-00000002" / TENSORS
    tensors.write_bytes(tensors.read_bytes()[:100])
    with pytest.raises(DatasetError, match="cannot be loaded"):
        train(start(tiny_model, METHODS["lora"]), tmp_path)


@pytest.mark.parametrize("keep", [1, 2])
def test_a_loss_that_is_no_number_names_the_batch_and_keeps_the_last_good_state(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    whole = start(tiny_model, METHODS["lora"])
    train(whole, tmp_path / "whole")
    method, update = start(tiny_model, METHODS["lora"]), LoraMethod.update
    steps: list[int] = []

    def spoil(self: LoraMethod, batches: list[Batch], scale: float) -> None:
        update(self, batches, scale)
        steps.append(1)
        if len(steps) == 3:  # a step whose own loss was fine leaves weights that give none
            next(iter(self.adamw.parameters.values())).data.fill_(torch.nan)

    monkeypatch.setattr(LoraMethod, "update", spoil)
    place = r"step 3 on batch 1 of 2, \d+ sequences (about [ab]|of replay)"
    with pytest.raises(RunError, match=rf"the loss is nan at {place}.*; lower the method's lr; the last good state"):
        train(method, tmp_path / "spoilt", every=1, keep=keep)
    names = [path.name for path in sorted((tmp_path / "spoilt" / "states").iterdir())]
    assert names == [f"step-{n:08d}" for n in (1, 2)][-keep:]
    monkeypatch.undo()
    again = start(tiny_model, METHODS["lora"])
    train(again, tmp_path / "spoilt")
    assert torch.equal(logits(again), logits(whole))


def test_a_rate_that_is_too_high_is_one_line(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"(the loss|the gradient's norm) is (nan|inf) at step \d+"):
        train(start(tiny_model, LoraOptions(rank=2, lr=1e30)), tmp_path, every=1)


def test_what_a_process_left_that_was_killed_while_it_saved_goes(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / ".checkpoint-left").mkdir()
    run = Run("lora", "lora", 0, "m", "r", {}, 1, 1.0, 1, 1.0)
    method = start(tiny_model, METHODS["lora"])
    for _ in range(2):
        save_run(tmp_path, run, method)
        assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    monkey = pytest.MonkeyPatch()
    monkey.setattr(method, "save", lambda folder: (folder / "half").write_text("half") / 0)
    with pytest.raises(ZeroDivisionError):
        save_run(tmp_path, run, method)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"] and read_run(tmp_path) == run


def test_ctrl_c_lets_the_step_end_and_a_second_one_waits_for_nothing(tmp_path: Path) -> None:
    keeper, before = Keeper(tmp_path, {}), signal.getsignal(signal.SIGINT)
    with keeper.ending_on_signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert keeper.is_asked_to_end
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


SLEEPY = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_resume as t
from train.resume import Keeper
method = t.start(Path(sys.argv[1]), t.METHODS["memory"])
folder = Path(sys.argv[2])
keeper = Keeper(folder / "states", {"lr": 1}, every=1)
settings = t.Train(methods=t.Methods(), data=t.DATA, epochs=3, batches_per_step=2)
def show(step, *_):
    print(step, flush=True)
    time.sleep(0.3)
with keeper.ending_on_signals():
    t.train_method(method.network, method, t.make_corpus(), settings, 0, folder / "log.jsonl", show, keeper=keeper)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_killed_process_is_taken_up_where_it_was(tiny_model: Path, tmp_path: Path, number: signal.Signals) -> None:
    whole = start(tiny_model, METHODS["memory"])
    train(whole, tmp_path / "whole")
    (tmp_path / "parts").mkdir()
    command = [sys.executable, "-c", SLEEPY, str(tiny_model), str(tmp_path / "parts"), str(Path(__file__).parent)]
    alike = {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **alike})
    assert process.stdout is not None
    while process.stdout.readline().strip() != "3":
        assert process.poll() is None
    process.send_signal(number)
    assert process.wait() != 0
    again = start(tiny_model, METHODS["memory"])
    train(again, tmp_path / "parts")
    assert torch.equal(logits(again), logits(whole))

"""Two workers that share out a step's batches learn what one process learns from the same steps."""

import json
import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from augment.errors import RunError
from tests.train.test_resume import SHAPE, make_corpus
from train.config import Train, Workers
from train.data import Data, pad
from train.loop import train_method
from train.memory.attach import fit_background
from train.methods.base import Method
from train.methods.memory import MemoryMethod
from train.methods.options import FullOptions, LoraOptions, MemoryOptions, Methods, PrefixOptions, TrainedOptions
from train.methods.prefix import PrefixMethod
from train.methods.registry import start_method
from train.model import load_model
from train.peers import ALONE, Peers
from train.resume import Keeper

pytestmark = pytest.mark.slow

# (options, is it split over the workers)
RUNS: dict[str, tuple[TrainedOptions, bool]] = {
    "memory": (MemoryOptions(**SHAPE, top_t=20), False),
    "memory_split": (MemoryOptions(**SHAPE, top_t=20), True),
    "memory_split_gate_shared": (MemoryOptions(**SHAPE, pool="shared", gate=True, projection=True), True),
    "lora": (LoraOptions(rank=2), False),
    "full": (FullOptions(lr=1e-3), False),
    "full_split": (FullOptions(lr=1e-3), True),
    "prefix": (PrefixOptions(num_tokens=4, lr=1e-2), False),
}
OPTIONS = Train(
    methods=Methods(),
    data=Data(passages="", questions="", replay_share=0.3, tokens_per_batch=32),
    epochs=2,
    batches_per_step=2,
    warmup_steps=0,
)


def start(model: Path, options: TrainedOptions, peers: Peers) -> Method:
    method = start_method(load_model(str(model), bf16=False).network, options, 0, peers)
    if isinstance(method, MemoryMethod):
        fit_background(method.network, method.memories, [pad(make_corpus().notes)], [])
    if isinstance(method, PrefixMethod):
        method.fit(make_corpus().notes)
    return method


def train_and_save(model: Path, name: str, peers: Peers, folder: Path, stop_after: int = 0) -> None:
    """Train one run, save it; stop after some steps and go on with a new process's objects where asked to."""
    options, folder = RUNS[name][0], folder / name
    folder.mkdir(parents=True, exist_ok=True)
    for stops in [True, False] if stop_after else [False]:
        method = start(model, options, peers)
        keeper = Keeper(folder / "states", {}, peers=peers)

        def show(step: int, *_: float) -> None:
            if stops and step == stop_after and peers.is_main:  # noqa: B023
                keeper.end.set()  # noqa: B023

        try:
            train_method(method.network, method, make_corpus(), OPTIONS, 0, folder / "log", show, keeper=keeper)
        except RunError:
            continue
    method.collect()
    if peers.is_main:
        method.save(folder)


def work(rank: int, model: Path, folder: Path) -> None:
    """One of two processes: all runs, and one that is stopped and taken up again."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    for name, (_, splits) in RUNS.items():
        train_and_save(model, name, Peers(rank, 2, splits), folder / "two")
    for name in ("memory_split", "full_split", "lora"):
        train_and_save(model, name, Peers(rank, 2, RUNS[name][1]), folder / "stopped", stop_after=3)
    dist.destroy_process_group()
    os._exit(0)  # caches of DTensor keep gloo's threads alive, and Python's own end beside them may abort


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    torch.multiprocessing.spawn(work, (tiny_model, folder), nprocs=2)
    for name in RUNS:
        train_and_save(tiny_model, name, ALONE, folder / "one")
    return folder


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log").read_text().splitlines()]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    files = [path for path in folder.rglob("*.safetensors") if "states" not in path.parts]
    return {f"{path.stem}/{n}": t for path in sorted(files) for n, t in load_file(path).items()}


@pytest.mark.parametrize("name", RUNS)
def test_two_workers_have_the_losses_of_one(trained: Path, name: str) -> None:
    one, two = losses(trained / "one" / name), losses(trained / "two" / name)
    assert len(one) > 4 and one[0] != one[-1]
    assert two == pytest.approx(one, rel=2e-4)


@pytest.mark.parametrize("name", RUNS)
def test_two_workers_save_the_weights_of_one(trained: Path, name: str) -> None:
    one, two = tensors(trained / "one" / name), tensors(trained / "two" / name)
    assert one.keys() == two.keys()
    for key, tensor in one.items():
        assert tensor.shape == two[key].shape, key
        far = ~torch.isclose(tensor.double(), two[key].double(), atol=1e-4, rtol=1e-3)
        assert float(far.float().mean()) < 0.01, key  # Adam makes a whole step of a gradient that is all rounding


@pytest.mark.parametrize("name", ["memory_split", "full_split", "lora"])
def test_workers_that_were_stopped_end_with_the_same_weights(trained: Path, name: str) -> None:
    whole, stopped = tensors(trained / "two" / name), tensors(trained / "stopped" / name)
    assert whole.keys() == stopped.keys() and all(torch.equal(whole[key], stopped[key]) for key in whole)


def test_an_odd_number_of_batches_is_evened_out(tiny_model: Path) -> None:
    first, second = Peers(0, 2), Peers(1, 2)
    batches = [pad(make_corpus().notes[i : i + 1]) for i in range(3)]
    assert [counts for _, counts in first.own(batches)] == [True, True]
    assert [counts for _, counts in second.own(batches)] == [True, False]


def test_workers_need_a_batch_each() -> None:
    with pytest.raises(ValueError, match=r"multiple of workers\.number"):
        Train(methods=Methods(), data=OPTIONS.data, workers=Workers(number=2))

"""Keeps keys and background statistics in a file: they belong to one model, its layers and one batch size."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from augment.errors import DatasetError
from train.memory.layer import Memory


def save_background(memories: Mapping[int, Memory], description: Mapping[str, str], path: Path) -> None:
    """Write each layer's keys, whitening and access statistics; the description says what they were made of."""
    state = {f"{i}.{n}": t.cpu().clone() for i, m in memories.items() for n, t in statistics(m).items()}
    save_file(state, path, metadata=dict(description))


def statistics(memory: Memory) -> dict[str, Tensor]:
    """All that is kept of a memory but its values and what trains."""
    trained = dict(memory.named_parameters())
    return {name: tensor for name, tensor in memory.state_dict().items() if name not in trained}


def load_background(memories: Mapping[int, Memory], path: Path, expected: Mapping[str, str] | None = None) -> None:
    """Fill the memories from a file. Raises DatasetError when the description differs from what is expected.

    Only what `expected` names is compared: the batch size of the statistics may differ, their model may not.
    """
    try:
        with safe_open(path, "pt") as file:
            found = dict(file.metadata() or {})
            for key, value in (expected or {}).items():
                if found.get(key) != value:
                    what = f"{path} was made with {key} {found.get(key)}, not {value}"
                    raise DatasetError(what, "leave out train.methods.memory.background, or match that file")
            for index, memory in memories.items():
                found_here = {name: file.get_tensor(f"{index}.{name}") for name in statistics(memory)}
                memory.load_state_dict(found_here, strict=False)
    except (SafetensorError, OSError) as error:
        raise DatasetError(f"{path} holds no background statistics ({str(error)[:80]})", "make it again") from None

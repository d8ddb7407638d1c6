"""What a document wrote into value tables, as rows that can be added and taken away again.

A folder of patches is `patches.json`, the names in the order in which they are added, whether each is applied and what
its deltas are multiplied by (`scale`) where that is not 1; and one safetensors file a patch: `LAYER.slots` (R,) int64
ascending and `LAYER.deltas` (R, d) fp32, with metadata. The tables are always the sum of the applied patches in that
order, from zero: so a patch that is taken away leaves no bit.
"""

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from augment.errors import DatasetError
from augment.json_file import write_json
from augment.records import content_id

ORDER = "patches.json"


@dataclass(frozen=True, slots=True)
class Patch:
    """Deltas of a few rows by layer: slots (R,), ascending and distinct, and deltas (R, d)."""

    name: str
    layers: dict[int, tuple[Tensor, Tensor]]
    metadata: dict[str, str]

    @property
    def num_slots(self) -> int:
        """Rows over all layers."""
        return sum(len(slots) for slots, _ in self.layers.values())

    @property
    def norm(self) -> float:
        """Euclidean norm of all deltas."""
        return math.sqrt(sum(float(deltas.square().sum()) for _, deltas in self.layers.values()))


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the order: which patch, whether it is applied, and what its deltas are multiplied by."""

    name: str
    applied: bool
    scale: float = 1.0


def patch_name(document: str) -> str:
    """A file name for a document's patch: its readable part and a hash, so that no two documents share one."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", document).strip("-.")[:60]
    return f"{readable or 'run'}-{content_id(document)[:8]}"


def sum_rows(parts: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Distinct slots ascending and the sums of their deltas, over (slots, deltas) pairs added in their order."""
    pairs = list(parts)
    slots, inverse = torch.cat([s for s, _ in pairs]).unique(return_inverse=True)
    total = torch.zeros(len(slots), pairs[0][1].shape[1], device=slots.device)
    for (part, deltas), at in zip(pairs, inverse.split([len(s) for s, _ in pairs]), strict=True):
        assert len(part) == len(at)
        total.index_add_(0, at, deltas)
    return slots, total


def add_patches(values: Mapping[int, Tensor], patches: Iterable[Patch]) -> None:
    """Make each layer's value table (N, d) the sum of the patches. Raises DatasetError for rows it does not have."""
    for table in values.values():
        table.zero_()
    for patch in patches:
        for layer, (slots, deltas) in patch.layers.items():
            if layer not in values or not fits(values[layer], slots, deltas):
                raise DatasetError(f"the patch {patch.name} does not fit layer {layer}", "it belongs to another memory")
            table = values[layer]
            table.index_add_(0, slots.to(table.device), deltas.to(table.device))


def fits(table: Tensor, slots: Tensor, deltas: Tensor) -> bool:
    """Whether the table (N, d) has these slots and rows this wide."""
    return deltas.shape[1] == table.shape[1] and (len(slots) == 0 or int(slots.max()) < len(table))


def save_patch(patch: Patch, folder: Path) -> Path:
    """Write the patch's file whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for layer, (slots, deltas) in patch.layers.items():
        tensors |= {f"{layer}.slots": slots.cpu().contiguous(), f"{layer}.deltas": deltas.cpu().contiguous()}
    path = folder / f"{patch.name}.safetensors"
    staging = folder / f".{patch.name}.new"
    save_file(tensors, staging, metadata=patch.metadata)
    os.replace(staging, path)
    return path


def load_patch(path: Path) -> Patch:
    """Read a patch's file; raises DatasetError when it is missing, damaged or no patch."""
    if not path.is_file():
        raise DatasetError(f"no patch {path}", "list them with `train patch list RUN`")
    try:
        with safe_open(path, "pt") as file:
            names = sorted({int(key.partition(".")[0]) for key in file.keys()})  # noqa: SIM118
            layers = {n: (file.get_tensor(f"{n}.slots"), file.get_tensor(f"{n}.deltas")) for n in names}
            return Patch(path.stem, layers, dict(file.metadata() or {}))
    except (SafetensorError, ValueError, OSError) as error:
        raise DatasetError(f"{path} is no patch ({str(error)[:80]})", "delete it and train again") from None


def read_order(folder: Path) -> list[Entry]:
    """The patches of a folder in the order in which they are added."""
    path = folder / ORDER
    if not path.is_file():
        raise DatasetError(f"{folder} holds no patches", "only runs of the method `memory` have them")
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [Entry(row["name"], row["applied"], row.get("scale", 1.0)) for row in rows]


def write_order(folder: Path, entries: Iterable[Entry]) -> None:
    """Replace the order."""
    rows = [{"name": e.name, "applied": e.applied} | ({} if e.scale == 1 else {"scale": e.scale}) for e in entries]
    write_json(rows, folder / ORDER)


def applied_patches(folder: Path) -> Iterator[Patch]:
    """The applied patches in their order, their deltas at their scale."""
    return (load_scaled(folder, e) for e in read_order(folder) if e.applied)


def load_scaled(folder: Path, entry: Entry) -> Patch:
    """A patch with its deltas times its entry's scale."""
    patch = load_patch(folder / f"{entry.name}.safetensors")
    if entry.scale == 1:
        return patch
    layers = {layer: (slots, deltas * entry.scale) for layer, (slots, deltas) in patch.layers.items()}
    return replace(patch, layers=layers)


def set_scale(folder: Path, name: str, scale: float) -> None:
    """Multiply one patch's deltas, as they were learned, by a factor; raises DatasetError for none above 0."""
    if not (scale > 0 and math.isfinite(scale)):
        raise DatasetError(
            f"a patch cannot be scaled by {scale:g}", "give a number above 0; `train patch revert` takes it out"
        )
    find_entry(folder, name)
    write_order(folder, [replace(e, scale=scale) if e.name == name else e for e in read_order(folder)])


def set_applied(folder: Path, name: str, applied: bool) -> None:
    """Apply or revert one patch; raises DatasetError for an unknown name."""
    find_entry(folder, name)
    write_order(folder, [replace(e, applied=applied) if e.name == name else e for e in read_order(folder)])


def find_patch(folder: Path, name: str) -> Patch:
    """A patch by its name or by its document, as it was learned; raises DatasetError listing what there is."""
    return load_patch(folder / f"{find_name(folder, name)}.safetensors")


def find_name(folder: Path, name: str) -> str:
    """The name of a patch that is called by its name or by its document."""
    by_document = patch_name(name)
    listed = any(e.name == by_document for e in read_order(folder))
    return by_document if listed else find_entry(folder, name).name


def replace_by_merged(folder: Path, names: list[str], into: str) -> Patch:
    """Put one patch of all rows in the place of the first of `names`; the others go. All must be applied, or none.

    Scales become part of the new patch, whose own is 1.
    """
    gone, order = {find_name(folder, name) for name in names}, read_order(folder)
    if len(gone) < 2:
        raise DatasetError("merging takes two or more patches", "name them: `train patch merge RUN A B --into C`")
    states = {e.applied for e in order if e.name in gone}
    if len(states) > 1:
        raise DatasetError("some of these patches are applied and some are not", "apply or revert them first")
    if into != Path(into).name or into.startswith(".") or (into in {e.name for e in order} - gone):
        raise DatasetError(f"{into!r} cannot be the new patch's name", "give one that is free and no path")
    merged = merge_patches(into, [load_scaled(folder, e) for e in order if e.name in gone])
    save_patch(merged, folder)
    first = next(e.name for e in order if e.name in gone)
    order = [Entry(into, e.applied) if e.name == first else e for e in order if e.name == first or e.name not in gone]
    write_order(folder, order)
    for name in gone - {into}:
        (folder / f"{name}.safetensors").unlink()
    return merged


def find_entry(folder: Path, name: str) -> Entry:
    """The entry of a patch's name; raises DatasetError listing the names there are."""
    entries = {e.name: e for e in read_order(folder)}
    if name not in entries:
        raise DatasetError(f"no patch {name}", f"there are: {', '.join(entries)}")
    return entries[name]


def shared_slots(a: Patch, b: Patch) -> dict[int, Tensor]:
    """Slots that both write, by layer."""
    both = a.layers.keys() & b.layers.keys()
    return {layer: a.layers[layer][0][torch.isin(a.layers[layer][0], b.layers[layer][0])] for layer in sorted(both)}


def merge_patches(name: str, patches: list[Patch]) -> Patch:
    """One patch that writes what all of them write."""
    layers = sorted({layer for patch in patches for layer in patch.layers})
    merged = {n: sum_rows([p.layers[n] for p in patches if n in p.layers]) for n in layers}
    return Patch(name, merged, {"merged": ", ".join(p.name for p in patches)})

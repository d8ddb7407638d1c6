"""Decides whether a run may write into a folder that holds notes already, before anything is paid for."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from augment.arrow import read_table
from augment.errors import DatasetError
from augment.plan import Plan
from augment.settings import parse_mapping
from augment.shards import SPLITS, is_store, listed_shards, staged_pieces, whole_shards

Resume = Literal["if_possible", "never", "always"]
# Settings that every unit's id hashes: a change of any makes another dataset. Documents, templates and a strategy's
# options touch only their own units.
SHARED = ("model", "seed", "augment.chunks", "augment.engine.kind", "augment.engine.model", "augment.sampling")


def check_resume(folder: Path, resume: Resume) -> None:
    """Raise DatasetError unless the folder is as `resume` wants it: `never` empty, `always` with notes."""
    has_notes = holds_notes(folder)
    if resume == "never" and has_notes:
        raise DatasetError(f"{folder} holds notes", "use --set out=FOLDER for a new dataset, or --resume if_possible")
    if resume == "always" and not has_notes:
        raise DatasetError(f"{folder} holds no notes to resume", "check `out`, or use --resume if_possible")


def holds_notes(folder: Path) -> bool:
    """Whether any note is in the dataset or staged for it."""
    if not is_store(folder):
        return False
    names = whole_shards(folder, listed_shards(folder, "train"))
    shards = (read_table(folder / split / name).num_rows for split in SPLITS for name in names)
    return any(shards) or bool(staged_pieces(folder))


def check_same_dataset(plan: Plan, folder: Path, num_finished: int, replace: bool) -> None:
    """Raise DatasetError when a changed setting would set aside every note of the folder and pay for all anew."""
    if replace or num_finished or not holds_notes(folder):
        return
    if changes := list(shared_changes(plan)):
        raise DatasetError(
            f"{plan.out} holds notes made with other settings ({', '.join(changes)})",
            "use --set out=FOLDER to keep both datasets, or --replace to set the old notes aside",
        )


def shared_changes(plan: Plan) -> Iterator[str]:
    """`key: old -> new` for each setting that all notes depend on and that is not what it was."""
    path = plan.out / "augment.yaml"
    if not path.is_file():
        return
    before = parse_mapping(path.read_text(encoding="utf-8", errors="replace"), str(path), f"delete {path}")
    after = plan.settings.model_dump(mode="json", exclude_none=True)
    for key in SHARED:
        old, new = find_setting(before, key), find_setting(after, key)
        if key == "model" and plan.model is None:
            continue
        if old != new:
            yield from describe_change(key, old, new)


def find_setting(settings: Any, key: str) -> Any:
    """The value at a dotted key, None where there is none."""
    for part in key.split("."):
        settings = settings.get(part) if isinstance(settings, Mapping) else None
    return settings


def describe_change(key: str, old: Any, new: Any) -> Iterator[str]:
    """The changed leaves below a key."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in new:
            if old.get(name) != new[name]:
                yield from describe_change(f"{key}.{name}", old.get(name), new[name])
    else:
        yield f"{key}: {old} -> {new}"

"""The `train patch` commands: what each document wrote into a run's memories, and taking it out again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from augment.console import Debug, new_app, report_errors

if TYPE_CHECKING:
    from train.memory.patch import Patch

app = new_app("List, show, apply, revert, scale, merge and compare what documents wrote into a run's memories.")
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, e.g. runs/quickstart/train/memory.")]
Name = Annotated[str, typer.Argument(metavar="PATCH", help="A patch's name, or the document that wrote it.")]


@app.command("list")
@report_errors
def list_patches(run: Run, debug: Debug = False) -> None:
    """The patches of a run in the order in which they are added."""
    from train.memory.patch import load_patch, read_order

    folder = patches_folder(run)
    table = Table(
        Column("patch", overflow="fold"), Column("document", overflow="fold"), "rows", "norm", "applied", "scale"
    )
    for entry in read_order(folder):
        patch = load_patch(folder / f"{entry.name}.safetensors")
        applied = "yes" if entry.applied else "no"
        figures = f"{patch.num_slots:,}", f"{patch.norm:.2f}", applied, f"{entry.scale:g}"
        table.add_row(Text(entry.name), Text(patch.metadata.get("document", "")), *figures)
    Console().print(table)


@app.command()
@report_errors
def show(run: Run, name: Name, debug: Debug = False) -> None:
    """One patch: its metadata, and how many rows of which layer it writes how far."""
    from train.memory.patch import find_patch

    patch = find_patch(patches_folder(run), name)
    for key, value in {"name": patch.name, **patch.metadata}.items():
        print(f"{key}: {value}")
    for layer, (slots, deltas) in sorted(patch.layers.items()):
        print(f"layer {layer}: {len(slots):,} rows, norm {float(deltas.norm()):.3f}")


@app.command()
@report_errors
def apply(run: Run, name: Name, debug: Debug = False) -> None:
    """Add a patch again that was reverted; says which others write the same rows."""
    switch(run, name, True)


@app.command()
@report_errors
def revert(run: Run, name: Name, debug: Debug = False) -> None:
    """Take out what a document wrote: the model is then as if it had never been added, to the bit."""
    switch(run, name, False)


@app.command()
@report_errors
def scale(
    run: Run,
    name: Name,
    factor: Annotated[float, typer.Argument(metavar="FACTOR", help="Such as 0.5; 1 is as it was learned.")],
    debug: Debug = False,
) -> None:
    """Multiply what a document wrote: less of it recalls less and forgets less, without training again."""
    from train.memory.patch import find_name, set_scale

    folder = patches_folder(run)
    patch = find_name(folder, name)
    set_scale(folder, patch, factor)
    print(f"{patch}: {factor:g} times what it learned; `train evaluate` asks again")


@app.command()
@report_errors
def merge(
    run: Run,
    names: Annotated[list[str], typer.Argument(metavar="PATCH...", help="Two or more patches.")],
    into: Annotated[str, typer.Option(help="The new patch's name.")],
    debug: Debug = False,
) -> None:
    """Replace patches by one that writes what all of them write."""
    from train.memory.patch import replace_by_merged

    patch = replace_by_merged(patches_folder(run), names, into)
    print(f"{patch.name}: {patch.num_slots:,} rows")


@app.command()
@report_errors
def diff(run: Run, a: Name, b: Name, debug: Debug = False) -> None:
    """Where two patches write the same rows, and whether in the same direction."""
    from train.memory.patch import find_patch, shared_slots

    folder = patches_folder(run)
    first, second = find_patch(folder, a), find_patch(folder, b)
    for layer, slots in shared_slots(first, second).items():
        own, other = len(first.layers[layer][0]), len(second.layers[layer][0])
        print(f"layer {layer}: {own:,} and {other:,} rows, {len(slots):,} shared{agreement(first, second, layer)}")


def agreement(first: "Patch", second: "Patch", layer: int) -> str:
    """Mean cosine of the rows that both write, as the end of a line."""
    import torch

    (a, rows_a), (b, rows_b) = first.layers[layer], second.layers[layer]
    cosine = torch.cosine_similarity(rows_a[torch.isin(a, b)], rows_b[torch.isin(b, a)])
    return f", mean cosine {float(cosine.mean()):+.2f}" if len(cosine) else ""


def switch(run: Path, name: str, applied: bool) -> None:
    """Apply or revert, and say what else is touched."""
    from train.memory.patch import applied_patches, find_patch, set_applied, shared_slots

    folder = patches_folder(run)
    patch = find_patch(folder, name)
    set_applied(folder, patch.name, applied)
    print(f"{patch.name}: {'applied' if applied else 'reverted'}")
    for other in applied_patches(folder):
        shared = sum(map(len, shared_slots(patch, other).values()))
        if shared and other.name != patch.name:
            print(f"note: {other.name} writes {shared:,} of the same rows; its own values there stay")


def patches_folder(run: Path) -> Path:
    """Where a run keeps its patches."""
    from train.checkpoint import CHECKPOINT
    from train.methods.memory import PATCHES

    return run / CHECKPOINT / PATCHES

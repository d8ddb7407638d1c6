"""Runs what a pipeline file asks for: documents to notes, notes to weights, weights to a report."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from augment import cli as augment_cli
from augment.config import AugmentFile
from augment.console import Debug, Overrides, new_app, report_errors
from augment.errors import ConfigError
from augment.settings import find_pipeline, load_settings

app = new_app("Run all stages of a pipeline file; a rerun skips what is finished.")
File = Annotated[str, typer.Argument(help="A pipeline YAML, or the name of one that ships (quickstart).")]
Stage = Callable[[str, list[str] | None, bool], None]


@app.command()
@report_errors
def run(file: File, overrides: Overrides = None, debug: Debug = False) -> None:
    """Run all stages of a pipeline file; a rerun skips what is finished."""
    for name, stage in list_stages(file, overrides).items():
        start = time.perf_counter()
        stage(file, overrides, debug)
        print(f"[{name}] {time.perf_counter() - start:.1f} s", flush=True)


def list_stages(file: str, overrides: list[str] | None) -> dict[str, Stage]:
    """The stages of the file in their order. Raises ConfigError before any of them starts."""
    settings = load_settings(find_pipeline(file), overrides or [], AugmentFile)
    stages: dict[str, Stage] = {"facts": make_facts} if settings.facts is not None else {}
    stages["augment"] = augment
    if settings.train is None:
        if settings.evaluate is not None:
            raise ConfigError(f"{file} has an `evaluate` part but nothing to evaluate", "add a `train` part")
        return stages
    return stages | {"train": train, "evaluate": evaluate, "report": report}


def make_facts(file: str, overrides: list[str] | None, debug: bool) -> None:
    """Write the question sets; PyTorch loads only where there are some."""
    from train import cli as train_cli

    train_cli.facts(file, overrides, debug)


def augment(file: str, overrides: list[str] | None, debug: bool) -> None:
    """Write the notes, then leave Ray: training needs the memory that the engine held."""
    augment_cli.run(file, overrides, debug=debug)
    import ray

    ray.shutdown()


def train(file: str, overrides: list[str] | None, debug: bool) -> None:
    """Train every method. PyTorch loads only where something is trained."""
    from train import cli

    cli.run(file, overrides, debug=debug)


def evaluate(file: str, overrides: list[str] | None, debug: bool) -> None:
    """Ask the base model and every run."""
    from train import cli

    cli.evaluate(file, overrides, debug=debug)


def report(file: str, overrides: list[str] | None, debug: bool) -> None:
    """Compare them."""
    from train import cli

    cli.report([file], overrides=overrides, debug=debug)

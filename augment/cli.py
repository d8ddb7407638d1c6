"""The `augment` command: documents to a dataset of notes."""

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from augment.config import AugmentFile
from augment.console import Debug, Overrides, new_app, report_errors
from augment.plan import Plan, make_plan
from augment.settings import find_pipeline, load_settings

app = new_app("Turn documents into a dataset of notes about them.")
File = Annotated[str, typer.Argument(help="A pipeline YAML, or the name of one that ships (quickstart).")]


def plan_from(file: str, overrides: list[str] | None) -> Plan:
    """The plan of a pipeline file."""
    path = find_pipeline(file)
    return make_plan(load_settings(path, overrides or [], AugmentFile), path.parent)


@app.command()
@report_errors
def run(
    file: File,
    overrides: Overrides = None,
    resume: Annotated[
        Literal["if_possible", "never", "always"],
        typer.Option("--resume", help="never: refuse a folder with notes; always: refuse one without."),
    ] = "if_possible",
    replace: Annotated[
        bool, typer.Option("--replace", help="Let changed settings set aside all notes of the folder.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Write the notes that are missing; a rerun skips what is finished."""
    from augment.generate import generate
    from augment.summary import print_outcome

    print_outcome(generate(plan_from(file, overrides), resume, replace), Console())


@app.command()
@report_errors
def preview(
    file: File,
    count: Annotated[int, typer.Option(help="Units of each strategy.", min=1)] = 1,
    overrides: Overrides = None,
    debug: Debug = False,
) -> None:
    """Show a few notes in the terminal; nothing is written."""
    from augment.preview import preview_notes

    asyncio.run(preview_notes(plan_from(file, overrides), count, Console()))


@app.command()
@report_errors
def plan(file: File, overrides: Overrides = None, debug: Debug = False) -> None:
    """Show the units done and to do, with an estimate of tokens, time and price; nothing is written or started."""
    from augment.summary import print_plan

    print_plan(plan_from(file, overrides), Console())


@app.command()
@report_errors
def status(
    out: Annotated[Path, typer.Argument(metavar="RUN", help="The `out` folder of a pipeline.")], debug: Debug = False
) -> None:
    """Show how far a run is, while it runs and after; only its files are read."""
    from augment.status import print_status, read_status

    print_status(read_status(out), Console())


if __name__ == "__main__":
    app()

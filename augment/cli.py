"""The `augment` command: documents to a dataset of notes."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from augment.config import AugmentFile
from augment.console import Debug, Overrides, new_app, report_errors
from augment.errors import ConfigError
from augment.plan import Plan, make_plan
from augment.settings import find_pipeline, load_settings

app = new_app("Turn documents into a dataset of notes about them.")
File = Annotated[str, typer.Argument(help="A pipeline YAML, or the name of one that ships (quickstart).")]

Run = Annotated[Path, typer.Argument(help="The folder that `augment run` wrote.")]


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


@app.command()
@report_errors
def stats(
    run: Run,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    debug: Debug = False,
) -> None:
    """Show what was kept and rejected, and how varied and faithful the notes are."""
    from augment.batches import find_notes
    from augment.statistics.measure import measure_dataset
    from augment.statistics.terminal import print_statistics

    statistics = measure_dataset(find_notes(run))
    if as_json:
        print(json.dumps(statistics.as_json(), indent=2))
    else:
        print_statistics(statistics, Console())


@app.command()
@report_errors
def export(
    run: Run,
    form: Annotated[Literal["chat", "instruction", "text"], typer.Option("--format", help="Form of an example.")],
    to: Annotated[Path, typer.Option(help="A new .jsonl or .parquet file, or a new folder.")],
    split_by: Annotated[Literal["document"] | None, typer.Option(help="Hold out whole documents; to a folder.")] = None,
    validation_share: Annotated[float, typer.Option(help="Share of documents held out.", min=0.001, max=0.999)] = 0.1,
    file_type: Annotated[Literal["jsonl", "parquet"], typer.Option(help="Type of files in a folder.")] = "jsonl",
    provenance: Annotated[bool, typer.Option("--provenance", help="Keep where each note comes from.")] = False,
    prompts: Annotated[Path | None, typer.Option(help="A folder with an export_about.jinja of your own.")] = None,
    debug: Debug = False,
) -> None:
    """Write the kept notes for trl, axolotl or LLaMA-Factory."""
    from augment.batches import find_notes
    from augment.export.forms import TEMPLATE, Examples
    from augment.export.write import export_file, export_folder
    from augment.templates import load_template

    folder, examples = find_notes(run), Examples(form, load_template(TEMPLATE, prompts), provenance)
    if to.suffix in (".jsonl", ".parquet") and split_by:
        raise ConfigError(f"--to {to} is one file and --split-by makes two", "give a folder and --file-type")
    if to.suffix in (".jsonl", ".parquet"):
        counts = export_file(folder, examples, to)
    else:
        counts = export_folder(folder, examples, to, file_type, validation_share if split_by else 0)
    for name, number in counts.items():
        print(f"{number} examples: {to if name == to.name else to / name}")


if __name__ == "__main__":
    app()

"""The `train questions` commands: question sets from documents."""

from pathlib import Path
from typing import Annotated

import typer

from augment.config import AugmentFile
from augment.console import Debug, Overrides, new_app, report_errors
from augment.settings import find_pipeline, load_settings

app = new_app("Make question sets for the evaluation.")


@app.callback()
def main() -> None:
    """Make question sets for the evaluation."""


@app.command()
@report_errors
def make(
    file: Annotated[str, typer.Argument(help="A pipeline YAML with documents and an engine, or one that ships.")],
    to: Annotated[Path, typer.Option(help="The new .jsonl file.")],
    per_call: Annotated[int, typer.Option(help="Pairs asked for in one call.", min=1)] = 3,
    per_sentence: Annotated[
        bool, typer.Option("--per-sentence", help="Ask about each sentence by itself: small models need that.")
    ] = False,
    reworded: Annotated[int, typer.Option(help="Other wordings of a question.", min=0)] = 2,
    reverse: Annotated[bool, typer.Option("--reversed/--no-reversed", help="Turn questions round.")] = True,
    two_hop: Annotated[bool, typer.Option("--two-hop/--no-two-hop", help="Join questions over two hops.")] = True,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite the file if it is there.")] = False,
    overrides: Overrides = None,
    debug: Debug = False,
) -> None:
    """Write questions about the documents with the engine, and keep those that their text supports."""
    settings = load_settings(path := find_pipeline(file), overrides or [], AugmentFile)
    from train.questions.draft import Drafting
    from train.questions.make import make_questions

    options = Drafting(per_call, per_sentence, reworded, reverse, two_hop)
    make_questions(settings, path.parent, to, options, replace, lambda text: print(text, flush=True))

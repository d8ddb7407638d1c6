"""The `train` command: notes to finetuned models, their evaluation, and a report."""

from pathlib import Path
from typing import Annotated

import typer

from augment.console import Debug, Overrides, new_app, report_errors
from augment.errors import ConfigError
from augment.settings import find_pipeline, load_settings
from train.cli_patch import app as patch_app
from train.cli_questions import app as questions_app
from train.config import TrainFile

app = new_app("Write notes into a model's weights; measure what was learned and what was forgotten.")
app.add_typer(patch_app, name="patch")
app.add_typer(questions_app, name="questions")
File = Annotated[str, typer.Argument(help="A pipeline YAML, or the name of one that ships (quickstart).")]


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


@app.command()
@report_errors
def run(
    file: File,
    overrides: Overrides = None,
    cache_activations: Annotated[
        bool, typer.Option("--cache-activations", help="Keep states below the first memory: faster, 4 d bytes a token.")
    ] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Try learning rates instead: `train.sweep` times each method's own.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Train every method of the file on the notes; finished runs are kept."""
    extra = ["train.cache_activations=true"] if cache_activations else []
    settings = load_settings(path := find_pipeline(file), [*(overrides or []), *extra], TrainFile)
    from train.stage import Stage
    from train.sweep import sweep_rates
    from train.training import train_all

    stage = Stage(settings, path.parent)
    if settings.train.workers.number == 1:
        (sweep_rates if sweep else train_all)(stage, say)
        return
    if sweep:
        raise ConfigError("a sweep of rates runs in one process", "leave train.workers out")
    from train.cluster import train_on_workers

    train_on_workers(stage, say)


@app.command()
@report_errors
def facts(file: File, overrides: Overrides = None, debug: Debug = False) -> None:
    """Make facts to learn and questions to keep out of question sets (the file's `facts` part)."""
    from train.facts.settings import FactsFile

    settings = load_settings(path := find_pipeline(file), overrides or [], FactsFile)
    from train.facts.build import build_facts

    build_facts(settings, path.parent, say)


@app.command()
@report_errors
def evaluate(file: File, overrides: Overrides = None, debug: Debug = False) -> None:
    """Measure recall and forgetting of the base model and of every run."""
    settings = load_settings(path := find_pipeline(file), overrides or [], TrainFile)
    from train.evaluation import evaluate_all
    from train.stage import Stage

    evaluate_all(Stage(settings, path.parent), say)


@app.command()
@report_errors
def report(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE | RUN...", help="A pipeline YAML, or folders of evaluated runs.")
    ],
    to: Annotated[Path, typer.Option(help="Where a comparison of runs goes.")] = Path("comparison"),
    overrides: Overrides = None,
    debug: Debug = False,
) -> None:
    """Write report.html, report.md, report.json and plots; print the headline table. Of runs: side by side."""
    if all((Path(name) / "evaluation.json").is_file() for name in files):
        from train.comparison import report_runs

        report_runs([Path(name) for name in files], to, say)
        return
    if len(files) > 1:
        missing = next(name for name in files if not (Path(name) / "evaluation.json").is_file())
        raise ConfigError(f"{missing} is no evaluated run", "give one pipeline file, or folders with evaluation.json")
    settings = load_settings(path := find_pipeline(files[0]), overrides or [], TrainFile)
    from train.evaluation import report_all
    from train.stage import Stage

    report_all(Stage(settings, path.parent), say)


@app.command()
@report_errors
def status(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The `out` folder of a pipeline, or a run's folder.")],
    debug: Debug = False,
) -> None:
    """Show how far the runs are, while they train and after; only their files are read."""
    from rich.console import Console

    from train.status import print_status, read_status

    print_status(read_status(out), Console())


@app.command()
@report_errors
def ask(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, e.g. runs/quickstart/train/memory.")],
    question: Annotated[str, typer.Argument(help="The question.")],
    debug: Debug = False,
) -> None:
    """Ask a finetuned model one question."""
    from train.checkpoint import load_run
    from train.evaluate.answers import complete, question_prompt

    loaded, _ = load_run(folder)
    print(complete(loaded, [question_prompt(question)], max_new_tokens=24, batch_size=1)[0])


@app.command()
@report_errors
def serve(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, e.g. runs/quickstart/train/memory.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 8765,
    debug: Debug = False,
) -> None:
    """Open a local page that asks base and finetuned model the same question, and shows what the memory read."""
    from train.serve.ask import load_pair
    from train.serve.server import serve as serve_pair

    serve_pair(load_pair(folder, say), port, say)


@app.command()
@report_errors
def explain(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="An evaluated run's folder.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION_ID", help="The id of a fact or of a general question.")],
    debug: Debug = False,
) -> None:
    """Say why a run answers a question or not: its answers, the notes and chunks that hold the answer."""
    from train.explain import describe
    from train.explain import explain as look_up

    for line in describe(look_up(folder, question)):
        print(line)


if __name__ == "__main__":
    app()

"""Turns documents and settings into the units of a run, with ids that hash everything a note depends on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from augment.chunks import split_document
from augment.config import Augment, AugmentFile
from augment.documents import read_documents
from augment.engines.base import OpenaiEngine, VllmEngine, check_engine, name_model
from augment.errors import ConfigError, DocumentError
from augment.filters import judge
from augment.filters.registry import check_filters
from augment.models import ModelFolder, find_model
from augment.records import Chunk, Document, Unit, content_id
from augment.strategies.registry import STRATEGIES
from augment.templates import Template, load_template

PROMPT_TOKENS = 450  # what the chat format and the longest shipped template take, with room to spare


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run will do: units in document order, the templates they ask with, and the model."""

    settings: AugmentFile
    out: Path
    model: ModelFolder | None
    templates: dict[str, Template]
    documents: list[Document]
    skipped: list[DocumentError]
    chunks: list[Chunk]
    units: list[Unit]


def make_plan(settings: AugmentFile, base: Path) -> Plan:
    """Read and split the documents and list every unit; nothing is written and no engine starts.

    Paths of inputs are relative to `base`, the pipeline file's folder; `out` is relative to the current
    folder.
    """
    settings = resolve_questions(settings, base)
    options = settings.augment
    chosen = options.chosen_strategies()
    if not chosen:
        raise ConfigError("augment.strategies names no strategy", f"add one of {', '.join(STRATEGIES)}")
    check_engine(options.engine)
    check_filters(options.filters)
    check_budget(options)
    folder = base / options.prompts if options.prompts else None
    templates = {t: load_template(t, folder) for name in chosen for t in STRATEGIES[name].templates}
    if options.filters.judge:
        templates[judge.TEMPLATE] = load_template(judge.TEMPLATE, folder)
    documents, skipped = read_documents(options.documents, base)
    model = find_model(settings.model) if isinstance(options.engine, VllmEngine) else None
    count = token_counter(find_tokenizer(options, model))
    chunks = [c for document in documents for c in split_document(document, options.chunks, count)]
    units = [unit for chunk in chunks for unit in plan_units(chunk, settings, templates, model)]
    return Plan(settings, Path(settings.out), model, templates, documents, skipped, chunks, units)


def resolve_questions(settings: AugmentFile, base: Path) -> AugmentFile:
    """The settings with the path of leaked questions as the workers can open it."""
    leakage = settings.augment.filters.leakage
    if leakage is None:
        return settings
    leakage = leakage.model_copy(update={"path": str((base / leakage.path).resolve())})
    filters = settings.augment.filters.model_copy(update={"leakage": leakage})
    return settings.model_copy(update={"augment": settings.augment.model_copy(update={"filters": filters})})


def check_budget(options: Augment) -> None:
    """A chunk, its prompt and its reply must fit the engine's context."""
    need = options.chunks.max_tokens + options.sampling.max_tokens + PROMPT_TOKENS
    if need > options.engine.max_model_len:
        raise ConfigError(
            f"a chunk of {options.chunks.max_tokens} tokens with prompt and reply needs {need} of context, "
            f"augment.engine.max_model_len is {options.engine.max_model_len}",
            "lower augment.chunks.max_tokens or augment.sampling.max_tokens, or raise max_model_len",
        )


def plan_units(
    chunk: Chunk, settings: AugmentFile, templates: dict[str, Template], model: ModelFolder | None
) -> list[Unit]:
    """The chunk's units: every strategy, every round."""
    shared = [settings.augment.engine.kind, settings.augment.sampling.model_dump_json(), f"{settings.seed}"]
    shared += [part for part in name_model(settings.augment.engine, model) if part]
    units = []
    for name, options in settings.augment.chosen_strategies().items():
        prompts = [templates[t].hash for t in STRATEGIES[name].templates]
        parts = [chunk.document_id, f"{chunk.start}", chunk.topic, chunk.text, name]
        parts += [options.model_dump_json(exclude={"rounds"}), *prompts, *shared]
        units += [Unit(content_id(*parts, f"{r}"), chunk, name, r) for r in range(options.rounds)]
    return units


def find_tokenizer(options: Augment, model: ModelFolder | None) -> Path | None:
    """Where the tokenizer is that counts a chunk's tokens, None to count words."""
    if isinstance(options.engine, OpenaiEngine) and options.engine.tokenizer:
        path = Path(options.engine.tokenizer)
        if not path.is_file() and not (path / "tokenizer.json").is_file():
            todo = "give a tokenizer.json or a folder with one, or leave the setting out to count words"
            raise ConfigError(f"augment.engine.tokenizer: no tokenizer.json in {path}", todo)
        return path
    return model.path if model else None


def token_counter(path: Path | None) -> Callable[[str], int]:
    """Counts the tokens of the tokenizer in a folder or file; words where there is none."""
    if path is None:
        return lambda text: len(text.split())
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    file = path if path.is_file() else path / "tokenizer.json"
    if file.is_file():
        try:
            fast = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises Exception itself
            raise ConfigError(f"{file} is no tokenizer ({error})"[:200], "give the file of a model you know") from None
        return lambda text: len(fast.encode(text, add_special_tokens=False).ids)
    slow = AutoTokenizer.from_pretrained(str(path))
    return lambda text: len(slow.encode(text, add_special_tokens=False))

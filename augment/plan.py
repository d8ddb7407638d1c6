"""Turns documents and settings into the units of a run, with ids that hash everything a note depends on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from augment.chunks import split_document
from augment.config import Augment, AugmentFile
from augment.documents import Unreadable, read_documents
from augment.engines.registry import ENGINES
from augment.errors import ConfigError, TemplateError
from augment.filters.registry import check_names
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
    skipped: list[Unreadable]
    chunks: list[Chunk]
    units: list[Unit]


def make_plan(settings: AugmentFile, base: Path) -> Plan:
    """Read and split the documents and list every unit; nothing is written and no engine starts.

    Paths of inputs are relative to `base`, the pipeline file's folder; `out` is relative to the current
    folder.
    """
    options = settings.augment
    chosen = options.chosen_strategies()
    if not chosen:
        raise ConfigError("augment.strategies names no strategy", f"add one of {', '.join(STRATEGIES)}")
    check_budget(options)
    check_names(options.filters)
    folder = base / options.prompts if options.prompts else None
    templates = load_templates(chosen, folder)
    documents, skipped = read_documents(options.documents, base)
    model = find_model(settings.model) if ENGINES[options.engine.kind].needs_model else None
    count = token_counter(model)
    chunks = [c for document in documents for c in split_document(document, options.chunks, count)]
    units = [unit for chunk in chunks for unit in plan_units(chunk, settings, templates, model)]
    return Plan(settings, Path(settings.out), model, templates, documents, skipped, chunks, units)


def load_templates(strategies: Iterable[str], folder: Path | None) -> dict[str, Template]:
    """The templates that these strategies ask with, by name; two packages cannot both bring one of the same name."""
    templates: dict[str, Template] = {}
    for strategy in map(STRATEGIES.__getitem__, strategies):
        for name in strategy.templates:
            template = load_template(name, folder, strategy.prompts)
            if templates.setdefault(name, template) != template:
                raise TemplateError(
                    f"the strategy {strategy.name} brings another template {name} than a strategy before it",
                    "use one of the two strategies, or rename the template in its package",
                )
    return templates


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
    shared += [model.name, model.revision] if model else []
    units = []
    for name, options in settings.augment.chosen_strategies().items():
        prompts = [templates[t].hash for t in STRATEGIES[name].templates]
        parts = [chunk.document_id, f"{chunk.start}", chunk.topic, chunk.text, name]
        parts += [options.model_dump_json(exclude={"rounds"}), *prompts, *shared]
        units += [Unit(content_id(*parts, f"{r}"), chunk, name, r) for r in range(options.rounds)]
    return units


def token_counter(model: ModelFolder | None) -> Callable[[str], int]:
    """Counts tokens of the generating model; words where there is no model."""
    if model is None:
        return lambda text: len(text.split())
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    if (model.path / "tokenizer.json").is_file():
        fast = Tokenizer.from_file(str(model.path / "tokenizer.json"))
        return lambda text: len(fast.encode(text, add_special_tokens=False).ids)
    slow = AutoTokenizer.from_pretrained(str(model.path))
    return lambda text: len(slow.encode(text, add_special_tokens=False))

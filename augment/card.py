"""Turns a dataset of notes and the settings it was made with into its card, the README.md that the Hub shows."""

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from huggingface_hub import DatasetCard, DatasetCardData
from jinja2 import Environment, StrictUndefined

from augment.config import AugmentFile
from augment.escape import clip_end, escape_markdown
from augment.schema import SCHEMA
from augment.shards import listed_shards
from augment.stamp import CARD, fingerprint_of, stamp_text
from augment.statistics.measure import Statistics, measure_dataset
from augment.statistics.tables import count_table, diversity_table, reason_table
from augment.whole import replace_file

MAX_SOURCES = 100  # documents that the card names
# Identifiers that the Hub knows and documents often have; any other licence becomes `other` with its name.
HUB_LICENSES = frozenset(
    "apache-2.0 mit bsd bsd-2-clause bsd-3-clause gpl gpl-2.0 gpl-3.0 lgpl-3.0 agpl-3.0 mpl-2.0 isc unlicense "
    "cc cc0-1.0 cc-by-2.0 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 "
    "cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 pddl odc-by odbl gfdl wtfpl "
    "cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0".split()
)
SIZES = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M")]
SECRET = re.compile(r"(?:key|token|secret|passwd|password|credential|authorization|cookie|header)s?$", re.IGNORECASE)
COLUMNS = {
    "text": "the note",
    "note_id": "hash of the unit and the note's place in it",
    "unit_id": "hash of all that the note was made from: chunk, strategy, templates, model, sampling, seed, round",
    "document_id": "path of the document below the documents folder",
    "title": "title of the document",
    "heading": "path of headings above the chunk",
    "source": "where the document was read from",
    "start": "first character of the chunk in the document's text",
    "end": "character after the chunk's last one",
    "strategy": "how the chunk was studied",
    "strategy_text": "the variant of the strategy, where it has some",
    "round": "which repetition of the strategy, from 0",
    "template": "name of the prompt template",
    "template_hash": "hash of the template's source",
    "engine": "what generated the text",
    "model": "name of the generating model",
    "model_revision": "hash of the model's configuration and weights",
    "sampling": "JSON of temperature, top_p and max_tokens",
    "finish_reason": "why the reply ended: stop, length, error",
    "prompt_tokens": "tokens of the prompt; on a reply's first note, and on a unit's first those of plans and checks",
    "completion_tokens": "tokens of the reply, on the same notes",
    "verdict": "kept or rejected",
    "reason": "why the note was rejected",
    "answer_start": "where in the text the answer begins whose tokens are kept for distillation, else 0",
    "token_ids": "the answer's tokens and the one that ended it",
    "top_ids": "at each of these tokens, the ids that the generating model found likeliest",
    "top_logprobs": "their natural logarithms of probability",
    "nearest_note": "the note of the same document that a duplicate or near duplicate repeats",
    "similarity": "how near it is to that, 0 to 1",
    "leaked_question": "the question of an evaluation that stands in the text",
    "judgement": "what the judge said of the note, where there is one",
}


def write_card(folder: Path, settings: AugmentFile) -> None:
    """Rewrite the README.md of the dataset in `folder` from what is in it now."""
    card = render_card(measure_dataset(folder), settings)
    card = stamp_text(card, fingerprint_of(listed_shards(folder, "train")))
    with replace_file(folder / "README.md") as path:
        path.write_text(card, encoding="utf-8")


def render_card(statistics: Statistics, settings: AugmentFile) -> str:
    """The card: front matter, then Markdown in which every name is escaped."""
    source = (resources.files("augment") / "card.md.jinja").read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"cell": lambda text: escape_markdown(clip_end(str(text), 160))}
    body = environment.from_string(source).render(
        statistics=statistics,
        license=settings.augment.license,
        language=settings.augment.language,
        tables=[count_table(statistics), reason_table(statistics), diversity_table(statistics)],
        sources=statistics.sources[:MAX_SOURCES],
        columns=[(name, f"{SCHEMA.field(name).type}", COLUMNS.get(name, "")) for name in SCHEMA.names],
        config=fence(yaml.safe_dump(shareable(settings.model_dump(mode="json", exclude_none=True)), sort_keys=False)),
    )
    return f"---\n{front_matter(statistics, settings).to_yaml()}\n---\n{body}"


def front_matter(statistics: Statistics, settings: AugmentFile) -> DatasetCardData:
    """What the Hub and `load_dataset` read. `configs` is that of the dataset's first card: it names both splits."""
    rows = statistics.total.notes + statistics.superseded
    name, text = name_license(settings.augment.license)
    return DatasetCardData(
        license=name,
        license_name=text,
        language=settings.augment.language,
        size_categories=next((size for limit, size in SIZES if rows < limit), "n>10M"),
        task_categories=["text-generation"],
        annotations_creators="machine-generated",
        tags=["synthetic", "ingrain"],
        configs=DatasetCard(CARD).data.get("configs"),
    )


def name_license(text: str | None) -> tuple[str, str | None]:
    """The licence as the Hub wants it: an identifier that it knows, or `other` and the text as its name."""
    if text is None:
        return "unknown", None
    return (text.lower(), None) if text.lower() in HUB_LICENSES else ("other", clip_end(text, 80))


def shareable(value: Any, name: str = "") -> Any:
    """Settings without what may be a secret: values under a telling name, user and query of an address.

    A number is no secret, nor is the name of an environment variable (`..._env`).
    """
    if isinstance(value, Mapping):
        hidden = bool(SECRET.search(name))
        return {k: "(hidden)" if hidden else shareable(v, str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [shareable(item, name) for item in value]
    if not isinstance(value, str):
        return value
    if SECRET.search(name) and not name.endswith("_env"):
        return "(hidden)"
    return hide_login(value)


def hide_login(text: str) -> str:
    """An address without user, password, query and fragment; other text as it is."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "(hidden)"
    if not parts.scheme or not parts.netloc:
        return text
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def fence(text: str) -> str:
    """The text as a Markdown code block that nothing in it can end."""
    ticks = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return f"{'`' * max(3, ticks + 1)}yaml\n{text.rstrip()}\n{'`' * max(3, ticks + 1)}"

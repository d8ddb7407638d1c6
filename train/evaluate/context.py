"""What the untrained methods put before a question: its document, or the chunks that BM25 finds for it."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from train.evaluate.probes import FindContext, Probe, no_context
from train.methods.options import InContextOptions, Options, RetrievalOptions
from train.passages import Passages, with_title


def context_of(options: Options, passages: Callable[[], Passages], tokenizer: Any, seed: int) -> FindContext:
    """The context that a method gives its questions: none for one that trains."""
    if isinstance(options, InContextOptions):
        return document_before(passages(), tokenizer, options.max_tokens, seed)
    if isinstance(options, RetrievalOptions):
        return chunks_before(passages(), options.top_k)
    return no_context


def document_before(passages: Passages, tokenizer: Any, max_tokens: int, seed: int) -> FindContext:
    """The document that a probe is about, cut at `max_tokens`; a drawn one where it is about no certain one."""
    names = sorted(passages.documents)

    def find(probe: Probe) -> str:
        known = probe.kind not in ("known", "locality") and probe.document in passages.documents
        name = probe.document if known else random.Random(f"{seed} {probe.id}").choice(names)
        document = passages.documents[name]
        return cut(with_title(document, document.text), tokenizer, max_tokens)

    return find


def cut(text: str, tokenizer: Any, max_tokens: int) -> str:
    """The text's first tokens."""
    encoded = tokenizer(text, return_offsets_mapping=True, verbose=False)
    return text if len(encoded.input_ids) <= max_tokens else text[: encoded.offset_mapping[max_tokens - 1][1]]


def chunks_before(passages: Passages, top_k: int) -> FindContext:
    """The chunks that share the rarest words with a probe (BM25), best last: nearest to the question."""
    import bm25s

    texts = [passages.text(span) for span in passages.spans]
    index = bm25s.BM25()
    index.index(split_words(texts), show_progress=False)

    def find(probe: Probe) -> str:
        best, _ = index.retrieve(split_words([probe.prompt]), k=min(top_k, len(texts)), show_progress=False)
        return "\n\n".join(texts[i] for i in reversed(best[0].tolist()))

    return find


def split_words(texts: Sequence[str]) -> Any:
    """Lower-case words for BM25, English stop words left out."""
    import bm25s

    return bm25s.tokenize(list(texts), stopwords="en", show_progress=False)

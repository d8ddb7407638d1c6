"""The nouns of the stage, one dataclass each: document > chunk > unit > note."""

from dataclasses import dataclass
from hashlib import blake2b


def content_id(*parts: str) -> str:
    """Hash of texts, 32 hex digits; part borders count, so ("ab", "c") and ("a", "bc") differ."""
    return extend_hash(blake2b(digest_size=16), *parts).hexdigest()


def extend_hash(start: blake2b, *parts: str) -> blake2b:
    """The hash of what `start` has seen and `parts` after it; `start` stays as it is."""
    digest = start.copy()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest


@dataclass(frozen=True, slots=True)
class Document:
    """One file's or row's text. `id` is a path below the documents folder (`#row`), so it stays when that moves."""

    id: str
    title: str
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """The span [start, end) of a document's text, in characters: `document.text[start:end] == text`.

    `heading` is the path of headings above it below the title, "" when there is none. `document_text` is the whole
    document's where a filter asks for it, else "".
    """

    document_id: str
    title: str
    source: str
    start: int
    end: int
    text: str
    heading: str = ""
    document_text: str = ""

    @property
    def topic(self) -> str:
        """What the chunk is about: its title, and its headings where it has some."""
        return f"{self.title}: {self.heading}" if self.heading else self.title


@dataclass(frozen=True, slots=True)
class Unit:
    """One chunk, one strategy, one round: planned, done once, resumed. `id` hashes its content."""

    id: str
    chunk: Chunk
    strategy: str
    round: int


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a request; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the engine answered, and how it came to be. Token counts are the engine's own.

    Where `Sampling.top_logprobs` asked for them: `token_ids` of the answer with the token that ended it, and for each
    of these T tokens the k likeliest ids, best first, with their natural logarithms of probability before temperature
    and top-p (`top_ids`, `top_logprobs`: T x k). Else all three are empty.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    template: str = ""
    template_hash: str = ""
    token_ids: tuple[int, ...] = ()
    top_ids: tuple[tuple[int, ...], ...] = ()
    top_logprobs: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """One generated text about a chunk.

    `strategy_text` says how the chunk was studied where the strategy has variants (a style, a heading);
    `problem` is a reason to reject it that the strategy itself saw (a reply that could not be parsed).
    `answer_start` is where in `text` the reply begins when its tokens go along for distillation, else 0.
    """

    text: str
    reply: Reply
    strategy_text: str = ""
    problem: str = ""
    answer_start: int = 0

"""Turns the body of a chat completion into a reply, with the answer's tokens where the endpoint gives their ids."""

import re
from dataclasses import replace

from pydantic import BaseModel, Field, ValidationError

from augment.errors import StoppedError
from augment.records import Reply

MAX_TOKENS = 2**31
TOKEN = re.compile(r"token_id:\d{1,9}")  # how vLLM's server writes a token that it was asked for by id

NO_TOKENS = "set augment.engine.token_ids=false; self_study then keeps no targets for distillation"


class Likely(BaseModel):
    """A token that could have stood there."""

    token: str
    logprob: float = Field(allow_inf_nan=False)


class Token(BaseModel):
    """A token of the answer, and the likeliest in its place."""

    token: str
    top_logprobs: list[Likely] = []


class Logprobs(BaseModel):
    """The answer's tokens."""

    content: list[Token] | None = None


class Said(BaseModel):
    """The answer."""

    content: str | None = None


class Choice(BaseModel):
    """One answer, and why it ended."""

    message: Said
    finish_reason: str | None = Field(default=None, max_length=40)
    logprobs: Logprobs | None = None


class Usage(BaseModel):
    """The endpoint's own counts."""

    prompt_tokens: int = Field(default=0, ge=0, le=MAX_TOKENS)
    completion_tokens: int = Field(default=0, ge=0, le=MAX_TOKENS)


class Answer(BaseModel):
    """The part of a chat completion that is read; an endpoint may send anything."""

    choices: list[Choice] = Field(min_length=1)
    usage: Usage | None = None


class TryAgain(Exception):
    """One try of a request failed in a way that another may not. `wait_sec` is the endpoint's own wish."""

    def __init__(self, reason: str, overloaded: bool = False, wait_sec: float | None = None) -> None:
        self.reason, self.overloaded, self.wait_sec = reason, overloaded, wait_sec
        super().__init__(reason)


def read_answer(body: bytes, wants_tokens: bool = False) -> Reply:
    """The reply in a chat completion. Raises TryAgain when it is none, StoppedError when it lacks the ids of tokens."""
    try:
        answer = Answer.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        kind = "HTML" if body.lstrip()[:1] == b"<" else "no chat completion"
        raise TryAgain(f"the reply is {kind}: {where} {first['msg']}".replace("  ", " ")) from None
    choice, usage = answer.choices[0], answer.usage or Usage()
    text, reason = (choice.message.content or "").strip(), choice.finish_reason or "none"
    reply = Reply(text, reason, usage.prompt_tokens, usage.completion_tokens)
    return with_tokens(reply, choice.logprobs) if wants_tokens else reply


def with_tokens(reply: Reply, logprobs: Logprobs | None) -> Reply:
    """The reply with its token ids and the likeliest at each, best first."""
    tokens = (logprobs.content if logprobs else None) or []
    if reply.text and not tokens:
        raise StoppedError("the endpoint sends no log-probabilities", NO_TOKENS)
    ranked = [sorted(token.top_logprobs, key=lambda likely: -likely.logprob) for token in tokens]
    return replace(
        reply,
        token_ids=tuple(read_id(token.token) for token in tokens),
        top_ids=tuple(tuple(read_id(likely.token) for likely in top) for top in ranked),
        top_logprobs=tuple(tuple(likely.logprob for likely in top) for top in ranked),
    )


def read_id(token: str) -> int:
    """The id in `token_id:123`; raises StoppedError for a token that is written as text."""
    if not TOKEN.fullmatch(token):
        raise StoppedError("the endpoint writes tokens as text, without their ids", NO_TOKENS)
    return int(token.partition(":")[2])

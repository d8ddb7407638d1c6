"""Asks any endpoint that speaks OpenAI's chat completions, as many requests at once as it bears."""

import asyncio
import os
import random
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from augment.engines.answer import TryAgain, read_answer
from augment.engines.base import OpenaiEngine, Sampling
from augment.engines.concurrency import Concurrency
from augment.errors import RequestError, StoppedError
from augment.records import Message, Reply

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

MAX_REPLY_BYTES = 16 * 2**20
FIRST_BACKOFF_SEC = 0.5
OVERLOADED = {408, 429, 503, 504, 529}
TRIED_AGAIN = {*OVERLOADED, 409, 425}  # and 500 to 599
CHECK_URL = "check augment.engine.base_url (most end in /v1) and augment.engine.model"


class Openai:
    """Many requests in flight; each is tried `max_tries` times, with growing pauses, then given up (RequestError).

    A wrong key, an unknown model, or `stop_after_failures` requests given up in a row stop the run (StoppedError).
    """

    def __init__(self, settings: OpenaiEngine) -> None:
        self.settings = settings
        self.concurrency = Concurrency(settings.max_concurrency)
        self.client: AsyncOpenAI | None = None
        self.stopped: StoppedError | None = None
        self.num_given_up_in_a_row = 0

    def start(self) -> "AsyncOpenAI":
        """The client, made when there is none. The library's own retries are off: they know no common limit."""
        if self.client is None:
            from openai import AsyncOpenAI

            self.client = AsyncOpenAI(
                base_url=self.settings.base_url,
                api_key=self.read_key() or "none",
                timeout=self.settings.timeout_sec,
                max_retries=0,
            )
        return self.client

    def read_key(self) -> str:
        """The key in the environment, "" for an endpoint without one. The variable's value is never shown."""
        if not self.settings.api_key_env:
            return ""
        key = os.environ.get(self.settings.api_key_env, "").strip()
        if not key.isascii() or not key.isprintable() or not key:
            todo = f"export {self.settings.api_key_env}, or set augment.engine.api_key_env=null where no key is needed"
            raise StoppedError(f"the environment variable {self.settings.api_key_env} holds no key", todo)
        return key

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        for tried in range(1, self.settings.max_tries + 1):
            try:
                return await self.try_once(messages, sampling)
            except TryAgain as failure:
                reason = failure.reason
                if tried < self.settings.max_tries:
                    await asyncio.sleep(self.backoff_sec(tried, failure))
        raise self.give_up(reason)

    async def try_once(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """One request, counted in what the endpoint is known to bear."""
        async with self.concurrency.slot() as sent_at:
            if self.stopped:  # while this one waited
                raise self.stopped
            try:
                reply = read_answer(await self.send(self.start(), messages, sampling), self.wants_tokens(sampling))
            except StoppedError as error:
                self.stopped = error
                raise
            except TryAgain as failure:
                if failure.overloaded:
                    self.concurrency.shrink(sent_at, min(failure.wait_sec or 0, self.settings.max_backoff_sec))
                raise
        self.concurrency.grow()
        self.num_given_up_in_a_row = 0
        return reply

    async def send(self, client: "AsyncOpenAI", messages: Sequence[Message], sampling: Sampling) -> bytes:
        """The body of the endpoint's reply, of a bounded size and time."""
        from httpx2 import HTTPError
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        try:
            # The client's own timeout starts anew with every byte that comes.
            async with asyncio.timeout(self.settings.timeout_sec):
                return await fetch_body(client, self.request(messages, sampling))
        except (TimeoutError, APITimeoutError):
            raise TryAgain(f"no reply within {self.settings.timeout_sec:g} s", overloaded=True) from None
        except APIStatusError as error:
            raise self.judge(error) from None
        except (APIConnectionError, HTTPError) as error:  # the second while the body comes
            raise TryAgain(f"the connection failed ({self.quote(str(error.__cause__ or error))})") from None

    def wants_tokens(self, sampling: Sampling) -> bool:
        """Whether the answer's tokens are asked for, which only some endpoints can give."""
        return self.settings.token_ids and sampling.top_logprobs > 0

    def request(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        """Arguments of the call; the user's `options` are added to its body."""
        extra: dict[str, Any] = {self.settings.limit_name: sampling.max_tokens}
        if self.wants_tokens(sampling):
            extra |= {"logprobs": True, "top_logprobs": sampling.top_logprobs, "return_tokens_as_token_ids": True}
        return {
            "model": self.settings.model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "extra_body": extra | self.settings.options,
        }

    def judge(self, error: "APIStatusError") -> Exception:
        """What a status means: another try, a request that is no use, or the end of the run."""
        status = error.status_code
        said = self.quote(error.message.removeprefix(f"Error code: {status} - "))
        where = f"the endpoint {self.settings.base_url}"
        if status in (401, 403):
            todo = f"put a valid key into the environment variable {self.settings.api_key_env or 'of api_key_env'}"
            return StoppedError(f"{where} does not accept the key (status {status})", todo)
        if status == 404:
            return StoppedError(f"{where} has no model {self.settings.model} (status 404)", CHECK_URL)
        if error.code == "insufficient_quota":
            return StoppedError(f"{where} says that the quota is used up (status {status})", "raise it, then run again")
        if status in TRIED_AGAIN or status >= 500:
            return TryAgain(f"status {status}: {said}", status in OVERLOADED, read_retry_after(error))
        return RequestError(f"{where} refuses the request (status {status}: {said})", "see its documentation")

    def quote(self, text: str) -> str:
        """A short line of what a stranger sent, without the key."""
        key = os.environ.get(self.settings.api_key_env or "", "").strip()
        return " ".join((text.replace(key, "***") if key else text).split())[:160]

    def backoff_sec(self, tried: int, failure: TryAgain) -> float:
        """Seconds to wait after try number `tried`: the endpoint's wish, else doubling with jitter; bounded."""
        wait = failure.wait_sec
        if wait is None:
            wait = FIRST_BACKOFF_SEC * 2 ** (tried - 1) * random.uniform(0.5, 1)
        return min(wait, self.settings.max_backoff_sec)

    def give_up(self, reason: str) -> RequestError | StoppedError:
        """The error of a request that failed every time; of the run, when nothing else happens any more."""
        self.num_given_up_in_a_row += 1
        what = f"the endpoint {self.settings.base_url} failed {self.settings.max_tries} times ({reason})"
        if self.num_given_up_in_a_row < self.settings.stop_after_failures:
            return RequestError(what, "see augment.engine.max_tries and timeout_sec")
        self.stopped = StoppedError(f"{what}, {self.num_given_up_in_a_row} requests in a row", CHECK_URL)
        return self.stopped

    async def close(self) -> None:
        if self.client is not None:
            await self.client.close()
            self.client = None


async def fetch_body(client: "AsyncOpenAI", request: dict[str, Any]) -> bytes:
    """What the endpoint sends, until it ends; raises TryAgain when it does not end in time to be a reply."""
    body = bytearray()
    async with client.chat.completions.with_streaming_response.create(**request) as response:
        async for part in response.iter_bytes():
            body += part
            if len(body) > MAX_REPLY_BYTES:
                raise TryAgain(f"a reply of more than {MAX_REPLY_BYTES >> 20} MiB")
    return bytes(body)


def read_retry_after(error: "APIStatusError") -> float | None:
    """Seconds that the endpoint asks to wait, as a number or a date (RFC 9110); None when it does not say."""
    said = error.response.headers.get("retry-after", "")
    try:
        wait = float(said)
    except ValueError:
        wait = seconds_until(said)
    return wait if 0 <= wait < float("inf") else None


def seconds_until(date: str) -> float:
    """Seconds from now to an HTTP date, 0 when it is past; -1 for what is no date."""
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, OverflowError):
        return -1.0

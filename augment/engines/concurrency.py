"""Turns an endpoint's complaints into how many requests are in flight: slowly more while all is well, half when not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

START = 8  # requests in flight before anything is known about the endpoint


class Concurrency:
    """Additive increase, multiplicative decrease (Chiu and Jain 1989), between 1 and `maximum` requests in flight."""

    def __init__(self, maximum: int) -> None:
        self.maximum, self.limit, self.in_flight = maximum, float(min(START, maximum)), 0
        self.resume_at = self.reduced_at = 0.0
        self.changed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[float]:
        """One place among the requests in flight, once the endpoint's pause is over; yields when it was given."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.in_flight < int(self.limit))
            self.in_flight += 1
        try:
            while (wait := self.resume_at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            yield time.monotonic()
        finally:
            async with self.changed:
                self.in_flight -= 1
                self.changed.notify_all()

    def grow(self) -> None:
        """A request was answered: one more in flight after as many answers as are in flight now."""
        self.limit = min(self.maximum, self.limit + 1 / self.limit)

    def shrink(self, sent_at: float, pause_sec: float = 0.0) -> None:
        """A request sent at `sent_at` met an overloaded endpoint: half as many, none for `pause_sec`.

        What was sent before the last halving does not halve again: it met the same overload.
        """
        self.resume_at = max(self.resume_at, time.monotonic() + pause_sec)
        if sent_at > self.reduced_at:
            self.reduced_at = time.monotonic()
            self.limit = max(1.0, self.limit / 2)

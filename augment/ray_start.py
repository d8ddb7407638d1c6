"""Starts Ray, or joins what there is."""

import os
from typing import Any

import ray

from augment.errors import EngineError

OBJECT_STORE_BYTES = 256 * 2**20
TRIES = 3  # Ray gives itself half a minute, which a busy machine may need for something else


def start_ray() -> None:
    """Join the cluster of this job where there is one, else start a small one on this machine.

    Raises EngineError when there is no such cluster, or when none starts.
    """
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its core worker warns about every actor
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # of blocks that an error ends too: the first one is told
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address := os.environ.get("RAY_ADDRESS"):
        try_to_start(f"the Ray cluster at {address} does not answer", "check RAY_ADDRESS, or unset it", 1, quiet)
    else:
        # Ray's default, 15, lets any other process of the machine stop the engine's threads, which wait for each other.
        os.environ.setdefault("RAY_worker_niceness", "0")
        quiet |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        try_to_start("Ray does not start", "run again when the machine is less busy, or see /tmp/ray", TRIES, quiet)


def try_to_start(what: str, todo: str, num_tries: int, options: dict[str, Any]) -> None:
    """Start or join, at most so often; raises EngineError with Ray's own reason."""
    for tried in range(1, num_tries + 1):
        try:
            ray.init(**options)
            return
        except Exception as error:  # Ray raises Exception itself
            ray.shutdown()
            if tried == num_tries:
                reason = " ".join(str(error).split())[:200]
                raise EngineError(f"{what} ({reason})", todo) from error

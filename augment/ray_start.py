"""Starts Ray, or joins what there is."""

import os
from typing import Any

import ray

OBJECT_STORE_BYTES = 256 * 2**20


def start_ray() -> None:
    """Join the cluster of this job where there is one, else start a small one on this machine."""
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its core worker warns about every actor
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # of blocks that an error ends too: the first one is told
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if "RAY_ADDRESS" in os.environ:
        ray.init(**quiet)
    else:
        # Ray's default, 15, lets any other process of the machine stop the engine's threads, which wait for each other.
        os.environ.setdefault("RAY_worker_niceness", "0")
        ray.init(**quiet, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES)

"""A Ray that does not start is tried again, then one line."""

from typing import Any

import pytest

from augment import ray_start
from augment.errors import EngineError
from augment.ray_start import TRIES, start_ray


class LazyRay:
    """Starts after so many failures, as on a machine that others keep busy."""

    def __init__(self, num_failures: int) -> None:
        self.num_failures, self.asked, self.num_ended = num_failures, list[dict[str, Any]](), 0

    def is_initialized(self) -> bool:
        return False

    def init(self, **options: Any) -> None:
        self.asked.append(options)
        if len(self.asked) <= self.num_failures:
            raise Exception("The current node timed out\nduring startup.")

    def shutdown(self) -> None:
        self.num_ended += 1


@pytest.mark.parametrize("num_failures", [0, TRIES - 1])
def test_a_busy_machine_is_tried_again(monkeypatch: pytest.MonkeyPatch, num_failures: int) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_start, "ray", lazy := LazyRay(num_failures))
    start_ray()
    assert len(lazy.asked) == num_failures + 1 and lazy.num_ended == num_failures
    assert lazy.asked[-1]["include_dashboard"] is False


def test_a_ray_that_never_starts_and_a_cluster_that_is_gone_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_start, "ray", lazy := LazyRay(TRIES))
    with pytest.raises(EngineError, match=r"Ray does not start \(The current node timed out during startup\.\); run"):
        start_ray()
    assert lazy.num_ended == TRIES
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr(ray_start, "ray", gone := LazyRay(1))
    with pytest.raises(EngineError, match=r"the Ray cluster at 10\.0\.0\.1:6379 does not answer .*; check RAY_ADDRESS"):
        start_ray()
    assert len(gone.asked) == 1 and "include_dashboard" not in gone.asked[0]

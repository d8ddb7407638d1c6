"""What the tests of training share."""

import pytest


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model answers nothing; here every general question counts as known."""
    monkeypatch.setattr("train.evaluate.measure.known_ids", lambda answers: {"k0", "k1", "k2"})
    monkeypatch.setattr("train.evaluate.base.known_ids", lambda answers: {"k0", "k1", "k2"})

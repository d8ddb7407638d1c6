"""A set of digests says what a Python set of ids says."""

import random

from augment.digests import Digests, pack_ids


def make_ids(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [draw.randbytes(draw.choice([1, 15, 16])).ljust(16, b"\0").hex() for _ in range(count)]  # zeros at the end


def test_digests_are_a_set() -> None:
    digests, reference = Digests(), set[str]()
    for seed in range(40):
        batch = make_ids(seed * 7, seed)
        batch += batch[:3]
        expected = [i not in reference and i not in batch[:n] for n, i in enumerate(batch)]
        assert digests.contains(pack_ids(batch)).tolist() == [i in reference for i in batch]
        assert digests.add(pack_ids(batch)).tolist() == expected
        reference.update(batch)
        assert len(digests) == len(reference) and len(digests.runs) < 14
    others = Digests()
    others.add(pack_ids(gone := sorted(reference)[::3]))
    rest = digests.without(others)
    assert len(rest) == len(reference) - len(gone)
    assert rest.contains(pack_ids(sorted(reference))).tolist() == [i not in set(gone) for i in sorted(reference)]


def test_an_empty_set_holds_nothing() -> None:
    assert not Digests().contains(pack_ids(make_ids(3, 0))).any()
    assert Digests().add(pack_ids([])).tolist() == [] and len(Digests()) == 0

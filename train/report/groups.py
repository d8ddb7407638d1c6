"""Finds the runs that differ by seed alone, so that a mean never mixes different settings of one method."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from train.report.results import BASE_METHOD, RunResult

GroupKey = tuple[str, str]


def group_seeds(runs: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Runs by label: the method's name, and the settings that tell its groups apart if it has several."""
    groups: dict[GroupKey, list[RunResult]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.method, run.seed, run.run)):
        groups[run.method, json.dumps(_drop_seeds(run.settings), sort_keys=True)].append(run)
    return {_label_group(key, list(groups)): members for key, members in groups.items()}


def _drop_seeds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _drop_seeds(item) for key, item in value.items() if key != "seed"}
    return [_drop_seeds(item) for item in value] if isinstance(value, list) else value


def _label_group(key: GroupKey, keys: list[GroupKey]) -> str:
    method, settings = key
    if method == BASE_METHOD:
        return "base"
    siblings = [_flatten(json.loads(other)) for name, other in keys if name == method]
    mine = _flatten(json.loads(settings))
    names = sorted({name for sibling in siblings for name in sibling})
    telling = [name for name in names if len({sibling.get(name, "unset") for sibling in siblings}) > 1]
    shown = ", ".join(f"{name}={mine.get(name, 'unset')}" for name in telling)
    return f"{method} ({shown})" if shown else method


def _flatten(value: Any, name: str = "") -> dict[str, str]:
    """Nested settings as `outer.inner` -> text; a list counts as one value."""
    if not isinstance(value, dict):
        return {name: value if isinstance(value, str) else json.dumps(value)}
    items = [_flatten(item, f"{name}.{key}" if name else key) for key, item in value.items()]
    return {key: text for item in items for key, text in item.items()}

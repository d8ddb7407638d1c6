"""Strict reading of one JSON object, so that a wrong evaluation file is named by path and key in one line."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from augment.errors import DatasetError

REMEDY = "evaluate the run again, or move its folder out of the report"


@dataclass(frozen=True, slots=True)
class Fields:
    """The values of one object in `path`; `place` is where in the file it stands, such as `learning.cue.`."""

    values: dict[str, Any]
    path: Path
    place: str = ""

    def text(self, key: str) -> str:
        value = self._get(key)
        return value if isinstance(value, str) else self._refuse(key, "a text")

    def flag(self, key: str) -> bool:
        value = self._get(key)
        return value if isinstance(value, bool) else self._refuse(key, "true or false")

    def count(self, key: str) -> int:
        value = self.number(key)
        return int(value) if value == int(value) else self._refuse(key, "a whole number")

    def number(self, key: str) -> float:
        value = self.signed_number(key, "a finite number of at least 0")
        return value if value >= 0 else self._refuse(key, "a finite number of at least 0")

    def signed_number(self, key: str, wanted: str = "a finite number") -> float:
        value = self._get(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number and math.isfinite(value) else self._refuse(key, wanted)

    def optional_number(self, key: str) -> float | None:
        return self.number(key) if self.values.get(key) is not None else None

    def positive(self, key: str) -> float:
        value = self.number(key)
        return value if value > 0 else self._refuse(key, "a finite number above 0")

    def share(self, key: str) -> float:
        value = self.number(key)
        return value if value <= 1 else self._refuse(key, "a share between 0 and 1")

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._get(key)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            self._refuse(key, "a list of texts")
        return tuple(values)

    def child(self, key: str) -> "Fields":
        value = self._get(key)
        if not isinstance(value, dict):
            self._refuse(key, "an object")
        return Fields(value, self.path, f"{self.place}{key}.")

    def children(self, key: str) -> list["Fields"]:
        values = self._get(key)
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self._refuse(key, "a list of objects")
        return [Fields(value, self.path, f"{self.place}{key}[{i}].") for i, value in enumerate(values)]

    def optional_child(self, key: str) -> "Fields":
        """An empty object where the key is missing, as in files of before it was written."""
        return self.child(key) if key in self.values else Fields({}, self.path, f"{self.place}{key}.")

    def optional_children(self, key: str) -> list["Fields"]:
        return self.children(key) if key in self.values else []

    def _get(self, key: str) -> Any:
        if key not in self.values:
            raise DatasetError(f"{self.path}: the key '{self.place}{key}' is missing", REMEDY)
        return self.values[key]

    def _refuse(self, key: str, wanted: str) -> NoReturn:
        shown = repr(self.values[key])[:60]
        raise DatasetError(f"{self.path}: the key '{self.place}{key}' must be {wanted}, not {shown}", REMEDY)

"""Turns entry points of installed packages into strategies, engines and filters beside those that ship."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from augment.errors import IngrainError, PluginError
from augment.settings import Settings

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """What ships and what packages bring as entry points of `group`, by name; a plugin is loaded when it is asked for.

    Raises PluginError for a plugin that does not load or whose name is taken, KeyError for a name that nobody has.
    """

    def __init__(self, group: str, kind: Any, shipped: Mapping[str, T]) -> None:
        self.group, self.kind, self.shipped = group, kind, dict(shipped)
        self.loaded: dict[str, T] = {}

    @cached_property
    def installed(self) -> dict[str, EntryPoint]:
        """The entry points by name, none of them loaded yet."""
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            if point.name in self.shipped or point.name in found:
                other = package_of(found[point.name]) if point.name in found else "ingrain"
                what = f"{self.group}: the package {package_of(point)} brings {point.name}, a name that {other} has"
                raise PluginError(what, f"rename it there, or pip uninstall {package_of(point)}")
            found[point.name] = point
        return found

    def __getitem__(self, name: str) -> T:
        if name in self.loaded:
            return self.loaded[name]
        points = self.installed  # read for a shipped name too: one that is taken must not pass unseen
        self.loaded[name] = self.shipped[name] if name in self.shipped else self.load(points[name])
        return self.loaded[name]

    def __iter__(self) -> Iterator[str]:
        yield from (*self.shipped, *self.installed)

    def __len__(self) -> int:
        return len(self.shipped) + len(self.installed)

    def load(self, point: EntryPoint) -> T:
        """What the entry point names, imported and of the right kind."""
        what = f"{self.group}: {point.name} of the package {package_of(point)}"
        todo = f"mend it, or pip uninstall {package_of(point)}"
        try:
            found = point.load()
        except Exception as error:  # a third party's module can raise anything on import
            raise PluginError(f"{what} does not load ({type(error).__name__}: {error})", todo) from error
        if not isinstance(found, self.kind):
            raise PluginError(f"{what} is of type {type(found).__name__}, not {self.kind.__name__}", todo)
        own: T = found
        return own

    def blame(self, name: str, error: Exception) -> NoReturn:
        """Raise the error of something that was called by name; a plugin's as one that names its package."""
        if name not in self.installed or isinstance(error, IngrainError):
            raise error
        what = f"{self.group}: {name} of the package {package_of(self.installed[name])} failed"
        raise PluginError(f"{what} ({type(error).__name__}: {error})", "mend it there, or leave it out") from error


def package_of(point: EntryPoint) -> str:
    """Name of the distribution that an entry point comes from."""
    return point.dist.name if point.dist else point.value


def check_options(model: type[Settings], data: Any, *location: str) -> Settings:
    """A plugin's options; raises ValidationError with `location` before each key, and an unknown key's known ones."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        details: list[InitErrorDetails] = [
            {"type": say(e, known), "loc": (*location, *e["loc"]), "input": e["input"]} for e in error.errors()
        ]
        raise ValidationError.from_exception_data(model.__name__, details) from None


def say(error: ErrorDetails, known: str) -> PydanticCustomError:
    """One mistake in a plugin's options, in words: the settings' own errors know only the models that ship."""
    text = f"unknown key, known are {known}" if error["type"] == "extra_forbidden" else error["msg"]
    return PydanticCustomError("plugin", "{text}", {"text": text})

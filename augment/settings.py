"""Turns a pipeline YAML and `--set` overrides into a strict model, with errors that name the line."""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails
from yaml.constructor import ConstructorError

from augment.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
OUT = "{out}/"
UNWRITABLE = re.compile("[\0\ud800-\udfff]")


class Settings(BaseModel):
    """Base of all configuration: unknown keys are errors, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Choices(Settings):
    """Options by name: what is named is chosen, with defaults where it stands alone; `false` leaves it out."""

    @model_validator(mode="before")
    @classmethod
    def read_choices(cls, data: Any) -> Any:
        """None becomes {}, False goes."""
        if not isinstance(data, Mapping):
            return data
        return {name: {} if options is None else options for name, options in data.items() if options is not False}

    @classmethod
    def names(cls) -> list[str]:
        """What there is to choose from."""
        return list(cls.model_fields)


def find_pipeline(name: str) -> Path:
    """Path of a pipeline file: on disk, or one that the package ships (`quickstart`)."""
    if (path := Path(name)).is_file():
        return path
    shipped = Path(str(resources.files("pipelines"))) / Path(name).with_suffix(".yaml").name
    if path.parent in (Path("."), Path("pipelines")) and shipped.is_file():
        return shipped
    names = ", ".join(sorted(p.stem for p in shipped.parent.glob("*.yaml")))
    raise ConfigError(f"no pipeline file {name}", f"give the path of a YAML file or one of the shipped ones: {names}")


def load_settings(path: Path, overrides: Sequence[str], model: type[M]) -> M:
    """Read `path`, merge the chosen one of its `scales`, apply overrides (`a.b=value`, the value in YAML), validate.

    A text that begins with `{out}/` is a path in the `out` folder. Raises ConfigError naming the key, its line where
    the file has one, and the nearest known key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
    data, scale = choose_scale(parse_mapping(text, str(path)), overrides, str(path))
    for override in overrides:
        if not override.startswith("scale="):
            apply_override(data, override)
    try:
        return model.model_validate(place_outputs(data, data.get("out"), path.parent))
    except ValidationError as error:
        errors = error.errors()
        unknown = [e for e in errors if e["type"] == "extra_forbidden"]  # a misspelt key is also a missing one
        raise ConfigError(*describe([*unknown, *errors][0], model, text, str(path), scale)) from None


def choose_scale(data: dict[str, Any], overrides: Sequence[str], name: str) -> tuple[dict[str, Any], str]:
    """The settings with those of one of `scales` merged in, and that one's name; as they are where there is none."""
    for override in overrides:
        if override.startswith("scale="):
            apply_override(data, override)
    scales, scale = data.pop("scales", {}), data.pop("scale", None)
    if not isinstance(scales, dict) or not all(isinstance(part, dict) for part in scales.values()):
        raise ConfigError(f"{name}: scales holds no settings by name", "write `scales: {cpu: {...}, gpu: {...}}`")
    if scale is None:
        return data, ""
    if scale not in scales:
        known = f"it has {', '.join(map(str, scales))}" if scales else "it has no scales"
        raise ConfigError(f"{name} has no scale {scale}", known)
    try:
        return merge(data, scales[scale]), str(scale)
    except RecursionError:
        raise ConfigError(f"{name}: the scale {scale} stands in itself", "write it out without aliases") from None


def merge(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings in each other; what both have is the changes', and merged where both are mappings."""
    merged = {**data, **changes}
    for key in data.keys() & changes.keys():
        if isinstance(data[key], dict) and isinstance(changes[key], dict):
            merged[key] = merge(data[key], changes[key])
    return merged


def place_outputs(value: Any, out: Any, base: Path, seen: dict[int, Any] | None = None) -> Any:
    """The settings with each `{out}/...` as a path from `base`, as other inputs are: it moves along with both.

    What stands in them several times (an alias, of itself too) is gone through once: `seen` is by the id of the old.
    """
    seen = {} if seen is None else seen
    if isinstance(value, str) and isinstance(out, str) and value.startswith(OUT):
        return os.path.relpath(Path(out).resolve() / value.removeprefix(OUT), base.resolve())
    if not isinstance(value, dict | list) or id(value) in seen:
        return seen.get(id(value), value)
    if isinstance(value, list):
        items = seen[id(value)] = list[Any]()
        items += [place_outputs(part, out, base, seen) for part in value]
        return items
    parts = seen[id(value)] = dict[Any, Any]()
    parts.update({key: place_outputs(part, out, base, seen) for key, part in value.items()})
    return parts


class StrictLoader(yaml.SafeLoader):
    """YAML's safe loader without what it lets pass: a key that stands twice, characters that no path or text has."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; raises ConstructorError for the second of two equal keys."""
        seen = set[str]()
        for key in [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]:
            if key.value in seen:
                raise ConstructorError(None, None, f"the key {key.value} stands there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """The text; raises ConstructorError for half a character, or a zero."""
        if isinstance(node.value, str) and UNWRITABLE.search(node.value):
            raise ConstructorError(None, None, "a text holds a zero or half a character", node.start_mark)
        return super().construct_scalar(node)


def parse_yaml(text: str) -> Any:
    """The YAML text as data; raises YAMLError."""
    try:
        return yaml.load(text, StrictLoader)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deep") from None


def parse_mapping(text: str, name: str, todo: str = "fix that line") -> dict[str, Any]:
    """The YAML text as a mapping; the safe loader only."""
    try:
        data = parse_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigError(f"{where} is not valid YAML ({getattr(error, 'problem', error)})", todo) from None
    if not isinstance(data, dict):
        raise ConfigError(f"{name} holds no settings", "write `key: value` lines, see pipelines/quickstart.yaml")
    return data


def apply_override(data: dict[str, Any], override: str) -> None:
    """Set `a.b=value` in nested mappings, making those that are missing."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override} has no value", "write --set KEY.KEY=VALUE")
    *parents, last = key.split(".")
    for name in parents:
        if not isinstance(data.get(name), dict):
            data[name] = {}
        data = data[name]
    try:
        data[last] = parse_yaml(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override} is not valid YAML", "quote the value") from None


def describe(error: ErrorDetails, model: type[BaseModel], text: str, name: str, scale: str = "") -> tuple[str, str]:
    """What is wrong and what to do, of one validation error."""
    parts = [str(part) for part in error["loc"] if not str(part).startswith(("function-", "tagged-"))]
    location, _ = resolve(model, parts)
    key = ".".join(location)
    line = find_line(yaml.compose(text), location, scale)
    where = f"{name}:{line}" if line else name
    if error["type"] == "extra_forbidden":
        known = known_keys(model, parts[:-1])
        near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
        return (
            f"{where}: unknown key {key}",
            f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}",
        )
    if error["type"] == "missing":
        return f"{where}: the key {key} is missing", "add it, see pipelines/quickstart.yaml"
    message = error["msg"].removeprefix("Value error, ")
    shown = "" if error["type"] == "value_error" and isinstance(error["input"], dict) else f" = {error['input']!r}"
    return f"{where}: {key}{shown[:63]} is wrong ({message[:1].lower()}{message[1:]})", "change that value"


def find_line(node: yaml.Node | None, location: Sequence[str], scale: str = "") -> int | None:
    """Line (from 1) of the deepest part of `location` that stands in the file, None when none does.

    The scale's part of the file counts where it holds as much of the location as the rest.
    """
    found = find_lines(node, location)
    scaled = find_lines(node, ["scales", scale, *location])[2:] if scale else []
    lines = scaled if scaled and len(scaled) >= len(found) else found
    return lines[-1] if lines else None


def find_lines(node: yaml.Node | None, location: Sequence[str]) -> list[int]:
    """The line of each part of `location` until one is not in the file."""
    lines: list[int] = []
    for part in location:
        found = [(k, v) for k, v in node.value if k.value == part] if isinstance(node, yaml.MappingNode) else []
        if not found:
            break
        lines.append(found[0][0].start_mark.line + 1)
        node = found[0][1]
    return lines


def known_keys(model: type[BaseModel], location: Sequence[str]) -> list[str]:
    """The keys that the model at `location` knows."""
    models = resolve(model, location)[1]
    return sorted({key for m in models for key in (m.names() if issubclass(m, Choices) else m.model_fields)})


def resolve(model: type[BaseModel], location: Sequence[str]) -> tuple[list[str], list[type[BaseModel]]]:
    """The keys of a `location`, and the models there; a tag (`engine.vllm.x`, a class) picks one, is no key."""
    keys: list[str] = []
    models = [model]
    for part in location:
        tagged = [m for m in models if "kind" in m.model_fields and m.model_fields["kind"].default == part]
        if named := [m for m in models if m.__name__ == part]:
            models = named
            continue
        if tagged and len(models) > 1:
            models = tagged
            continue
        keys.append(part)
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        models = [inner for field in fields for inner in inner_models(field.annotation)]
    return keys, models


def inner_models(annotation: Any) -> list[type[BaseModel]]:
    """The configuration models inside a type annotation, outermost first."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in get_args(annotation) for m in inner_models(part)]


def save_settings(settings: BaseModel, path: Path) -> None:
    """Write the resolved configuration beside the output it made, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.new")
    staging.write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_none=True), sort_keys=False), "utf-8")
    os.replace(staging, path)

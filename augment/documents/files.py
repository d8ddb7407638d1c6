"""Turns a path, a glob or an fsspec URL into the files below it, one after the other, sorted by path.

Links: a link to a file inside the folder is read, a link to a folder is not (its files are read where they are, so
no loop can arise), and a link that leads out of the folder is an unreadable file: documents that came in an archive
must not pull in the reader's own files. Names that begin with a dot are left out.
"""

import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit
from zipfile import BadZipFile

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from augment.documents.base import CannotReadError, Unreadable
from augment.documents.settings import check_pattern
from augment.errors import DocumentError

FOLDER, FILE, LINK, OTHER = "folder", "file", "link", "other"
Entry = tuple[str, str]  # path and what it is
# What file systems raise: RuntimeError is zipfile's for a part with a password.
FILE_ERRORS = (OSError, EOFError, RuntimeError, BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a source: `id` is its path below the root, `source` what a person would open."""

    id: str
    source: str
    path: str
    filesystem: Any

    def open(self) -> BinaryIO:
        """The file's bytes, seekable."""
        return cast(BinaryIO, self.filesystem.open(self.path, "rb"))

    def read(self, max_mb: int) -> bytes:
        """All bytes; raises CannotReadError when there are more than `max_mb` MiB."""
        with self.open() as stream:
            data = stream.read(max_mb * 2**20 + 1)
        if len(data) > max_mb * 2**20:
            raise CannotReadError(f"is larger than {max_mb} MiB", "split it, or raise augment.documents.max_file_mb")
        return data

    @property
    def suffix(self) -> str:
        """The kind of the file by its name, like ".md"."""
        return PurePosixPath(self.id).suffix.lower()

    @property
    def stem(self) -> str:
        """A title for want of a better one."""
        return PurePosixPath(self.id).stem.replace("-", " ")


@dataclass(frozen=True, slots=True)
class Root:
    """Where a source begins: a file or a folder of a file system, and the glob that the path ended in, if any."""

    filesystem: Any
    path: str
    pattern: str
    url: str

    @property
    def is_local(self) -> bool:
        """Whether links can occur."""
        return isinstance(self.filesystem, LocalFileSystem)

    def source_of(self, path: str) -> str:
        """A path or URL of a file, which names the archive it is in, and keeps no query (that may be a key)."""
        if self.is_local:
            return path
        inner, chained, outer = self.url.partition("::")
        if chained:
            return f"{inner.partition('://')[0]}://{path.lstrip('/')}::{outer}"
        return str(self.filesystem.unstrip_protocol(path)).partition("?")[0]


def find_files(path: str, include: list[str], base: Path, out: Path | None = None) -> Iterator[File | Unreadable]:
    """The files that match any pattern of `include`, lazily, none below `out`; what cannot be listed is said.

    Raises DocumentError when there is nothing at `path` or nothing matches.
    """
    root = open_root(path, base)
    if kind_of_root(root, is_folder=bool(root.pattern) or path.endswith("/")) == FILE:
        yield File(
            PurePosixPath(root.path.partition("?")[0]).name, root.source_of(root.path), root.path, root.filesystem
        )
        return
    empty = True
    for item in match_entries(root, include, place_in(root, out)):
        empty = False
        yield item
    if empty:
        patterns = root.pattern or ", ".join(include)
        raise DocumentError(
            f"no file in {root.source_of(root.path)} matches {patterns}", "add documents or change include"
        )


def kind_of_root(root: Root, is_folder: bool) -> str:
    """Whether the source is a file or a folder; `is_folder` says how it is written: on the web all that answers is one.

    Raises DocumentError when there is nothing, or the other end does not answer.
    """
    source = root.source_of(root.path)
    try:
        if not is_folder and root.filesystem.isfile(root.path):
            return FILE
        if root.filesystem.isdir(root.path):
            return FOLDER
    except FILE_ERRORS as error:
        todo = "check augment.documents.path and the connection"
        raise DocumentError(f"{source} cannot be reached ({error})"[:300], todo) from None
    raise DocumentError(f"no folder or file {source}", "set augment.documents.path, relative to the pipeline file")


def place_in(root: Root, out: Path | None) -> str:
    """The path at which a walk from the root comes to `out`, "" when it does not. Raises DocumentError when the root is
    that very folder: notes would become documents.
    """
    if out is None or not root.is_local:
        return ""
    home, target = os.path.realpath(root.path), os.path.realpath(out)
    if home == target:
        raise DocumentError(
            f"{root.path} is the folder of the documents and of the output", "set out to another folder"
        )
    inside = os.path.commonpath([home, target]) == home
    return os.path.join(root.path, os.path.relpath(target, home)) if inside else ""


def open_root(path: str, base: Path) -> Root:
    """The file system and the path in it, relative ones below `base`; raises DocumentError for a wrong path or URL."""
    if "://" in path or "::" in path:
        return open_url(path, base)
    whole = str(base / path)
    fixed, pattern = (whole, "") if os.path.lexists(whole) else split_pattern(whole)
    return Root(LocalFileSystem(), fixed.rstrip("/") or "/", pattern, fixed)


def open_url(url: str, base: Path) -> Root:
    """The file system that a URL names; `inner::outer` is a file system in a file of another one."""
    what, todo = url.partition("?")[0], "check augment.documents.path"
    try:
        if any(urlsplit(part).password for part in url.split("::")):
            what, todo = "a URL with a password", "give it in the environment, as the protocol's fsspec package says"
            raise ValueError("it would stand in the dataset")
        inner, chained, outer = url.partition("::")
        fixed, pattern = split_pattern(url if "://" in outer or not outer else f"{inner}{chained}{base / outer}")
        filesystem, root = fsspec.core.url_to_fs(fixed)
    except (ValueError, ImportError, *FILE_ERRORS) as error:
        raise DocumentError(f"{what} cannot be opened ({error})", todo) from None
    return Root(filesystem, root.rstrip("/"), pattern, fixed)


def split_pattern(path: str) -> tuple[str, str]:
    """A path up to its first part with * or [ in it, and the rest as a pattern."""
    inner, chained, outer = path.partition("::")
    parts = inner.split("/")
    first = next((i for i, part in enumerate(parts) if re.search(r"[*\[]", part)), None)
    if first is None:
        return path, ""
    try:
        return ("/".join([*parts[:first], ""]) or "./") + chained + outer, check_pattern("/".join(parts[first:]))
    except ValueError as error:
        raise DocumentError(f"augment.documents.path {path} is wrong ({error})", "change it") from None


def match_entries(root: Root, include: list[str], out: str) -> Iterator[File | Unreadable]:
    """The files of a folder whose path below it matches, and is not below `out`."""
    patterns = [re.compile(glob_translate(pattern)) for pattern in include]
    narrow = re.compile(glob_translate(root.pattern or "**"))
    for path, kind in walk(root, out):
        name = path[len(root.path) :].lstrip("/")
        if not (narrow.match(name) and any(pattern.match(name) for pattern in patterns)):
            continue
        file = File(name, root.source_of(path), path, root.filesystem)
        try:
            if ".." in name.split("/") or not path.startswith(root.path):
                raise CannotReadError("has a path that leads out of its folder")
            if kind != LINK or check_link(path, root.path):
                yield check_kind(file, kind)
        except CannotReadError as error:
            yield Unreadable(file.source, name, error.reason, error.todo)


def check_kind(file: File, kind: str) -> File:
    """The file; raises CannotReadError for a socket, a pipe (it would never end) or a folder without permission."""
    if kind == FOLDER:
        raise CannotReadError("is a folder that cannot be listed", "give permission to read it, or remove it")
    if kind == OTHER:
        raise CannotReadError("is not a regular file")
    return file


def walk(root: Root, out: str = "") -> Iterator[Entry]:
    """Every entry below the root that is no folder, and folders that cannot be listed, sorted by path, without `out`.

    Holds the names of the folders on the way down, no more; no recursion, so no depth is too deep.
    """
    list_folder: Callable[[str], list[Entry]] = list_local if root.is_local else list_remote(root.filesystem)
    waiting = sorted(list_folder(root.path), reverse=True)
    while waiting:
        path, kind = waiting.pop()
        if path == out:
            continue
        try:
            if kind == FOLDER:
                waiting += sorted(list_folder(path), reverse=True)
                continue
        except OSError:
            pass
        yield path, kind


def list_local(folder: str) -> list[Entry]:
    """What a folder of this machine holds, links unfollowed."""
    with os.scandir(folder) as entries:
        return [(entry.path, kind_of(entry)) for entry in entries if not entry.name.startswith(".")]


def kind_of(entry: os.DirEntry[str]) -> str:
    """Whether an entry is a folder, a file, a link or something else."""
    if entry.is_symlink():
        return LINK
    if entry.is_dir(follow_symlinks=False):
        return FOLDER
    return FILE if entry.is_file(follow_symlinks=False) else OTHER


def list_remote(filesystem: Any) -> Callable[[str], list[Entry]]:
    """Lists folders of an fsspec file system; object stores may list the folder itself among its entries."""
    kinds = {"directory": FOLDER, "file": FILE}

    def list_folder(folder: str) -> list[Entry]:
        found = (
            (info["name"].rstrip("/"), kinds.get(info["type"], OTHER)) for info in filesystem.ls(folder, detail=True)
        )
        return [(n, k) for n, k in found if n != folder and not PurePosixPath(n).name.startswith(".")]

    return list_folder


def check_link(path: str, root: str) -> bool:
    """Whether a link is to be read; raises CannotReadError when it leads nowhere or out of the root."""
    target, home = os.path.realpath(path), os.path.realpath(root)
    try:
        mode = os.stat(path).st_mode
    except OSError:
        raise CannotReadError("is a link to nothing, or to itself", "mend or remove the link") from None
    if os.path.commonpath([target, home]) != home:
        todo = "put the file itself there, or set augment.documents.path to the folder it is in"
        raise CannotReadError(f"is a link to {target}, outside of the documents folder", todo)
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return stat.S_ISREG(mode)
    raise CannotReadError("is not a regular file")

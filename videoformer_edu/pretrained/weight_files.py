"""Where published weights are, and how they are read: a file, a folder or a repository of the Hugging Face hub."""

from __future__ import annotations

import argparse
import json
import pickle
import re
from difflib import get_close_matches
from pathlib import Path

import torch
from torch import Tensor

from videoformer_edu.pretrained.flax_file import is_flax_file, load_flax

HUGGING_FACE = ("model.safetensors", "pytorch_model.bin")  # what a folder or a repository is searched for, in turn
SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".pyth", ".msgpack")
FLAX_NAME = re.compile(r"checkpoint(_\d+)?")  # flax's own names have no suffix
TENSORSTORE = ("_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt")  # what orbax leaves beside its arrays
WRAPPERS = ("model_state", "state_dict", "model", "module")


class CheckpointError(ValueError):
    """The checkpoint cannot be read or does not belong to this model.

    Where names do not fit, `missing` and `unexpected` list all of them and `other_shape` the tensors of another shape.
    """

    def __init__(self, message: str, *, missing: list[str] = (), unexpected: list[str] = (),
                 other_shape: list[str] = ()):
        super().__init__(message)
        self.missing, self.unexpected, self.other_shape = tuple(missing), tuple(unexpected), tuple(other_shape)


def read_state(source: str | Path) -> dict[str, Tensor]:
    """The state dict in a file, a folder or a hub repository, unwrapped from `model_state`, `state_dict`, `model` or
    `module`. Raises CheckpointError."""
    return read_file(find_file(source))


def find_file(source: str | Path) -> Path:
    """The file that is meant by a path or by a name on the hub, which is downloaded if it is not in the cache.

    A string is a path if something is there, if it ends as weight files do, or if its folder exists.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return _the_one_in(path)
    on_hub = re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", str(source)) and not path.parent.exists()
    if isinstance(source, Path) or not on_hub or path.suffix in SUFFIXES:
        raise CheckpointError(_not_there(path))
    return _from_hub(str(source))


def read_config(file: Path) -> dict:
    """What the `config.json` beside a file says; {} if there is none. Raises CheckpointError if it cannot be read."""
    path = file.parent / "config.json"
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} beside the weights is no readable JSON ({error})") from error
    return config if isinstance(config, dict) else {}


def read_file(path: Path) -> dict[str, Tensor]:
    """The state dict in one file; .safetensors and flax files need no unpickling, others unpickle tensors alone."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        if path.suffix == ".msgpack" or is_flax_file(path):
            state = load_flax(path)
        else:
            # Official VideoMAE files hold the command line's options, which are plain values in this one class.
            with torch.serialization.safe_globals([argparse.Namespace]):
                state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file can fail anywhere in the readers
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and (found or _is_pickle(path)):  # refused, not cut short
            what = found[1] if found else "other things"
            raise CheckpointError(
                f"{path.name} was not opened: besides tensors it holds {what}, and what is no tensor can run code "
                "as it is read; ask where you got it for the weights alone, best as .safetensors") from None
        why = "" if "weights_only" in str(error) else f": {error}"  # never pass on torch's advice to switch that off
        raise CheckpointError(f"{path.name} is not a readable checkpoint ({type(error).__name__}{why}); it may be "
                              "truncated: download it again") from None
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        kind = "an empty dict" if state == {} else f"a {type(state).__name__}"
        raise CheckpointError(f"{path.name} holds no state dict (names -> tensors) but {kind}")
    return state


def _is_pickle(path: Path) -> bool:
    """Does the file begin as pickle.dump writes it, or as torch.save does, whose archives are zip files?"""
    with path.open("rb") as file:
        return file.read(2) in (b"PK", *(bytes([0x80, protocol]) for protocol in range(2, 6)))


def _the_one_in(folder: Path) -> Path:
    for name in HUGGING_FACE:
        if (folder / name).is_file():
            return folder / name
    if any((folder / name).exists() for name in TENSORSTORE):
        raise CheckpointError(
            f"{folder} is a checkpoint of orbax (TensorStore), which only JAX reads; restore it there and save what it "
            "holds in one file: file.write_bytes(flax.serialization.to_bytes(params))")
    files = sorted(path for path in folder.iterdir() if path.is_file()
                   and (path.suffix in SUFFIXES or FLAX_NAME.fullmatch(path.name)))
    if len(files) == 1:
        return files[0]
    if not files:
        raise CheckpointError(f"the folder {folder} holds no weights: none of {', '.join(HUGGING_FACE)}, no other file "
                              f"that ends in {', '.join(SUFFIXES)}, and no flax checkpoint")
    raise CheckpointError(f"the folder {folder} holds {len(files)} files of weights; name one of them: "
                          f"{', '.join(file.name for file in files[:6])}{' ...' if len(files) > 6 else ''}")


def _not_there(path: Path) -> str:
    if path.parent.is_dir():
        close = get_close_matches(path.name, [other.name for other in path.parent.iterdir()], n=3)
        return f"there is no {path}" + (f"; did you mean {', '.join(close)}?" if close else f" in {path.parent}")
    return (f"there is no {path}: {path.parent} does not exist; a name on the hub looks like "
            "facebook/timesformer-base-finetuned-k400")


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    def fetch(file: str) -> Path | None:
        try:
            return Path(hf_hub_download(name, file))
        except LocalEntryNotFoundError:  # nothing in the cache and no way to ask
            raise
        except EntryNotFoundError:
            return None

    try:
        for file in HUGGING_FACE:
            if (path := fetch(file)) is not None:
                break
        else:
            raise CheckpointError(f"{name} holds none of {', '.join(HUGGING_FACE)}")
        try:
            fetch("config.json")  # lies beside the weights then: see read_config
        except LocalEntryNotFoundError:
            pass  # weights that were fetched without it
        return path
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(f"could not fetch {name} ({type(error).__name__}); without a network pass a local file "
                              "or folder, or fetch it once while online") from error

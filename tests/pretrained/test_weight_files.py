"""Where weights are looked for, and what is read of them: tensors, from any place, and no code."""

import argparse
import pickle
import time

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import save_file

from videoformer_edu.pretrained import CheckpointError
from videoformer_edu.pretrained.weight_files import WRAPPERS, find_file, read_config, read_state

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.5, -2.0])}


def assert_read(source):
    state = read_state(source)
    assert state.keys() == STATE.keys() and all(torch.equal(state[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrapped_with_everything_that_a_training_run_saves(wrapper, tmp_path):
    """Official VideoMAE files hold the command line's options beside the weights, and DeepSpeed writes "module"."""
    args = argparse.Namespace(lr=1e-3, model="vit_base", sizes=[16, 224], opt_betas=None)
    torch.save({wrapper: STATE, "optimizer": {"state": {0: STATE["a.bias"]}}, "epoch": 799, "args": args},
               tmp_path / "checkpoint-799.pth")
    assert_read(tmp_path / "checkpoint-799.pth")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04broken", b"\x82\xa1a"])
@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.msgpack"])
def test_broken_files(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name} is not a readable checkpoint .*download it again") as caught:
        read_state(tmp_path / name)
    assert "weights_only" not in str(caught.value)


def test_a_truncated_file(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="download it again"):
        read_state(tmp_path / "b.safetensors")


@pytest.mark.parametrize("where", ["as the state", "in the options"])
def test_code_in_a_checkpoint_is_never_run_nor_recommended(where, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"model_state": Trap()} if where == "as the state" else
               {"model": STATE, "args": argparse.Namespace(lr=Trap())}, tmp_path / "trap.pth")
    with pytest.raises(CheckpointError, match=r"besides tensors it holds _?io\.open") as caught:
        read_state(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()
    assert "weights_only" not in str(caught.value) and "truncated" not in str(caught.value)
    assert caught.value.__suppress_context__  # nor does the traceback show torch's advice


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_is_refused_and_not_called_cut_short(protocol, tmp_path):
    """torch knows no opcode of protocols 4 and 5, and so cannot name what such a file would call."""
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (tmp_path / "trap.pth").write_bytes(pickle.dumps(Trap(), protocol=protocol))
    with pytest.raises(CheckpointError, match="trap.pth was not opened: besides tensors it holds") as caught:
        read_state(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()
    assert "weights_only" not in str(caught.value) and "truncated" not in str(caught.value)


@pytest.mark.parametrize("content, kind", [([torch.zeros(1)], "a list"), ({"model": {}}, "an empty dict"),
                                           ({"epoch": 3}, "a dict")], ids=str)
def test_no_state_dict_inside(content, kind, tmp_path):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=f"holds no state dict .* but {kind}"):
        read_state(tmp_path / "a.pth")


# --------------------------------------------------------------------------------------------------------- folders


def test_a_folder_holds_what_hugging_face_writes_or_one_file_under_any_name(tmp_path):
    with pytest.raises(CheckpointError, match="holds no weights: none of model.safetensors, pytorch_model.bin, no oth"):
        read_state(tmp_path)
    torch.save(STATE, tmp_path / "TimeSformer_divST.pyth")
    (tmp_path / "README.md").write_text("how they were trained")
    assert_read(tmp_path)
    torch.save({"b": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="2 files of weights; name one of them: TimeSformer_divST.pyth, other"):
        read_state(str(tmp_path))
    save_file(STATE, tmp_path / "model.safetensors")
    assert_read(str(tmp_path))


@pytest.mark.parametrize("sign", ["_METADATA", "manifest.ocdbt"])
def test_a_folder_of_orbax_is_refused_with_a_way_out(sign, tmp_path):
    (tmp_path / sign).write_text("{}")
    with pytest.raises(CheckpointError, match=r"orbax \(TensorStore\), .*flax.serialization.to_bytes"):
        read_state(tmp_path)


# ----------------------------------------------------------------------------------------------------- paths or hub


@pytest.fixture
def no_hub(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("asked the hub for a path")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)


@pytest.mark.parametrize(("name", "message"), [
    ("ckpt/typo.pth", "did you mean type.pth"), ("ckpt/else", r"there is no ckpt/else in ckpt"),
    ("nowhere/a.safetensors", "nowhere does not exist"), ("a.pyth", "there is no a.pyth in ."),
    ("./nowhere", "there is no nowhere in ."), ("x/y/z", "x/y does not exist; a name on the hub looks like facebook/"),
    ("~/typo.bin", "did you mean typed.bin")])
def test_what_looks_like_a_path_is_one(name, message, tmp_path, monkeypatch, no_hub):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for file in ("ckpt/type.pth", "home/typed.bin"):
        (tmp_path / file).parent.mkdir()
        torch.save(STATE, tmp_path / file)
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match=message):
        read_state(name)
    assert time.perf_counter() - start < 2  # no retries
    assert_read("~/typed.bin")
    with pytest.raises(CheckpointError, match="there is no .*nothing in "):
        find_file(tmp_path / "ckpt" / "nothing")


def test_a_name_that_is_no_path_is_asked_for_on_the_hub(tmp_path, monkeypatch):
    asked = []

    def download(name, file):
        asked.append(file)
        if file == "pytorch_model.bin":
            torch.save(STATE, tmp_path / file)
        elif file == "model.safetensors":
            raise EntryNotFoundError("no such file")
        else:
            raise LocalEntryNotFoundError("not in the cache")
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert_read("somebody/a-model.v2")
    assert asked == ["model.safetensors", "pytorch_model.bin", "config.json"]


def test_without_a_network():
    with pytest.raises(CheckpointError, match="without a network pass a local file"):
        read_state("nobody/nothing")  # the hub is offline in tests


def test_a_broken_config(tmp_path):
    assert read_config(tmp_path / "a.pth") == {}
    (tmp_path / "config.json").write_text("{broken")
    with pytest.raises(CheckpointError, match="config.json beside the weights is no readable JSON"):
        read_config(tmp_path / "a.pth")

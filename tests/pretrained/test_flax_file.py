"""Files of flax, byte by byte: each kind of value that its writer uses, and files that are cut short."""

import struct

import pytest
import torch

from videoformer_edu.pretrained.flax_file import is_flax_file, load_flax


def pack(value, wide=0):
    """MessagePack as its specification has it. `wide` > 0 writes lengths in 1, 2 or 4 bytes though fewer would do."""
    def sized(short, limit, codes, length):
        if length <= limit and not wide:
            return bytes([short + length])
        for code, width in codes:
            if length < 256**width and width >= wide:
                return bytes([code]) + length.to_bytes(width, "big")

    if isinstance(value, dict):
        out = sized(0x80, 15, [(0xDE, 2), (0xDF, 4)], len(value))
        return out + b"".join(pack(key, wide) + pack(item, wide) for key, item in value.items())
    if isinstance(value, list):
        return sized(0x90, 15, [(0xDC, 2), (0xDD, 4)], len(value)) + b"".join(pack(item, wide) for item in value)
    if isinstance(value, str):
        return sized(0xA0, 31, [(0xD9, 1), (0xDA, 2), (0xDB, 4)], len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return sized(0, -1, [(0xC4, 1), (0xC5, 2), (0xC6, 4)], len(value)) + value
    if isinstance(value, torch.Tensor):
        numbers = value.contiguous().view(torch.uint8).numpy().tobytes()
        payload = pack([list(value.shape), str(value.dtype).removeprefix("torch."), numbers])
        fixed = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}.get(len(payload))
        head = bytes([fixed]) if fixed and not wide else sized(0, -1, [(0xC7, 1), (0xC8, 2), (0xC9, 4)], len(payload))
        return head + b"\x01" + payload
    if isinstance(value, bool) or value is None:
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if -32 <= value < 128:
        return struct.pack(">b", value)
    code = [(0xD0, ">b"), (0xD1, ">h"), (0xD2, ">i"), (0xD3, ">q")] if value < 0 else [
        (0xCC, ">B"), (0xCD, ">H"), (0xCE, ">I"), (0xCF, ">Q")]
    for first, form in code:
        try:
            return bytes([first]) + struct.pack(form, value)
        except struct.error:
            continue


WEIGHTS = {"embedding": {"kernel": torch.arange(24.0).reshape(2, 3, 4), "bias": torch.tensor([1.5, -2, 3])},
           "long": torch.randn(300, 70), "half": torch.tensor([0.5, -8], dtype=torch.bfloat16),
           "step": torch.tensor([3, -2**40]), "empty": torch.zeros(0, 4)}
OTHER = {"step": 7, "rng": None, "loss": -0.25, "flag": True, "text": "x" * 40, "raw": b"abc",
         "numbers": [-1, -33, -300, -70000, -2**40, 200, 300, 70000, 2**40]}


@pytest.mark.parametrize("wide", [0, 1, 2, 4])
@pytest.mark.parametrize("place", [(), ("params",), ("optimizer", "target"), ("params", "params"),
                                   ("optimizer", "target", "params")], ids="/".join)
def test_every_kind_of_value_and_every_place_for_weights(place, wide, tmp_path):
    tree = WEIGHTS
    for name in reversed(place):
        tree = {name: tree, **OTHER} if name != "params" or place[-2:] != ("params", "params") else {name: tree}
    path = tmp_path / "checkpoint"
    path.write_bytes(pack(tree, wide))
    assert is_flax_file(path)
    state = load_flax(path)
    want = {"embedding/kernel": WEIGHTS["embedding"]["kernel"], "embedding/bias": WEIGHTS["embedding"]["bias"],
            **{key: value for key, value in WEIGHTS.items() if key != "embedding"}}
    assert state.keys() == want.keys()
    for key, value in want.items():
        assert state[key].dtype == value.dtype and torch.equal(state[key], value), key


def test_cut_anywhere_is_an_error(tmp_path):
    data = pack({"params": {"a": torch.arange(12.0).reshape(3, 4), "b": {"c": torch.zeros(5)}}})
    for length in range(1, len(data)):
        (tmp_path / "checkpoint").write_bytes(data[:length])
        with pytest.raises((ValueError, IndexError, struct.error)):
            load_flax(tmp_path / "checkpoint")
    (tmp_path / "checkpoint").write_bytes(data + b"\x00")
    with pytest.raises(ValueError, match="more than one MessagePack map"):
        load_flax(tmp_path / "checkpoint")


def test_nothing_but_a_dtype_is_looked_up_by_name(tmp_path):
    payload = pack([[1], "load", b"\x00" * 4])
    (tmp_path / "checkpoint").write_bytes(b"\x81\xa1a\xc7" + bytes([len(payload)]) + b"\x01" + payload)
    with pytest.raises(ValueError, match="load is no dtype"):
        load_flax(tmp_path / "checkpoint")


def test_pickles_and_archives_are_no_flax_files(tmp_path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "zip")
    torch.save({"a": torch.zeros(2)}, tmp_path / "pickle", _use_new_zipfile_serialization=False)
    (tmp_path / "empty").write_bytes(b"")
    assert not any(is_flax_file(tmp_path / name) for name in ("zip", "pickle", "empty"))

"""What every test stands on: one thread, no network, no window, no stray seed, and a torchvision that imports."""

import importlib.util
import os
import pathlib

# Before torch and the hub client are imported: they read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch

TESTS = pathlib.Path(__file__).parent


def define_torchvision_schemas() -> None:
    """Let torchvision import beside a torch that its compiled extension was not built for.

    A CUDA build of torchvision does not load its extension beside a CPU build of torch, and then stops at import,
    because it registers fake kernels for two operators that only the extension defines. Nothing in our tests calls
    them, so their schemas are enough. timm and transformers import torchvision themselves: this must come first.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None:
        return
    extension = next(pathlib.Path(spec.origin).parent.glob("_C.*"), None)
    try:
        torch.ops.load_library(str(extension))
    except OSError:
        for name in ("nms", "qnms"):
            signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{name}", signature)


define_torchvision_schemas()


def pytest_collection_modifyitems(items):
    """A folder is a promise: everything in tests/parity is `parity`, everything in tests/browser is `browser`."""
    for item in items:
        if " object at 0x" in item.nodeid:  # two processes that share the tests must call each by the same name
            raise pytest.UsageError(f"{item.nodeid}: an address in the name of a test; give it an id")
        folder = pathlib.Path(item.path).parent
        for marker in ("parity", "browser"):
            if TESTS / marker in (folder, *folder.parents):
                item.add_marker(marker)


@pytest.fixture(autouse=True)
def seed():
    """Each test starts from the same random state, whatever ran before it."""
    torch.manual_seed(0)

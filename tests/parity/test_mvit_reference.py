"""The MViT checkpoints in the package are what torchvision says, and our model agrees with them."""

import pytest
import torch
from make_mvit_reference import CLASSES, FRAMES, SIDE, STAGES, VERSIONS, WIDTH, answer, folder, reference_model
from safetensors.torch import load_file

from videoformer_edu.models import MViT
from videoformer_edu.pretrained import load_pretrained


@pytest.mark.parametrize("version", VERSIONS)
def test_the_shipped_files_are_the_librarys_own(version):
    model, stored = reference_model(version), load_file(folder(version) / "answer.safetensors")
    weights = load_file(folder(version) / "model.safetensors")
    assert weights.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(weights[name], value)
    for name, value in answer(model).items():
        torch.testing.assert_close(stored[name], value, rtol=0, atol=1e-5)
    assert stored["logits"].std() > 0.05


@pytest.mark.parametrize("version", VERSIONS)
def test_our_model_gives_the_stored_answer(version):
    ours = MViT(version=version, frames=FRAMES, image_size=SIDE, width=WIDTH, stages=STAGES, kv_stride=(1, 4, 4),
                classes=CLASSES).eval()
    report = load_pretrained(ours, folder(version))
    assert report.loaded == len(ours.state_dict()) and report.resized == () and report.kept == ()
    stored = load_file(folder(version) / "answer.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(ours(stored["video"]), stored["logits"], rtol=1e-5, atol=1e-5)

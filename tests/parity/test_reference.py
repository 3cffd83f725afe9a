"""The reference checkpoint in the package is what the reference library says, and our model agrees with it."""

import torch
from make_reference import FOLDER, answer, reference_model
from safetensors.torch import load_file

from videoformer_edu.models import TimeSformer
from videoformer_edu.pretrained import load_pretrained


def test_the_shipped_files_are_the_libraries_own():
    model, stored = reference_model(), load_file(FOLDER / "answer.safetensors")
    weights = load_file(FOLDER / "model.safetensors")
    assert weights.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(weights[name], value)
    for name, value in answer(model).items():  # about 1 in size; even the random clip is rounded as the processor does
        torch.testing.assert_close(stored[name], value, rtol=0, atol=1e-5)


def test_our_model_gives_the_stored_answer():
    ours = TimeSformer(frames=4, image_size=32, patch_size=8, width=32, depth=2, heads=4, classes=5).eval()
    report = load_pretrained(ours, FOLDER)
    assert report.resized == () and report.kept == ()
    stored = load_file(FOLDER / "answer.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(ours(stored["video"]), stored["logits"], rtol=1e-5, atol=1e-6)

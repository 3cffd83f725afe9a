"""The small Video Swin in the package is what torchvision says, and our model and its fifteen lines agree with it."""

import torch
from make_swin_reference import FOLDER, answer, reference_model
from safetensors.torch import load_file

from videoformer_edu.attention.windows import window_attention_in_steps
from videoformer_edu.models import VideoSwin
from videoformer_edu.pretrained import load_pretrained


def test_the_shipped_files_are_torchvisions_own():
    model, weights = reference_model(), load_file(FOLDER / "model.safetensors")
    assert weights.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(weights[name], value)
    stored = load_file(FOLDER / "answer.safetensors")
    for name, value in answer(model).items():
        torch.testing.assert_close(stored[name], value, rtol=0, atol=1e-5)


def test_our_model_gives_the_stored_answer_with_either_form_of_the_windows():
    ours = VideoSwin(width=12, depths=(2, 2), heads=(2, 3), window=(2, 4, 3), classes=5).eval()
    load_pretrained(ours, FOLDER)
    stored = load_file(FOLDER / "answer.safetensors")
    with torch.no_grad():
        fast = ours(stored["video"])
        for stage in ours.stages:
            for block in stage.blocks:
                block.attention.forward = lambda x, grid, own=block.attention: window_attention_in_steps(own, x, grid)
        slow = ours(stored["video"])
    torch.testing.assert_close(fast, stored["logits"], rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(slow, stored["logits"], rtol=1e-5, atol=2e-5)

"""Write the reference checkpoint that lesson 04 loads: `python tests/parity/make_reference.py`.

A small TimeSformer of Hugging Face's transformers with random weights, saved by that library itself, and its answer to
one random clip. The lesson shows with it that our model is the published one; test_reference.py recomputes the answer.
"""

import pathlib
import sys

import torch

from videoformer_edu.pretrained import reference_checkpoint

FOLDER = reference_checkpoint()
SIZE = dict(image_size=32, patch_size=8, num_frames=4, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=128, num_labels=5)


def reference_model():
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    torch.manual_seed(0)
    model = TimesformerForVideoClassification(TimesformerConfig(**SIZE)).eval()
    with torch.no_grad():
        for p in model.parameters():  # a fresh model has empty tables
            p.add_(torch.randn_like(p) * 0.1)
    return model


def answer(model) -> dict[str, torch.Tensor]:
    video = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return {"video": video, "logits": model(video.transpose(1, 2)).logits}


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    import conftest  # noqa: F401 - lets torchvision import beside a CPU torch
    from safetensors.torch import save_file

    model = reference_model()
    model.save_pretrained(FOLDER)
    save_file(answer(model), FOLDER / "answer.safetensors")

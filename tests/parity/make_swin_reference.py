"""Write the reference that lesson 06 loads: `python tests/parity/make_swin_reference.py`.

A small Video Swin of torchvision with random weights, and its answer to a random clip that fills neither patches nor
windows. The lesson shows with it that its fifteen lines are the published attention.
"""

import pathlib
import sys

import torch

from videoformer_edu.pretrained import reference_checkpoint

FOLDER = reference_checkpoint("video_swin")
SIZE = dict(patch_size=[2, 4, 4], embed_dim=12, depths=[2, 2], num_heads=[2, 3], window_size=[2, 4, 3], num_classes=5)


def reference_model():
    from torchvision.models.video.swin_transformer import SwinTransformer3d

    torch.manual_seed(0)
    model = SwinTransformer3d(**SIZE).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():  # distances weigh as much as contents
            p.add_(torch.randn_like(p) * (1 if name.endswith("bias_table") else 0.15))
    return model


def answer(model) -> dict[str, torch.Tensor]:
    video = torch.randn(1, 3, 10, 36, 28, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return {"video": video, "logits": model(video)}


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    import conftest  # noqa: F401 - lets torchvision import beside a CPU torch
    from safetensors.torch import save_file

    model = reference_model()
    FOLDER.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, FOLDER / "model.safetensors")
    save_file(answer(model), FOLDER / "answer.safetensors")

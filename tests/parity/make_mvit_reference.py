"""Write the reference checkpoints that lesson 07 loads: `python tests/parity/make_mvit_reference.py`.

Small MViTs of torchvision, versions 1 and 2, with random weights, as that library names them, and their answers to one
random clip. The lesson shows with them that our model is the published one; test_mvit_reference.py recomputes both.
"""

import pathlib
import sys

import torch

from videoformer_edu.pretrained import reference_checkpoint

FRAMES, SIDE, WIDTH, STAGES, CLASSES = 6, 32, 8, (1, 2), 5
VERSIONS = (1, 2)


def folder(version: int) -> pathlib.Path:
    return reference_checkpoint(f"mvit_v{version}")


def reference_model(version: int):
    """Two stages of one and two blocks; noise on all parameters, so that no table is zero."""
    from torchvision.models.video import mvit

    blocks = []
    for stage, depth in enumerate(STAGES):
        for i in range(depth):
            here, first = WIDTH * 2**stage, stage > 0 and i == 0
            last = stage < len(STAGES) - 1 and i == depth - 1
            kv = 4 // 2**stage
            blocks.append(mvit.MSBlockConfig(
                num_heads=2**stage, input_channels=here // 2 if version == 2 and first else here,
                output_channels=here * 2 if version == 1 and last else here,
                kernel_q=[3, 3, 3] if version == 2 or first else [], kernel_kv=[3, 3, 3],
                stride_q=[1, 2, 2] if first else [1, 1, 1] if version == 2 else [], stride_kv=[1, kv, kv]))
    torch.manual_seed(version)
    model = mvit.MViT((SIDE, SIDE), FRAMES, blocks, residual_pool=version == 2, residual_with_cls_embed=False,
                      rel_pos_embed=version == 2, proj_after_attn=version == 2, num_classes=CLASSES).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    return model


def answer(model) -> dict[str, torch.Tensor]:
    video = torch.randn(2, 3, FRAMES, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return {"video": video, "logits": model(video)}


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    import conftest  # noqa: F401 - lets torchvision import beside a CPU torch
    from safetensors.torch import save_file

    for version in VERSIONS:
        model = reference_model(version)
        folder(version).mkdir(parents=True, exist_ok=True)
        save_file({name: p.contiguous() for name, p in model.state_dict().items()},
                  folder(version) / "model.safetensors")
        save_file(answer(model), folder(version) / "answer.safetensors")

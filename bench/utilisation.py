"""Model FLOP utilisation: the arithmetic that a training step cannot do without, over what the device could do.

Defined in PaLM (Chowdhery et al. 2022, arXiv:2204.02311, appendix B). One multiply-add is two operations, and the
backward pass needs two products for each of the forward pass: 3 x 2 x the forward multiply-adds. What is computed again
to save memory does not count as useful, so checkpointing lowers the utilisation. Norms, softmax and GELU do not count.
"""

from __future__ import annotations

import re

TERA = 1e12
# Peak rates of the tensor cores, TFLOP/s: *dense*, float32 accumulation. NVIDIA's data sheets print twice as much for
# Ada and Hopper, "with sparsity". First match counts. Sources, each NVIDIA's data sheet of that name:
# H200 (SXM, NVL), H100 (SXM, PCIe, NVL), A100 (all forms), L4, V100 (SXM2, PCIe), T4.
PEAKS = (
    (r"H200 NVL", {"bf16": 835.5, "fp16": 835.5}),
    (r"\bH200\b", {"bf16": 989.5, "fp16": 989.5}),
    (r"H100 NVL", {"bf16": 835.5, "fp16": 835.5}),
    (r"H100 PCIe", {"bf16": 756.5, "fp16": 756.5}),
    (r"\bH100\b", {"bf16": 989.5, "fp16": 989.5}),
    (r"\bA100\b", {"bf16": 312.0, "fp16": 312.0}),
    (r"\bL4\b", {"bf16": 121.0, "fp16": 121.0}),
    (r"V100-(SXM|NVL)", {"fp16": 125.0}),  # neither V100 nor T4 has tensor cores for bf16
    (r"V100-PCI", {"fp16": 112.0}),
    (r"\bT4\b", {"fp16": 65.0}),
)


def peak_flops(device: str, precision: str) -> float | None:
    """Operations a second of the device of this name (as `torch.cuda.get_device_name` says it), or None.

    None for a device that is not in the table, for a slice of one (MIG), and for fp32, whose peak depends on settings
    (TF32 or not).
    """
    if "MIG" in device:
        return None
    for pattern, rates in PEAKS:
        if re.search(pattern, device):
            return rates[precision] * TERA if precision in rates else None
    return None


def step_flops(forward_macs: int, clips: int) -> int:
    """Operations of one training step on `clips` clips, from the multiply-adds of the forward pass of one."""
    return 3 * 2 * forward_macs * clips


def utilisation(flops: int, seconds: float, peak: float | None) -> float | None:
    """The share of the peak rate that a step of so many operations reached, 1 = all of it."""
    return None if peak is None else flops / seconds / peak

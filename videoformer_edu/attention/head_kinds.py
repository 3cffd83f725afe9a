"""Are heads spatial or temporal? Which of two sparse patterns a head of joint attention could do with.

Sparse VideoGen (Xi et al. 2025, arXiv:2502.01776, section 3) found both kinds in trained video generators: heads that
look at their own frame, and heads that look at their own place in all frames. It asks each head: how far does your
output move if you may look there and nowhere else? The smaller error names the kind. So does this, for a map that was
recorded and the values that it weighed.

    with record_attention(model) as maps, record_values(model) as values:
        model(video)
    head_kinds(maps["blocks.0.attention"], values["blocks.0.attention"])
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.core import MultiHeadAttention
from videoformer_edu.attention.patterns import Pattern, Spatial, Temporal
from videoformer_edu.attention.recording import AttentionMap

KINDS: dict[str, Pattern] = {"spatial": Spatial(), "temporal": Temporal()}


class HeadKind(NamedTuple):
    """One head: its kind, and what speaks for each of the two.

    A kind is always named, also where both errors are large (neither will do), or where the head looks everywhere alike
    (share = chance: any few tokens will do). So look at all three.
    """

    kind: str
    share: dict[str, float]  # of the attention that patches give to patches, 0 to 1
    chance: dict[str, float]  # that share, if it looked at all patches alike
    error: dict[str, float]  # if it looked there alone: mean square of the change, over that of the output


def head_kinds(recorded: AttentionMap, values: Tensor) -> list[HeadKind]:
    """The kind of every head of one recorded map; values `(b, head, s, e)`, one row for each token of the sequence.

    Patches alone ask; CLS, where there is one, may always be looked at. Raises ValueError where values do not fit.
    """
    probabilities, cls = recorded.dense(), int(recorded.cls)  # (b, head, s, s)
    if values.shape[:3] != probabilities.shape[:3]:
        raise ValueError(f"the map {recorded.name} is {tuple(probabilities.shape)} and the values are "
                         f"{tuple(values.shape)}; expected (b, head, s, e) of the same forward pass")
    rows = probabilities[:, :, cls:]  # patches ask
    output = rows @ values  # (b, head, l, e)
    shares, chance, errors = {}, {}, {}
    for kind, pattern in KINDS.items():
        allowed = pattern.allowed(recorded.clip).to(rows.device)
        chance[kind] = allowed.double().mean().item()
        there = rows[..., cls:] * allowed
        kept = rows.clone()
        kept[..., cls:] = there
        kept = kept / kept.sum(-1, keepdim=True)  # as if the others had been masked before the softmax
        errors[kind] = (kept @ values - output).square().mean((0, 2, 3)) / output.square().mean((0, 2, 3))
        shares[kind] = there.sum((0, 2, 3)) / rows[..., cls:].sum((0, 2, 3))
    found = []
    for head in range(rows.shape[1]):
        error = {kind: errors[kind][head].item() for kind in KINDS}
        share = {kind: shares[kind][head].item() for kind in KINDS}
        found.append(HeadKind(min(error, key=error.get), share, chance, error))
    return found


@contextmanager
def record_values(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Collect the values of every attention of `model` by module name, `(..., head, s, e)` of the last forward pass."""
    values: dict[str, Tensor] = {}

    def hook(name: str, heads: int):
        def keep(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            v = output.detach().chunk(3, dim=-1)[2]
            values[name] = rearrange(v, "... s (head e) -> ... head s e", head=heads)
        return keep

    handles = [module.qkv.register_forward_hook(hook(name or "attention", module.heads))
               for name, module in model.named_modules() if isinstance(module, MultiHeadAttention)]
    try:
        yield values
    finally:
        for handle in handles:
            handle.remove()


__all__ = ["HeadKind", "head_kinds", "record_values"]

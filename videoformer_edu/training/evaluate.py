"""How good a model is: classes, accuracies, confusion, and the mean answer to several views of a clip.

All of it in chunks, without gradients, in eval mode; afterwards each module is in the mode in which it was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[torch.device]:
    """Eval mode and no gradients inside; -> where the model is."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode():
            yield next((p.device for p in model.parameters()), torch.device("cpu"))
    finally:
        for module, mode in modes.items():
            module.training = mode


def logits_of(model: nn.Module, inputs: Tensor, chunk: int = 128) -> Tensor:
    """inputs `(b, ...)` -> logits `(b, classes)`, where the inputs are; `chunk` inputs at a time."""
    with evaluating(model) as device:
        return torch.cat([model(part.to(device)).to(inputs.device) for part in inputs.split(chunk)])


def predict(model: nn.Module, inputs: Tensor, chunk: int = 128) -> Tensor:
    """inputs `(b, ...)` -> predicted classes `(b,)`."""
    return logits_of(model, inputs, chunk).argmax(dim=1)


def share(hits: Tensor) -> float:
    """The share of true entries, to four digits."""
    return round(hits.float().mean().item(), 4)


def in_top(logits: Tensor, labels: Tensor, k: int) -> Tensor:
    """`(b,)` bool: is the label among the `k` classes with the highest logits `(b, classes)`?

    Raises ValueError unless 1 <= k <= classes; with k = classes the answer is always yes.
    """
    classes = logits.shape[1]
    if not 1 <= k <= classes:
        raise ValueError(f"k is {k}, but there are {classes} classes; choose k from 1 to {classes}")
    return (logits.topk(k, dim=1).indices == labels[:, None]).any(dim=1)


def confusion(truth: Tensor, answer: Tensor, classes: int) -> Tensor:
    """Classes `(b,)` -> counts `(classes, classes)`: a row for each true class, a column for each answer.

    Raises ValueError for a class outside 0 ... classes - 1.
    """
    for name, x in (("truth", truth), ("answer", answer)):
        if len(x) and not (0 <= x.min() and x.max() < classes):
            raise ValueError(f"{name} goes from {x.min()} to {x.max()}; expected 0 to {classes - 1}")
    return torch.bincount(truth * classes + answer, minlength=classes**2).reshape(classes, classes)


def evaluate(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, ks: tuple[int, ...] = (1, 5)) -> dict:
    """A whole set, batch by batch: {"examples", "loss", "top1", "top5", "confusion"}.

    batches: pairs of inputs and labels `(b,)`. Of `ks`, those below the number of classes are reported. Raises
    ValueError if there is no batch.
    """
    examples, loss, hits, table = 0, 0.0, {}, None
    with evaluating(model) as device:
        for inputs, labels in batches:
            logits, labels = model(inputs.to(device)).float(), labels.to(device)
            classes = logits.shape[1]
            if table is None:
                table = torch.zeros(classes, classes, dtype=torch.long)
                hits = {k: 0 for k in ks if k < classes}
            examples += len(labels)
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            table += confusion(labels, logits.argmax(dim=1), classes).cpu()
            for k in hits:
                hits[k] += in_top(logits, labels, k).sum().item()
    if table is None:
        raise ValueError("there is nothing to evaluate: no batch came; a generator is used up after its first run")
    return {"examples": examples, "loss": loss / examples, **{f"top{k}": n / examples for k, n in hits.items()},
            "confusion": table.tolist()}


def multi_view(model: nn.Module, video: Tensor, chunk: int = 128) -> Tensor:
    """Views `(b, v, c, t, h, w)` -> `(b, classes)`: the mean over views of their *probabilities*.

    `data.views.views` cuts them. Each view has one vote at most. In a mean of logits, one view that is
    very sure outvotes the others.
    """
    logits = logits_of(model, video.flatten(0, 1), chunk)  # (b*v, classes)
    return logits.float().softmax(dim=1).unflatten(0, video.shape[:2]).mean(dim=1)

"""What a trained model can and cannot do, in numbers. All accuracies are shares of 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from videoformer_edu.data.motion import axis, sign

SHUFFLED = (4, 0, 7, 3, 2, 5, 1, 6)  # one fixed order of the frames that keeps no motion


@torch.inference_mode()
def predict(model: nn.Module, inputs: Tensor, chunk: int = 128) -> Tensor:
    """inputs `(b, ...)` -> predicted classes `(b,)`; the model is left in eval mode."""
    model.eval()
    return torch.cat([model(part).argmax(dim=1) for part in inputs.split(chunk)])


def share(hits: Tensor) -> float:
    """The share of true entries, to four digits."""
    return round(hits.float().mean().item(), 4)


def confusion(predicted: Tensor, labels: Tensor, classes: int) -> list[list[int]]:
    """`[label][predicted]` -> how many examples."""
    return torch.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes).tolist()


def motion_scores(model: nn.Module, video: Tensor, direction: Tensor) -> dict:
    """Accuracy of direction, of its axis and of its sign, and the confusion matrix; video `(b, c, t, h, w)`.

    The sign counts whether the parity of the answer is right, whatever axis it names: chance is one half.
    """
    predicted = predict(model, video)
    return {
        "accuracy": share(predicted == direction),
        "axis": share(axis(predicted) == axis(direction)),
        "sign": share(sign(predicted) == sign(direction)),
        "confusion": confusion(predicted, direction, 8),
    }


def motion_probes(model: nn.Module, video: Tensor, direction: Tensor) -> dict:
    """Does the model use the order of the frames? video `(b, c, t, h, w)` with 8 frames.

    "reversed": the share of clips played backwards that are called the opposite direction. "frozen": accuracy when
    frame 4 stands still for the whole clip. "shuffled": accuracy, and the share with the right axis, when the frames
    come in the fixed order `SHUFFLED`.
    """
    frozen = video[:, :, 4:5].expand_as(video)
    shuffled = predict(model, video[:, :, list(SHUFFLED)])
    return {
        "reversed_is_opposite": share(predict(model, video.flip(2)) == direction ^ 1),
        "frozen_accuracy": share(predict(model, frozen) == direction),
        "shuffled_accuracy": share(shuffled == direction),
        "shuffled_axis": share(axis(shuffled) == axis(direction)),
    }


def digit_scores(model: nn.Module, images: Tensor, digit: Tensor) -> dict:
    """Accuracy over the ten digits and the confusion matrix; images `(b, c, h, w)`."""
    predicted = predict(model, images)
    return {"accuracy": share(predicted == digit), "confusion": confusion(predicted, digit, 10)}

"""What a trained model can and cannot do, in numbers. All accuracies are shares of 1."""

from __future__ import annotations

from torch import Tensor, nn

from experiments.experiment import Material
from videoformer_edu.data.motion import TASKS, axis, sign
from videoformer_edu.training.evaluate import confusion, predict, share

SHUFFLED = (4, 0, 7, 3, 2, 5, 1, 6)  # one fixed order of the frames that keeps no motion


def accuracies(model: nn.Module, material: Material, inputs: Tensor, labels: Tensor) -> dict:
    """Accuracy and confusion matrix; for a task of directions also axis and sign."""
    if material.task.startswith("motion"):
        return motion_accuracies(model, inputs, labels)
    predicted, classes = predict(model, inputs), 10 if material.task == "digits" else len(TASKS[material.task].classes)
    return {"accuracy": share(predicted == labels), "confusion": confusion(labels, predicted, classes).tolist()}


def motion_accuracies(model: nn.Module, video: Tensor, direction: Tensor) -> dict:
    """Accuracy of direction, of its axis and of its sign, and the confusion matrix; video `(b, c, t, h, w)`.

    The sign counts whether the parity of the answer is right, whatever axis it names: chance is one half.
    """
    predicted = predict(model, video)
    return {
        "accuracy": share(predicted == direction),
        "axis": share(axis(predicted) == axis(direction)),
        "sign": share(sign(predicted) == sign(direction)),
        "confusion": confusion(direction, predicted, 8).tolist(),
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

"""08.4: a step of training in the right order, in parts, with a bound on the gradient."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Style, Tolerance
from videoformer_edu.sheets import inputs as make


def made(weight, bias, rates):
    """A linear model, SGD with momentum 0.9, and a schedule: rates[0], and the next one at each schedule.step()."""
    from types import SimpleNamespace

    model = nn.Linear(weight.shape[1], weight.shape[0])
    model.load_state_dict({"weight": weight, "bias": bias})
    optimiser, left = torch.optim.SGD(model.parameters(), lr=rates[0].item(), momentum=0.9), rates[1:].tolist()
    schedule = SimpleNamespace(step=lambda: left and optimiser.param_groups[0].update(lr=left.pop(0)))
    return model, optimiser, schedule


def train(weight, bias, inputs, labels, parts, clip, rates):
    """Some steps of training: inputs (steps, b, d), labels (steps, b), rates (steps,) -> weight and bias afterwards.

    Each batch goes through the model in `parts` parts, which need not be equal (`tensor_split`). The gradient of the
    whole batch's mean loss is scaled down to the norm `clip`, all parameters together, if it is longer.
    """
    model, optimiser, schedule = made(weight, bias, rates)
    # STUB: model, optimiser, schedule = made(weight, bias, rates)
    # STUB: for x, y in zip(inputs, labels, strict=True):
    # STUB:     ...  # clear, forward and backward part by part, clip, update, next rate
    # STUB: return model.weight.detach(), model.bias.detach()
    for x, y in zip(inputs, labels, strict=True):
        optimiser.zero_grad()
        for part, target in zip(x.tensor_split(parts), y.tensor_split(parts), strict=True):
            loss = F.cross_entropy(model(part), target)
            (loss * len(part) / len(x)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        schedule.step()
    return model.weight.detach(), model.bias.detach()


def cases(rng: np.random.Generator) -> list[Case]:
    def run(steps: int, b: int, d: int, classes: int, parts: int, clip: float) -> dict:
        inputs = 2 * make.tokens(rng, steps, b, d)
        return {"weight": make.tokens(rng, classes, d), "bias": make.tokens(rng, classes), "inputs": inputs,
                "labels": rng.integers(0, classes, (steps, b)), "parts": parts, "clip": clip,
                "rates": rng.uniform(0.2, 0.9, steps).astype(np.float32)}

    after = "the weights (classes, d) and the bias (classes,)"
    return [
        Case("one step, one part, nothing to clip", "train", run(1, 4, 3, 5, 1, 1000.0),
             "forward, backward, update", axes=after),
        Case("one step, equal parts", "train", run(1, 6, 4, 3, 3, 1000.0), "parts change nothing", axes=after),
        Case("one step, parts of different sizes", "train", run(1, 5, 2, 4, 2, 1000.0), "parts change nothing",
             axes=after),
        Case("three steps, nothing to clip", "train", run(3, 4, 5, 2, 2, 1000.0), "each step begins anew", axes=after),
        Case("one step, a long gradient", "train", run(1, 6, 5, 4, 2, 0.3), "its direction stays", axes=after),
        Case("all of it", "train", run(4, 7, 4, 3, 3, 0.4), "every step in order", axes=after, share=3),
        Case("many steps", "train", run(int(rng.integers(5, 8)), 3, 2, 3, 2, 0.5), "every step in order", axes=after),
    ]


def oracle(case: Case) -> tuple[np.ndarray, np.ndarray]:
    given = case.inputs
    weight, bias = given["weight"].astype(np.float64), given["bias"].astype(np.float64)
    speed_w, speed_b = np.zeros_like(weight), np.zeros_like(bias)
    for x, y, rate in zip(given["inputs"].astype(np.float64), given["labels"], given["rates"], strict=True):
        grad_w, grad_b = np.zeros_like(weight), np.zeros_like(bias)
        for vector, label in zip(x, y, strict=True):
            score = weight @ vector + bias
            wrong = np.exp(score - score.max()) / np.exp(score - score.max()).sum()
            wrong[label] -= 1  # softmax less the truth
            grad_w, grad_b = grad_w + np.outer(wrong, vector) / len(x), grad_b + wrong / len(x)
        length = np.sqrt((grad_w**2).sum() + (grad_b**2).sum())
        shrink = min(1.0, given["clip"] / (length + 1e-6))
        speed_w, speed_b = 0.9 * speed_w + shrink * grad_w, 0.9 * speed_b + shrink * grad_b
        weight, bias = weight - float(rate) * speed_w, bias - float(rate) * speed_b
    return weight, bias


CLEAR = "        optimiser.zero_grad()\n"
PARTS = "        for part, target in zip(x.tensor_split(parts), y.tensor_split(parts), strict=True):\n"
CLIP = "        nn.utils.clip_grad_norm_(model.parameters(), clip)\n"
BACK = "            (loss * len(part) / len(x)).backward()\n"
STEP = "        optimiser.step()\n        schedule.step()\n"
MUTANTS = (
    Mutant("never cleared", ((CLEAR, ""),),
           "You never clear the gradients, so those of all earlier steps are still in them. backward() adds: "
           "zero_grad() at the start of each step."),
    Mutant("cleared too late", ((CLEAR, ""), ("        optimiser.step()\n", CLEAR + "        optimiser.step()\n")),
           "You clear the gradients between backward and the update, so the update has nothing to go by and the "
           "weights stay as they are."),
    Mutant("cleared in each part", ((CLEAR, ""), (PARTS, PARTS + "            optimiser.zero_grad()\n")),
           "You clear the gradients before each part, so only the last part counts. Clear once a step."),
    Mutant("the sum of the parts", (("loss * len(part) / len(x)", "loss"),),
           "You added the mean losses of the parts: the gradient is as many times too long as there are parts. Weigh "
           "each part by its share of the batch."),
    Mutant("parts count alike", (("loss * len(part) / len(x)", "loss / parts"),),
           "You divided by the number of parts, which is right for equal parts alone. A part counts by its share "
           "of the batch, len(part) / len(x)."),
    Mutant("an update for each part", ((CLIP, ""), ("        optimiser.step()\n", ""),
                                       (BACK, BACK + "    " + CLIP + "            optimiser.step()\n")),
           "You update after each part. Accumulating means: all parts backwards first, then one update."),
    Mutant("clipped in each part", ((CLIP, ""), (BACK, BACK + "    " + CLIP)),
           "You clip after each part, while the gradient is not complete. Clip once, before the update."),
    Mutant("not clipped", ((CLIP, ""),),
           "The gradient that the optimiser uses is not clipped: the call is missing, or comes after the update, when "
           "it is too late. One bad batch may then throw the weights anywhere."),
    Mutant("clipped by value", (("clip_grad_norm_", "clip_grad_value_"),),
           "You clipped each number by itself, which turns the gradient into another direction. clip_grad_norm_ "
           "shortens it and keeps its direction."),
    Mutant("each tensor by itself", ((CLIP, "        for tensor in model.parameters():\n"
                                            "            nn.utils.clip_grad_norm_(tensor, clip)\n"),),
           "You clipped weight and bias each by itself. The norm is that of the whole gradient, all parameters "
           "together."),
    Mutant("always to this length", ((CLIP, CLIP + "        norm = torch.cat([p.grad.flatten() for p in "
                                      "model.parameters()]).norm()\n        for p in model.parameters():\n"
                                      "            p.grad.mul_(clip / norm)\n"),),
           "You scale every gradient to the norm `clip`, short ones, too. Only longer ones are shortened."),
    Mutant("the rate first", ((STEP, "        schedule.step()\n        optimiser.step()\n"),),
           "You step the schedule before the optimiser, so the first rate is never used."),
    Mutant("one rate for all", (("        schedule.step()\n", ""),),
           "You never step the schedule: all steps have the first rate."),
    Mutant("a rate for each part", (("        schedule.step()\n", ""), (BACK, BACK + "            schedule.step()\n")),
           "You step the schedule in the loop over parts, so it runs through its rates too fast. Once a step."),
    Mutant("uphill", (("(loss * len(part) / len(x)).backward()", "(-loss * len(part) / len(x)).backward()"),),
           "Your weights climb: the loss has the wrong sign."),
)


def with_lists(weight, bias, inputs, labels, parts, clip, rates):
    model, optimiser, schedule = made(weight, bias, rates)
    tensors = list(model.parameters())
    for x, y in zip(inputs, labels, strict=True):
        total = [torch.zeros_like(p) for p in tensors]
        for part, target in zip(torch.tensor_split(x, parts), torch.tensor_split(y, parts), strict=True):
            loss = F.cross_entropy(model(part), target, reduction="sum") / len(x)
            total = [a + g for a, g in zip(total, torch.autograd.grad(loss, tensors), strict=True)]
        norm = torch.cat([g.flatten() for g in total]).norm()
        for p, g in zip(tensors, total, strict=True):
            p.grad = g * min(1.0, clip / (norm.item() + 1e-6))
        optimiser.step()
        schedule.step()
    return model.weight.detach(), model.bias.detach()


def whole_batch(weight, bias, inputs, labels, parts, clip, rates):
    """No parts: the same numbers, and as much memory as the batch takes. Nothing to object to but the memory."""
    model, optimiser, schedule = made(weight, bias, rates)
    for i in range(len(inputs)):
        F.cross_entropy(model(inputs[i]), labels[i]).backward()
        nn.utils.clip_grad_norm_(list(model.parameters()), clip)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
    return model.weight.data, model.bias.data


STYLES = (Style("autograd.grad, by hand", {"train": with_lists}), Style("cleared at the end", {"train": whole_batch}))

EXERCISE = Exercise(
    id="08.4",
    title="A step in the right order",
    difficulty=3,
    minutes=14,
    points=26,
    why="five calls, and most of their orders run without an error.",
    objectives=("write a step of training with accumulation and clipping", "say what each wrong order would do"),
    answer=(train,),
    given=(made,),
    cases=cases,
    oracle=oracle,
    differentiable=False,
    tolerance=Tolerance(1e-4, 1e-4),
    hints=(
        "For each batch: clear, then for each part forward and backward, then clip, update, next rate. Which of these "
        "belong inside the loop over the parts?",
        "F.cross_entropy is the mean of a part; the batch's mean weighs it with len(part) / len(x). backward() adds to "
        "what is in .grad already.",
        "optimiser.zero_grad(); for part, target in zip(x.tensor_split(parts), y.tensor_split(parts)): (loss * "
        "len(part) / len(x)).backward(); then nn.utils.clip_grad_norm_(model.parameters(), clip), optimiser.step(), "
        "schedule.step().",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)

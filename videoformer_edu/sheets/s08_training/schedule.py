"""08.2: the learning rate of every step: a linear warm-up, then half a cosine."""

from __future__ import annotations

import math

import numpy as np
import torch

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style


def rates(steps, warm_up, peak, least):
    """The learning rate of each step -> (steps,) float.

    The first `warm_up` steps rise linearly: peak / warm_up, 2 * peak / warm_up, ..., peak. After them the rate falls
    along half a cosine, and the last step has exactly `least`.
    """
    step = torch.arange(steps).float()
    rising = peak * (step + 1) / max(1, warm_up)
    done = (step + 1 - warm_up) / (steps - warm_up)  # just after the warm-up 0, in the last step 1
    falling = least + (peak - least) * (1 + torch.cos(math.pi * done)) / 2
    return torch.where(step < warm_up, rising, falling)


def step_of(epoch, batch_number, clips, batch):
    """Which step of the run is batch `batch_number` of `epoch`, all counted from 0? The last, smaller batch counts."""
    return epoch * math.ceil(clips / batch) + batch_number


def cases(rng: np.random.Generator) -> list[Case]:
    def rate(steps: int, warm_up: int, least: float) -> dict:
        return {"steps": steps, "warm_up": warm_up, "peak": float(rng.uniform(0.5, 4)), "least": least}

    def run(epoch: int, number: int, clips: int, batch: int) -> dict:
        return {"epoch": epoch, "batch_number": number, "clips": clips, "batch": batch}

    return [
        Case("twenty steps", "rates", rate(20, 5, 0.125), "up, then down", axes="(steps,)"),
        Case("other lengths", "rates", rate(int(rng.integers(25, 40)), int(rng.integers(3, 9)),
                                            float(rng.uniform(0.05, 0.3))), "any length works",
             axes="(steps,)", share=2),
        Case("no warm-up", "rates", rate(int(rng.integers(7, 13)), 0, 0.0), "it falls from the start", axes="(steps,)"),
        Case("one step of warm-up, down to zero", "rates", rate(9, 1, 0.0), "the first step has the peak",
             axes="(steps,)"),
        Case("batches that fit", "step_of", run(int(rng.integers(2, 6)), 3, 40, 8), "five steps an epoch"),
        Case("a smaller last batch", "step_of", run(int(rng.integers(2, 6)), int(rng.integers(1, 5)), 43, 8),
             "the rest is a step, too"),
        Case("the first epoch", "step_of", run(0, int(rng.integers(1, 4)), 33, 7), "nothing is before it"),
        Case("more room than clips", "step_of", run(7, 0, 5, 16), "one step an epoch"),
    ]


def oracle(case: Case):
    given = case.inputs
    if case.function == "step_of":
        done = 0
        for _ in range(given["epoch"]):
            for _ in range(0, given["clips"], given["batch"]):
                done += 1
        return done + given["batch_number"]
    steps, warm_up, peak, least = (given[name] for name in ("steps", "warm_up", "peak", "least"))
    out = []
    for step in range(1, steps + 1):  # how many steps have been begun
        if step <= warm_up:
            out.append(peak * step / warm_up)
        else:
            angle = math.pi * (step - warm_up) / (steps - warm_up)
            out.append(least + (peak - least) * (math.cos(angle) + 1) / 2)
    return np.array(out)


def ends(inputs, out: np.ndarray) -> str | None:
    if abs(out[-1] - inputs["least"]) > 1e-4 * inputs["peak"]:
        return f"the last step has the rate {out[-1]:.4f}; it should be `least`, {inputs['least']:.4f}."
    if abs(out[inputs["warm_up"] - 1] - inputs["peak"]) > 1e-4 * inputs["peak"]:
        return (f"the last step of the warm-up, {inputs['warm_up'] - 1}, has the rate "
                f"{out[inputs['warm_up'] - 1]:.3f}; it should be the peak, {inputs['peak']:.3f}.")
    return None


COSINE = "(1 + torch.cos(math.pi * done)) / 2"
MUTANTS = (
    Mutant("the first step learns nothing", (("peak * (step + 1) /", "peak * step /"),),
           "Your first step has the rate 0, and the peak comes one step late. The first of the warm-up has peak / "
           "warm_up, so add 1."),
    Mutant("no warm-up at all", (("torch.where(step < warm_up, rising, falling)", "falling.clamp(max=peak)"),),
           "Your rate does not rise: a cosine alone, as torch's CosineAnnealingLR is. It needs a warm-up in front."),
    Mutant("the cosine does not wait", (("(step + 1 - warm_up) / (steps - warm_up)", "(step + 1) / steps"),),
           "Your cosine began in step 0, under the warm-up, so the rate jumps where the warm-up ends. Let it begin "
           "when the warm-up is over."),
    Mutant("one step too long", (("(steps - warm_up)  #", "(steps - warm_up + 1)  #"),),
           "Your cosine ends one step after the run: the last step is not quite `least`."),
    Mutant("a straight line down", ((COSINE, "(1 - done)"),),
           "You went down in a straight line. Half a cosine stays high at first, falls fastest in the middle, and ends "
           "softly."),
    Mutant("down and up again", (("math.pi * done", "2 * math.pi * done"),),
           "A whole period of the cosine: the rate comes back to the peak. Half a period, pi, ends at the bottom."),
    Mutant("a quarter of a period", ((COSINE, "torch.cos(math.pi / 2 * done)"),),
           "A quarter of a period falls fastest at the end. The schedule is half of one, (1 + cos(pi x)) / 2."),
    Mutant("below zero", ((COSINE, "torch.cos(math.pi * done)"),),
           "Your rate goes below zero in the second half: a cosine runs from 1 to -1. (1 + cos) / 2 runs from 1 to 0."),
    Mutant("least forgotten", (("least + (peak - least) *", "peak *"),),
           "Yours falls to 0. It should fall to `least`."),
    Mutant("least added on top", (("least + (peak - least) *", "least + peak *"),),
           "You added `least` on top, so the cosine begins above the peak. Its height is peak - least."),
    Mutant("degrees", (("torch.cos(math.pi * done)", "torch.cos(torch.deg2rad(math.pi * done))"),),
           "Your angle is hardly turned: is it in degrees? torch.cos takes radians."),
    Mutant("the schedule counts epochs", (("epoch * math.ceil(clips / batch) + batch_number", "epoch"),),
           "You gave the number of the epoch. A schedule that is stepped once an epoch has no warm-up to speak of; "
           "count steps."),
    Mutant("the rest forgotten", (("math.ceil(clips / batch)", "(clips // batch)"),),
           "The last batch of an epoch may be smaller, and it is a step: round up."),
    Mutant("clips counted as steps", (("epoch * math.ceil(clips / batch) + batch_number",
                                       "epoch * clips + batch_number * batch"),),
           "You counted clips. A step is one batch, however many clips are in it."),
)


def rates_in_a_loop(steps, warm_up, peak, least):
    found = []
    for step in range(steps):
        if step < warm_up:
            found.append(peak * (step + 1) / warm_up)
        else:
            found.append(least + 0.5 * (peak - least) * (1 + math.cos(math.pi * (step + 1 - warm_up)
                                                                      / (steps - warm_up))))
    return torch.tensor(found)


def rates_joined(steps, warm_up, peak, least):
    down = torch.linspace(0, math.pi, steps - warm_up + 1)[1:]
    up = torch.linspace(0, peak, warm_up + 1)[1:]
    return torch.cat([up, least + (peak - least) * torch.cos(down / 2) ** 2])


def step_by_floor(epoch, batch_number, clips, batch):
    return epoch * ((clips + batch - 1) // batch) + batch_number


def step_by_negative_floor(epoch, batch_number, clips, batch):
    return batch_number - epoch * (-clips // batch)


STYLES = (
    Style("a loop", {"rates": rates_in_a_loop, "step_of": step_by_floor}),
    Style("two pieces", {"rates": rates_joined, "step_of": step_by_negative_floor}),
)

EXERCISE = Exercise(
    id="08.2",
    title="Warm up, then cool along a cosine",
    difficulty=2,
    minutes=9,
    points=16,
    why="the course text says \"cosine with warm-up\" above a schedule that has none, and steps it once an epoch.",
    objectives=("write the schedule of a run as a function of the step", "tell a step from an epoch"),
    answer=(rates, step_of),
    cases=cases,
    oracle=oracle,
    properties=(Property("both ends", "rates", ends, ("twenty steps", "one step of warm-up, down to zero")),),
    differentiable=False,
    hints=(
        "Two pieces. Write the share of each that is done, as a number from 0 to 1, and check it at its two ends.",
        "Share of the warm-up after step i: (i + 1) / warm_up. Share of the cosine: (i + 1 - warm_up) / (steps - "
        "warm_up). (1 + cos(pi x)) / 2 falls from 1 to 0.",
        "torch.where(step < warm_up, rising, falling) joins the pieces. step_of: an epoch has ceil(clips / batch) "
        "steps.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)

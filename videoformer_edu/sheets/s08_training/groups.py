"""08.3: which parameters decay, and how fast each layer learns."""

from __future__ import annotations

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Style
from videoformer_edu.sheets import inputs as make


def decay_of(parameters, weight_decay):
    """parameters: name -> tensor. Returns name -> its weight decay, `weight_decay` or 0.0.

    What has one axis is spared (biases, scales and shifts of norms), and so is every name of which a part between the
    dots is "cls" or ends with "positions".
    """
    found = {}
    for name, tensor in parameters.items():
        parts = name.split(".")
        place = any(part == "cls" or part.endswith("positions") for part in parts)
        found[name] = 0.0 if tensor.ndim == 1 or place else weight_decay
    return found


def rate_of(parameters, depth, rate, layer_decay):
    """name -> its learning rate, when each layer learns `layer_decay` times as fast as the one after it.

    Layers in order: 0 is all that comes before the blocks, i + 1 is blocks.i, and depth + 1 is the last norm and the
    head ("norm.", "head."), whose rate is `rate`.
    """
    found = {}
    for name in parameters:
        first, *rest = name.split(".")
        layer = int(rest[0]) + 1 if first == "blocks" else depth + 1 if first in ("norm", "head") else 0
        found[name] = rate * layer_decay ** (depth + 1 - layer)
    return found


def video_model(rng: np.random.Generator, width: int, depth: int, classes: int) -> dict[str, np.ndarray]:
    """Names and shapes as TimeSformer has them, and a few that are easily mistaken."""
    t, n = 3, 5
    found = {"patch_embed.proj.weight": make.tokens(rng, width, 2, 4, 4),
             "patch_embed.proj.bias": make.tokens(rng, width), "cls": make.tokens(rng, 1, 1, width),
             "space_positions.table": make.tokens(rng, 1 + n, width),
             "time_positions.table": make.tokens(rng, t, width),
             "positions_mixer.weight": make.tokens(rng, width, width)}  # ends with mixer: a linear map
    for i in range(depth):
        found |= {f"blocks.{i}.cls_mixer.weight": make.tokens(rng, width, width),
                  **make.norm(rng, f"blocks.{i}.norm", width), **make.linear(rng, f"blocks.{i}.qkv", 3 * width, width),
                  f"blocks.{i}.relative_positions.table": make.tokens(rng, 7, 2)}
    found |= {**make.norm(rng, "norm", width), **make.linear(rng, "head", classes, width)}
    return make.shuffled(rng, found)


def cases(rng: np.random.Generator) -> list[Case]:
    def decays(width: int, depth: int) -> dict:
        return {"parameters": video_model(rng, width, depth, 3), "weight_decay": float(rng.uniform(0.02, 0.6))}

    def rates(width: int, depth: int) -> dict:
        return {"parameters": video_model(rng, width, depth, 4), "depth": depth, "rate": float(rng.uniform(0.5, 3)),
                "layer_decay": float(rng.uniform(0.6, 0.85))}

    return [
        Case("two blocks", "decay_of", decays(4, 2), "matrices decay, all else is spared"),
        Case("one block", "decay_of", decays(6, 1), "another size"),
        Case("three blocks", "decay_of", decays(2, 3), "names of any depth"),
        Case("two blocks, by layer", "rate_of", rates(4, 2), "the head learns fastest"),
        Case("twelve blocks", "rate_of", rates(2, 12), "block 10 comes after block 9"),
        Case("one block, by layer", "rate_of", rates(6, 1), "three layers"),
    ]


def oracle(case: Case) -> dict[str, float]:
    given, found = case.inputs, {}
    for name, value in given["parameters"].items():
        if case.function == "decay_of":
            spared = len(value.shape) == 1
            for part in name.split("."):
                spared = spared or part == "cls" or part[-9:] == "positions"
            found[name] = 0.0 if spared else given["weight_decay"]
        else:
            above, depth = 0, given["depth"]
            if name.startswith("blocks."):
                above = depth - int(name[7:name.index(".", 7)])
            elif not name.startswith(("norm.", "head.")):
                above = depth + 1
            rate = given["rate"]
            for _ in range(above):
                rate *= given["layer_decay"]
            found[name] = rate
    return found


SPARED = "0.0 if tensor.ndim == 1 or place else weight_decay"
PLACE = 'part == "cls" or part.endswith("positions")'
LAYER = 'int(rest[0]) + 1 if first == "blocks" else depth + 1 if first in ("norm", "head") else 0'
MUTANTS = (
    Mutant("everything decays", ((SPARED, "weight_decay"),),
           "Everything decays in yours. Decay pulls towards zero, and zero means \"no effect\" for a matrix only."),
    Mutant("the wrong ones", ((SPARED, "weight_decay if tensor.ndim == 1 or place else 0.0"),),
           "You exchanged the two groups: biases and norms decay, matrices do not."),
    Mutant("positions decay", ((PLACE, 'part == "cls"'),),
           "Your position tables decay. A table has two axes, and still its rows are places, not weights of a map."),
    Mutant("CLS decays", ((PLACE, 'part.endswith("positions")'),),
           "CLS decays in yours. It is a token, not a map; its three axes do not change that."),
    Mutant("places alone", (("tensor.ndim == 1 or place", "place"),),
           "Biases and norms decay in yours. A norm's scale is 1 when it does nothing, not 0."),
    Mutant("biases by name", (("tensor.ndim == 1 or place", 'name.endswith("bias") or place'),),
           "You spared names that end with bias, and the scale of a norm is called weight. What has one axis is "
           "spared."),
    Mutant("norms by name", (("tensor.ndim == 1 or place", '"norm" in name or place'),),
           "You spared the norms and let the biases of the linear maps decay."),
    Mutant("anything that says cls", ((PLACE, '"cls" in part or part.endswith("positions")'),),
           "You spared cls_mixer, a linear map, because its name begins with cls. The part has to *be* cls."),
    Mutant("anything that says positions", ((PLACE, 'part == "cls" or "positions" in part'),),
           "You spared positions_mixer, a linear map. A part has to *end* with positions."),
    Mutant("the first part alone", (("for part in parts)", "for part in parts[:1])"),),
           "You looked at the first part of a name alone, so the relative positions inside the blocks decay."),
    Mutant("the head is slowest", (("(depth + 1 - layer)", "layer"),),
           "Your head learns slowest. What was trained longest, close to the pixels, should change least; the head is "
           "new."),
    Mutant("blocks from one", ((LAYER, LAYER.replace("int(rest[0]) + 1", "int(rest[0])")),),
           "Your block 0 has the rate of the embedding. Embeddings are layer 0, block i is layer i + 1."),
    Mutant("head with the last block", ((LAYER, LAYER.replace("else depth + 1 if", "else depth if")),),
           "Your head and last norm have the rate of the last block. They are a layer of their own, the last."),
    Mutant("one power too many", (("(depth + 1 - layer)", "(depth + 2 - layer)"),),
           "Your rates are all too small by one factor: the last layer should have `rate` itself."),
    Mutant("a product for a power", (("rate * layer_decay ** (depth + 1 - layer)",
                                      "rate * (layer_decay if layer <= depth else 1)"),),
           "All layers but the last have the same rate in yours. Each one is slower than the *next*: a power."),
    Mutant("one digit", (("int(rest[0]) + 1", "int(rest[0][0]) + 1"),),
           "You read one digit of the block's number, so block 10 became block 1. Split the name at the dots."),
    Mutant("the norm is an embedding", (('first in ("norm", "head")', 'first == "head"'),),
           "Your last norm has the rate of the embeddings. It comes after all blocks."),
)


def decay_by_sets(parameters, weight_decay):
    flat = {name for name, tensor in parameters.items() if len(tensor.shape) == 1}
    places = {name for name in parameters if "cls" in name.split(".") or "positions." in name + "."}
    return {name: 0.0 if name in flat | places else weight_decay for name in parameters}


def rate_by_steps(parameters, depth, rate, layer_decay):
    by_layer = [rate]
    for _ in range(depth + 1):
        by_layer.insert(0, by_layer[0] * layer_decay)
    found = {}
    for name in parameters:
        if name.startswith("blocks."):
            found[name] = by_layer[1 + int(name.split(".")[1])]
        else:
            found[name] = by_layer[-1] if name.startswith(("norm.", "head.")) else by_layer[0]
    return found


STYLES = (
    Style("sets and a list", {"decay_of": decay_by_sets, "rate_of": rate_by_steps}),
    Style("a loop with an if", {"rate_of": rate_by_steps}),
)

EXERCISE = Exercise(
    id="08.3",
    title="Parameter groups",
    difficulty=2,
    minutes=9,
    points=16,
    why="an optimiser does to all parameters of a group the same, and not all of them are weights of a map.",
    objectives=("say which parameters of a video transformer should not decay, and find them by name and shape",
                "give each layer of a pretrained model its own learning rate"),
    answer=(decay_of, rate_of),
    cases=cases,
    oracle=oracle,
    differentiable=False,
    hints=(
        "A dict that you fill name by name. What does the name tell, and what does only the tensor tell?",
        "name.split(\".\") gives the parts; tensor.ndim the number of axes. For the rate, find the layer's number "
        "first.",
        "rate * layer_decay ** (depth + 1 - layer), with layer 0 for what comes before the blocks, int(number) + 1 "
        "for a block, and depth + 1 for norm and head.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)

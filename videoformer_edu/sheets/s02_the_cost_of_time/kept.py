"""02.3: what scores and activations take, with and without checkpointing."""

from __future__ import annotations

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style


def score_bytes(batch, heads, tokens, size):
    """Bytes of all scores of one joint block, `size` bytes a number."""
    return batch * heads * tokens**2 * size


def kept_numbers(tokens, d, hidden):
    """How many numbers a joint block keeps for its backward pass, attention fused."""
    return tokens * (2 * d + 3 * d + d + 2 * d + 2 * hidden)


def training_bytes(depth, tokens, d, hidden, size, checkpointing):
    """Bytes that `depth` blocks keep. checkpointing: their inputs, and the inside of one block."""
    block = kept_numbers(tokens, d, hidden)
    if checkpointing:
        return (depth * tokens * d + block) * size
    return depth * block * size


def cases(rng: np.random.Generator) -> list[Case]:
    batch, heads, tokens = int(rng.integers(2, 5)), int(rng.choice([5, 7])), int(rng.integers(40, 60))
    depth, d, hidden = int(rng.integers(20, 26)), 6 * int(rng.integers(4, 6)), 5 * int(rng.integers(13, 17))
    return [
        Case("scores of one clip", "score_bytes", {"batch": 1, "heads": 12, "tokens": 1569, "size": 4},
             "118 MB, in every block"),
        Case("scores of a batch in half precision", "score_bytes", {"batch": batch, "heads": heads, "tokens": tokens,
                                                                    "size": 2}, "any size"),
        Case("scores of 32 frames", "score_bytes", {"batch": batch, "heads": 12, "tokens": 6273, "size": 4},
             "billions of bytes"),
        Case("a block of ViT-B on 8 frames", "kept_numbers", {"tokens": 1569, "d": 768, "hidden": 3072},
             "sixteen vectors of d numbers for each token"),
        Case("any block", "kept_numbers", {"tokens": tokens, "d": d, "hidden": hidden}, "an MLP of another width"),
        Case("twelve blocks", "training_bytes", {"depth": 12, "tokens": 1569, "d": 768, "hidden": 3072, "size": 4,
                                                 "checkpointing": False}, "0.9 GB, as the lesson measured"),
        Case("twelve blocks, checkpointed", "training_bytes", {"depth": 12, "tokens": 1569, "d": 768, "hidden": 3072,
                                                               "size": 4, "checkpointing": True},
             "the inputs of twelve blocks, and one block at a time"),
        Case("any model", "training_bytes", {"depth": depth, "tokens": tokens, "d": d, "hidden": hidden, "size": 2,
                                             "checkpointing": False}, "any size"),
        Case("any model, checkpointed", "training_bytes", {"depth": depth, "tokens": tokens, "d": d, "hidden": hidden,
                                                           "size": 2, "checkpointing": True}, "any size"),
    ]


def oracle(case: Case) -> int:
    """Lay down every tensor, token by token."""
    given = case.inputs
    tokens, size = given["tokens"], given.get("size", 1)
    if case.function == "score_bytes":
        rows = 0
        for _ in range(given["batch"]):
            for _ in range(given["heads"]):
                rows += tokens  # one row of scores for each query
        return rows * tokens * size
    d, hidden = given["d"], given["hidden"]
    block = 0
    for _ in range(tokens):
        for kept in (d, d, d, d, d, d, d, d, hidden, hidden):  # as the statement lists them
            block += kept
    if case.function == "kept_numbers":
        return block
    numbers = sum((tokens * d if given["checkpointing"] else block) for _ in range(given["depth"]))
    return size * (numbers + (block if given["checkpointing"] else 0))


def checkpointing_saves(inputs, out: np.ndarray) -> str | None:
    if not inputs["checkpointing"]:
        return None
    tokens, d, hidden = inputs["tokens"], inputs["d"], inputs["hidden"]
    all_of_it = inputs["depth"] * tokens * (8 * d + 2 * hidden) * inputs["size"]
    if int(out) < all_of_it:
        return None
    return (f"with checkpointing you keep {int(out):,} bytes, and without it these {inputs['depth']} blocks would keep "
            f"{all_of_it:,}: nothing is saved.")


SCORES = "return batch * heads * tokens**2 * size"
BLOCK = "2 * d + 3 * d + d + 2 * d + 2 * hidden"
SPARED = "(depth * tokens * d + block) * size"

MUTANTS = (
    Mutant("heads forgotten", ((SCORES, "return batch * tokens**2 * size + 0 * heads"),),
           "You counted one table of scores. Every head has its own, l × l numbers each."),
    Mutant("batch forgotten", ((SCORES, "return heads * tokens**2 * size + 0 * batch"),),
           "You counted the scores of one clip. Every clip of the batch has its own."),
    Mutant("bytes forgotten", ((SCORES, "return batch * heads * tokens**2 + 0 * size"),),
           "You counted numbers and not bytes: a number takes `size` of them."),
    Mutant("bits", ((SCORES, SCORES + " * 8"),),
           "Your scores are eight times too large: you counted bits. `size` is in bytes."),
    Mutant("tokens for pairs", (("tokens**2", "tokens"),),
           "You counted a score for each token. There is one for each pair: tokens²."),
    Mutant("upper triangle", (("tokens**2", "(tokens * (tokens + 1) // 2)"),),
           "You counted half of the table. The score of A with B is not that of B with A: queries and keys come from "
           "different maps."),
    Mutant("heads share the tokens", ((SCORES, "return batch * (tokens // heads) ** 2 * heads * size"),),
           "You divided the tokens among the heads. Heads share the width; each looks at all tokens."),
    Mutant("one hidden tensor", (("2 * hidden)", "hidden)"),),
           "You kept one tensor of the MLP's width. GELU needs what came in, the second map what GELU gave: two."),
    Mutant("hidden taken for 4 d", (("2 * hidden)", "8 * d)"),),
           "You took an MLP four times as wide as the tokens. Its width is given: `hidden`."),
    Mutant("one of q, k, v", ((BLOCK, "2 * d + d + d + 2 * d + 2 * hidden"),),
           "You kept one vector of q, k and v. The backward pass of attention asks for all three."),
    Mutant("norms forgotten", ((BLOCK, "3 * d + d + 2 * hidden"),),
           "You left out the norms. Each needs what it was given, and the map behind it needs what it gave: two "
           "vectors for each of the two."),
    Mutant("attention's mean forgotten", ((BLOCK, "2 * d + 3 * d + 2 * d + 2 * hidden"),),
           "You left out the mean of the values. The output map was given it, and its weight's gradient needs it."),
    Mutant("depth forgotten", (("return depth * block * size", "return block * size"),),
           "Without checkpointing you kept one block. Every block keeps its own until the backward pass comes to it."),
    Mutant("no block comes back", ((SPARED, "depth * tokens * d * size"),),
           "With checkpointing you kept the inputs alone. In the backward pass a block is computed again, and then its "
           "inside is there: add one block."),
    Mutant("inputs forgotten", ((SPARED, "block * size"),),
           "With checkpointing you kept the inside of one block and none of the inputs, from which the blocks are "
           "computed again: depth · tokens · d numbers."),
    Mutant("one input", ((SPARED, "(tokens * d + block) * size"),),
           "With checkpointing you kept one input. Every block begins from its own: depth of them."),
    Mutant("bytes of half of it", ((SPARED, "depth * tokens * d * size + block"),),
           "You turned the inputs into bytes, and not the block beside them."),
    Mutant("checkpointing ignored", (("if checkpointing:", "if False:"),),
           "You keep the same with checkpointing and without it. With it, blocks keep their inputs alone, and one of "
           "them at a time its inside."),
)


def scores_head_by_head(batch, heads, tokens, size):
    return sum(size * tokens * tokens for _ in range(batch * heads))


def kept_by_name(tokens, d, hidden):
    each = {"norm 1": 2 * d, "q, k, v": 3 * d, "mean": d, "norm 2": 2 * d, "MLP": 2 * hidden}
    return tokens * sum(each.values())


def training_in_one_line(depth, tokens, d, hidden, size, checkpointing):
    inside, inputs = tokens * (8 * d + 2 * hidden), tokens * d
    return size * (inside + depth * inputs if checkpointing else depth * inside)


STYLES = (
    Style("by name", {"score_bytes": scores_head_by_head, "kept_numbers": kept_by_name,
                      "training_bytes": training_in_one_line}),
    Style("floats that are whole", {"score_bytes": lambda batch, heads, tokens, size: float(
        scores_head_by_head(batch, heads, tokens, size)), "kept_numbers": lambda tokens, d, hidden: float(
        kept_by_name(tokens, d, hidden))}),
)

EXERCISE = Exercise(
    id="02.3",
    title="What has to be in memory",
    difficulty=3,
    minutes=12,
    points=25,
    why="“out of memory” is the commonest end of a first training; you will know beforehand, and know which of the "
        "remedies helps.",
    objectives=("say what stored scores would take, and what fused attention saves",
                "say what training keeps, and what checkpointing trades for it"),
    answer=(score_bytes, kept_numbers, training_bytes),
    cases=cases,
    oracle=oracle,
    properties=(Property("checkpointing saves", "training_bytes", checkpointing_saves),),
    hints=(
        "Scores: every head of every clip has a table of tokens × tokens.",
        "Kept: go through the table of the statement from top to bottom and add up, for one token; then multiply. With "
        "hidden = 4d you should get 16d.",
        "Training: without checkpointing, depth times a block. With it, every block leaves its input, one vector of d "
        "for each token, and one block at a time has its whole inside again.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)

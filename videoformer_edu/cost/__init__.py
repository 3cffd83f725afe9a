"""What a model costs: tokens, query-key pairs, multiply-adds, parameters, attention memory.

Closed form first, so that a learner can follow every term; `count_macs` then counts the real module. The papers'
"GFLOPs" are multiply-adds (MAC): one multiply and one add count once. torch's own counter prints twice as much.
All figures are for one clip (batch 1) and one forward pass. `python -m videoformer_edu.cost` prints all models beside
what was published about them.
"""

from videoformer_edu.cost.clip import Activations, ClipCost, activations, clip_cost
from videoformer_edu.cost.closed_form import (
    Cost,
    attention_macs,
    block_parameters,
    crossing,
    timesformer_cost,
    timesformer_pairs,
    vit_cost,
    vivit_cost,
    vivit_pairs,
)
from videoformer_edu.cost.counted import count_macs, count_parameters
from videoformer_edu.cost.published import PUBLISHED_TIMESFORMER, Published

__all__ = ["PUBLISHED_TIMESFORMER", "Activations", "ClipCost", "Cost", "Published", "activations", "attention_macs",
           "block_parameters", "clip_cost", "count_macs", "count_parameters", "crossing", "timesformer_cost",
           "timesformer_pairs", "vit_cost", "vivit_cost", "vivit_pairs"]

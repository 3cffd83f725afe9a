"""Explorers: controls around a pure function.

They live in the page alone: HTML and JavaScript, data inside; what has to be computed was computed in Python before.
"""

from videoformer_edu.widgets.attention_explorer import attention_explorer
from videoformer_edu.widgets.clip_cost_explorer import clip_cost_explorer
from videoformer_edu.widgets.learning_explorer import learning_explorer
from videoformer_edu.widgets.live_explorer import live_explorer
from videoformer_edu.widgets.maps import ShownMap, maps_for_explorer
from videoformer_edu.widgets.mixing_explorer import mixing_explorer
from videoformer_edu.widgets.order_explorer import order_explorer
from videoformer_edu.widgets.page_explorer import PageExplorer
from videoformer_edu.widgets.reach_explorer import reach_explorer
from videoformer_edu.widgets.repeats_explorer import repeats_explorer
from videoformer_edu.widgets.scales_explorer import scales_explorer
from videoformer_edu.widgets.shift_explorer import shift_explorer
from videoformer_edu.widgets.task import Task

__all__ = ["PageExplorer", "ShownMap", "Task", "attention_explorer", "clip_cost_explorer", "learning_explorer",
           "live_explorer", "maps_for_explorer", "mixing_explorer", "order_explorer", "reach_explorer",
           "repeats_explorer", "scales_explorer", "shift_explorer"]

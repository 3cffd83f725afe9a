"""Pictures of tokens, attention and cost: tensors in, a matplotlib Figure out.

A function here never shows anything and never reads a model. `show` is the one way a picture reaches a notebook,
and `style` is the house style that every picture shares.
"""

from videoformer_edu.figures.show import as_frames, show, show_image
from videoformer_edu.figures.style import house_style, new_figure

__all__ = ["as_frames", "house_style", "new_figure", "show", "show_image"]

"""Video transformers, understood by building them.

The package behind the lessons: tokens, attention, models and what it takes to look inside them.
Importing it costs nothing; each room imports what it needs (`from videoformer_edu.models import TimeSformer`).
"""

__version__ = "0.1.0"

"""Explorers: controls around a pure function.

Page explorers live in the page alone (HTML and JavaScript, data inside); kernel explorers let Python compute.
"""

from videoformer_edu.widgets.page_explorer import PageExplorer, attention_explorer, maps_for_explorer

__all__ = ["PageExplorer", "attention_explorer", "maps_for_explorer"]

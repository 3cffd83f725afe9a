"""Small sets to evaluate on: the tests look at what is computed, not at how well a model does."""

import pytest

from experiments import attention_on_digit, material


@pytest.fixture
def few(monkeypatch):
    """32 held-out examples in place of 1024."""
    for module in (material, attention_on_digit):
        monkeypatch.setattr(module, "HELD_OUT", 32)
    material._held.cache_clear()
    yield 32
    material._held.cache_clear()

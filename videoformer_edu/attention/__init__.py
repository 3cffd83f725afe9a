"""Attention: one softmax (core), who may look at whom (patterns), efficient arrangements, recorded maps."""

from videoformer_edu.attention.core import (
    Attention,
    MultiHeadAttention,
    Where,
    attend,
    attention_probabilities,
    dense_attention,
)
from videoformer_edu.attention.divided import SpatialAttention, TemporalAttention
from videoformer_edu.attention.dot_product import FactorisedDotProductAttention
from videoformer_edu.attention.patterns import Full, Pattern, Spatial, Temporal
from videoformer_edu.attention.recording import AttentionMap, record_attention

__all__ = ["Attention", "AttentionMap", "FactorisedDotProductAttention", "Full", "MultiHeadAttention", "Pattern", "Spatial",
           "SpatialAttention", "Temporal", "TemporalAttention", "Where", "attend", "attention_probabilities",
           "dense_attention", "record_attention"]

"""Attention: one softmax (core), who may look at whom (patterns), efficient arrangements, recorded maps."""

from videoformer_edu.attention.core import (
    Attention,
    MultiHeadAttention,
    Where,
    attend,
    dense_attention,
)
from videoformer_edu.attention.cross import AlignedTime, CrossAttention
from videoformer_edu.attention.divided import SpatialAttention, TemporalAttention
from videoformer_edu.attention.dot_product import FactorisedDotProductAttention
from videoformer_edu.attention.generation_patterns import Radial, SlidingTile
from videoformer_edu.attention.patterns import Axial, Full, Pattern, Spatial, Temporal
from videoformer_edu.attention.pooling import Pooled, PoolingAttention
from videoformer_edu.attention.recording import AttentionMap, attention_names, record_attention
from videoformer_edu.attention.rollout import attention_rollout, token_attribution
from videoformer_edu.attention.sparse import SparseAttention
from videoformer_edu.attention.sparse_patterns import (
    GlobalSpatial,
    LocalTemporal,
    LocalWindow,
    SparseSpaceTime,
    StridedTemporal,
)
from videoformer_edu.attention.windows import WindowAttention

__all__ = ["AlignedTime", "Attention", "AttentionMap", "Axial", "CrossAttention", "FactorisedDotProductAttention",
           "Full", "GlobalSpatial", "LocalTemporal", "LocalWindow", "MultiHeadAttention", "Pattern", "Pooled",
           "PoolingAttention", "Radial", "SlidingTile", "SparseAttention", "SparseSpaceTime", "Spatial",
           "SpatialAttention", "StridedTemporal", "Temporal", "TemporalAttention", "Where", "WindowAttention",
           "attend", "attention_names", "attention_rollout", "dense_attention", "record_attention",
           "token_attribution"]

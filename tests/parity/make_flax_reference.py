"""Writes `flax_vivit/`: small ViViTs of flax layers under scenic's names, as flax saves them, and what they answer.

Run once, in an environment of its own (flax 0.12.8, jax 0.10.2): python tests/parity/make_flax_reference.py
The layers and their parameters are flax's. Names and order: google-research/scenic, scenic/projects/vivit/model.py.
"""

from pathlib import Path

import flax.linen as nn
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np

FOLDER = Path(__file__).parent / "flax_vivit"
FRAMES, SIDE, TUBELET, PATCH, WIDTH, HEADS, DEPTH, HIDDEN, CLASSES = 4, 12, 2, 4, 12, 2, 2, 20, 5
T, N = FRAMES // TUBELET, (SIDE // PATCH) ** 2


def half_time_half_space(query, key, value, **_):
    """(b, t*n, head, e): the first half of the heads looks along time, the second across space."""
    b, _, heads, e = query.shape
    q, k, v = (x.reshape(b, T, N, heads, e) for x in (query, key, value))
    h = heads // 2
    time = nn.dot_product_attention(*(x[..., :h, :].swapaxes(1, 2) for x in (q, k, v))).swapaxes(1, 2)
    space = nn.dot_product_attention(*(x[..., h:, :] for x in (q, k, v)))
    return jnp.concatenate([time, space], axis=-2).reshape(b, T * N, heads, e)


class MlpBlock(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.gelu(nn.Dense(HIDDEN)(x))  # Dense_0
        return nn.Dense(WIDTH)(x)  # Dense_1


class Block(nn.Module):
    attend: object = nn.dot_product_attention

    @nn.compact
    def __call__(self, x):
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=HEADS, attention_fn=self.attend)(y, y)
        y = nn.LayerNorm()(x)
        return x + MlpBlock()(y)


class SelfAttentionBlock(nn.Module):
    @nn.compact
    def __call__(self, x):
        for axis in ("space", "time"):
            y = nn.LayerNorm(name=f"LayerNorm_{axis}")(x).reshape(-1, T, N, WIDTH)
            y = y if axis == "space" else y.swapaxes(1, 2)
            y = nn.MultiHeadDotProductAttention(num_heads=HEADS, name=f"MultiHeadDotProductAttention_{axis}")(y, y)
            x = x + (y if axis == "space" else y.swapaxes(1, 2)).reshape(x.shape)
        return x + MlpBlock(name="MlpBlock")(nn.LayerNorm(name="LayerNorm_mlp")(x))


class Positions(nn.Module):
    @nn.compact
    def __call__(self, x):
        return x + self.param("pos_embedding", nn.initializers.normal(1.0), (1, *x.shape[1:]))


class Encoder(nn.Module):
    block: object = Block

    @nn.compact
    def __call__(self, x):
        x = Positions(name="posembed_input")(x)
        for i in range(DEPTH):
            x = self.block(name=f"encoderblock_{i}")(x)
        return nn.LayerNorm(name="encoder_norm")(x)


class ViViT(nn.Module):
    variant: str

    @nn.compact
    def __call__(self, video):
        """video (b, t, h, w, c)"""
        kernel = (TUBELET, PATCH, PATCH)
        x = nn.Conv(WIDTH, kernel, strides=kernel, padding="VALID", name="embedding")(video)
        x = x.reshape(len(x), T * N, WIDTH)

        def with_cls(x, name):
            cls = self.param(name, nn.initializers.normal(1.0), (1, 1, WIDTH))
            return jnp.concatenate([jnp.tile(cls, (len(x), 1, 1)), x], axis=1)

        if self.variant == "spatio_temporal":
            x = Encoder(name="Transformer")(with_cls(x, "cls"))[:, 0]
        elif self.variant == "factorised_encoder":
            steps = with_cls(x.reshape(-1, N, WIDTH), "cls_SpatialTransformer")
            x = Encoder(name="SpatialTransformer")(steps)[:, 0].reshape(-1, T, WIDTH)
            x = Encoder(name="TemporalTransformer")(with_cls(x, "cls_TemporalTransformer"))[:, 0]
        else:
            block = SelfAttentionBlock if self.variant == "factorised_self_attention" else (
                lambda name: Block(attend=half_time_half_space, name=name))
            x = Encoder(block=block, name="Transformer")(x).mean(axis=1)
        return nn.Dense(CLASSES, name="output_projection")(x)


def main():
    FOLDER.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    video = rng.standard_normal((2, FRAMES, SIDE, SIDE, 3), dtype=np.float32)
    answers = {"video": video}
    for variant in ("spatio_temporal", "factorised_encoder", "factorised_self_attention", "factorised_dot_product"):
        model = ViViT(variant)
        params = model.init(jax.random.key(0), video)["params"]
        params = jax.tree.map(lambda p: p + 0.3 * rng.standard_normal(p.shape, dtype=np.float32), params)
        answers[variant] = np.asarray(model.apply({"params": params}, video))
        state = {"optimizer": {"target": params, "state": {"step": np.int32(7)}}, "global_step": 7, "rng": None}
        (FOLDER / variant).mkdir(exist_ok=True)
        (FOLDER / variant / "checkpoint").write_bytes(flax.serialization.to_bytes(state))
    np.savez(FOLDER / "answers.npz", **answers)


if __name__ == "__main__":
    main()

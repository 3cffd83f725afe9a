"""From video to tokens and back: patches and tubelets.

A video is `(b, c, t, h, w)`. Tokens are `(b, l, d)` and run `(t h w)`, time slowest: token `l` sits in frame
`l // (h*w)`. CLS, where a model has one, is index 0 and belongs to no place on the grid.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from einops import rearrange
from torch import Tensor, nn


class Grid(NamedTuple):
    """The shape of the token grid: `t` frames (or tubelet steps) of `h` rows and `w` columns of patches."""

    t: int
    h: int
    w: int

    @property
    def n(self) -> int:
        """Patches in one frame."""
        return self.h * self.w

    @property
    def l(self) -> int:  # noqa: E743 - the papers' letter for the sequence length
        """Patches in the whole clip."""
        return self.t * self.h * self.w


def to_grid(tokens: Tensor, grid: Grid) -> Tensor:
    """`(b, t*h*w, d)` patch tokens (without CLS) -> `(b, t, h, w, d)`."""
    if tokens.shape[-2] != grid.l:
        raise ValueError(f"{tokens.shape[-2]} tokens do not fill a grid of {grid.t} x {grid.h} x {grid.w} = {grid.l}; "
                         "take CLS off first (tokens[:, 1:]) or pass the grid that the patch embedding returned")
    return rearrange(tokens, "b (t h w) d -> b t h w d", t=grid.t, h=grid.h, w=grid.w)


def to_sequence(x: Tensor) -> Tensor:
    """`(b, t, h, w, d)` -> `(b, t*h*w, d)`, time slowest."""
    return rearrange(x, "b t h w d -> b (t h w) d")


# ---------------------------------------------------------------------------------------------------- embeddings


def check_tensor(x: Any, expected: str) -> None:
    """A TypeError in words unless `x` is a tensor."""
    if not isinstance(x, Tensor):
        hint = "; torch.from_numpy makes one of an array" if type(x).__module__ == "numpy" else ""
        raise TypeError(f"expected {expected} as a torch.Tensor, got {type(x).__module__}.{type(x).__name__}{hint}")


def check_video(video: Tensor, channels: int, patch: tuple[int, int, int]) -> None:
    """An error in words unless `video` is float `(b, c, t, h, w)` and `patch` (t, h, w) divides its last axes.

    Raises TypeError for what is no tensor, ValueError for all else.
    """
    check_tensor(video, "a video (b, c, t, h, w)")
    if video.ndim != 5:
        raise ValueError(f"expected a video (b, c, t, h, w), got {video.ndim} axes {tuple(video.shape)}; "
                         "one clip needs a batch axis: clip[None]")
    if video.shape[1] != channels:
        if video.shape[2] == channels:
            hint = "a (b, t, c, h, w) clip needs video.transpose(1, 2)"
        elif video.shape[1] == 1:
            hint = f"a grey clip needs video.expand(-1, {channels}, -1, -1, -1), or a model built with channels=1"
        else:
            hint = f"convert the clip, or build the model with channels={video.shape[1]}"
        raise ValueError(f"expected {channels} channels on axis 1 of (b, c, t, h, w), got {tuple(video.shape)}; {hint}")
    if not video.is_floating_point():
        raise ValueError(f"expected float pixels, got {video.dtype}; normalise the uint8 clip first")
    for name, size, step in zip(("frames", "height", "width"), video.shape[2:], patch, strict=True):
        if size % step or size == 0:
            fits = f"{size - size % step} or {size - size % step + step}" if size > step else f"{step}"
            raise ValueError(f"{name} is {size}, which the patch size {step} does not divide; use {fits}")


def patches_per_side(image_size: int, patch_size: int) -> int:
    """How many patches fit along one side, or a ValueError."""
    if patch_size < 1 or image_size % patch_size or image_size < patch_size:
        raise ValueError(f"patch_size {patch_size} must divide image_size {image_size}; "
                         f"try image_size={max(1, round(image_size / max(1, patch_size))) * max(1, patch_size)}")
    return image_size // patch_size


class PatchEmbed(nn.Module):
    """Cut every frame into `patch_size` x `patch_size` squares and project each one to a token.

    A convolution whose stride equals its kernel *is* that: one linear map for all patches (ViT, section 3.1).
    """

    def __init__(self, *, patch_size: int, width: int, channels: int = 3):
        super().__init__()
        self.patch_size, self.channels = patch_size, channels
        self.proj = nn.Conv2d(channels, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, video: Tensor) -> tuple[Tensor, Grid]:
        """video `(b, c, t, h, w)` -> tokens `(b, t*h'*w', d)` and their `Grid(t, h', w')`."""
        check_video(video, self.channels, (1, self.patch_size, self.patch_size))
        b, _, t, _, _ = video.shape
        frames = rearrange(video, "b c t h w -> (b t) c h w")
        x = self.proj(frames)  # (b*t, d, h', w')
        grid = Grid(t, x.shape[-2], x.shape[-1])
        return rearrange(x, "(b t) d h w -> b (t h w) d", b=b, t=t), grid


class TubeletEmbed(nn.Module):
    """Cut the clip into boxes of `tubelet_size` frames x `patch_size` x `patch_size` pixels (ViViT, section 3.2).

    A tubelet sees several frames at once: it can carry motion before any attention has looked at time.
    """

    def __init__(self, *, tubelet_size: int, patch_size: int, width: int, channels: int = 3):
        super().__init__()
        self.kernel, self.channels = (tubelet_size, patch_size, patch_size), channels
        self.proj = nn.Conv3d(channels, width, kernel_size=self.kernel, stride=self.kernel)

    def forward(self, video: Tensor) -> tuple[Tensor, Grid]:
        """video `(b, c, t, h, w)` -> tokens `(b, t'*h'*w', d)` and their `Grid(t', h', w')`."""
        check_video(video, self.channels, self.kernel)
        x = self.proj(video)  # (b, d, t', h', w')
        return rearrange(x, "b d t h w -> b (t h w) d"), Grid(*x.shape[2:])


def inflate(weight: Tensor, t: int, how: str = "central_frame") -> Tensor:
    """An image model's patch filter `(d, c, h, w)` -> a tubelet filter `(d, c, t, h, w)` (ViViT, section 3.4).

    "central_frame": zero but for frame t // 2 (the second of two), so each tubelet starts as one frame.
    "average": the filter in every frame, divided by t, so each tubelet starts as the mean of its frames.
    """
    if how == "average":
        return weight[:, :, None].repeat(1, 1, t, 1, 1) / t
    if how != "central_frame":
        raise ValueError(f'how must be "central_frame" or "average", got {how!r}')
    tubelet = weight.new_zeros(*weight.shape[:2], t, *weight.shape[2:])
    tubelet[:, :, t // 2] = weight
    return tubelet

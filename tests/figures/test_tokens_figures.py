"""Pictures of patches: every pixel lands in its patch, every patch under its number."""

import numpy as np
import pytest
import torch

from videoformer_edu.figures.show import rasterise
from videoformer_edu.figures.tokens import cut_patches, image_in_patches, token_strip


def picture(height=6, width=10):
    return torch.arange(height * width * 3).reshape(height, width, 3).to(torch.uint8)


def test_patches_hold_the_pixels_of_their_place():
    image = picture()
    patches = cut_patches(image, 2)
    assert patches.shape == (3, 5, 2, 2, 3)
    for row, column in np.ndindex(3, 5):
        expected = [[image[2 * row + y, 2 * column + x].tolist() for x in range(2)] for y in range(2)]
        assert patches[row, column].tolist() == expected


def test_patches_agree_with_the_embedding_of_the_package():
    """The picture shows what PatchEmbed reads: a convolution that picks one pixel of each patch."""
    from videoformer_edu.tokens import PatchEmbed

    image = picture()
    embed = PatchEmbed(patch_size=2, width=1)
    with torch.no_grad():
        embed.proj.weight.zero_()
        embed.proj.weight[0, 2, 1, 0] = 1  # blue, second row, first column
        embed.proj.bias.zero_()
        tokens, _ = embed(image.float().permute(2, 0, 1)[None, :, None])
    assert np.array_equal(cut_patches(image, 2).reshape(15, 2, 2, 3)[:, 1, 0, 2], tokens[0, :, 0])


def tile_under(axes, name, size):
    """The pixels right below the name."""
    text = next(t for t in axes.texts if t.get_text() == name)
    x, y = round(text.get_position()[0] + 0.5), round(text.get_position()[1] + 0.6)
    return np.asarray(axes.get_images()[0].get_array())[y : y + size, x : x + size]


def test_the_picture_of_the_patches_names_each_one():
    image = picture()
    left, right = image_in_patches(image, 2).axes
    assert np.array_equal(left.get_images()[0].get_array(), image)
    assert [text.get_text() for text in right.texts] == [str(i) for i in range(15)]
    for i in range(15):
        assert np.array_equal(tile_under(right, str(i), 2), cut_patches(image, 2)[i // 5, i % 5])


def test_the_strip_runs_in_the_order_of_the_sequence():
    patches = torch.randint(0, 256, (7, 4, 4, 3), dtype=torch.uint8)
    names = list("abcdefg")
    axes = token_strip(patches, names, columns=3).axes[0]
    for patch, name in zip(patches, names, strict=True):
        assert np.array_equal(tile_under(axes, name, 4), patch)
    rows = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert rows["a"] == rows["c"] < rows["d"] == rows["f"] < rows["g"]


def test_the_strip_takes_what_cut_patches_gives():
    axes = token_strip(cut_patches(picture(), 2).reshape(-1, 2, 2, 3)).axes[0]
    assert [text.get_text() for text in axes.texts] == [str(i) for i in range(15)]


@pytest.mark.parametrize("call, words", [
    (lambda: cut_patches(picture(), 4), "do not tile an image of 6 x 10"),
    (lambda: cut_patches(picture(), 0), "do not tile"),
    (lambda: cut_patches(picture().float(), 2), "uint8"),
    (lambda: cut_patches(picture().permute(2, 0, 1), 2), "permute"),
    (lambda: token_strip(picture()), r"patches are uint8 \(n, p, p, 3\)"),
    (lambda: token_strip(torch.zeros(3, 2, 2, 3, dtype=torch.uint8), ["a"]), "1 names for 3"),
    (lambda: image_in_patches(picture(), 2, names=["a"]), "1 names for 15"),
])
def test_refuses_what_it_cannot_draw(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_fits_the_page_and_comes_out_the_same_twice():
    for draw in (lambda: image_in_patches(picture(16, 16), 4),
                 lambda: token_strip(cut_patches(picture(16, 16), 4).reshape(-1, 4, 4, 3))):
        first, second = rasterise(draw()), rasterise(draw())
        assert np.array_equal(np.asarray(first), np.asarray(second))
        assert 390 <= first.width <= 710

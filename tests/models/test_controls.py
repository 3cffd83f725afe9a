"""The control for the order of the frames: it cannot know the order, and it can know everything else."""

import pytest
import torch

from videoformer_edu.models import UnorderedFrames, unordered_motion


def test_any_order_of_the_frames_gives_the_same_logits():
    model, video = unordered_motion(classes=5).eval(), torch.randn(2, 3, 7, 32, 32)
    assert model(video).shape == (2, 5)
    torch.testing.assert_close(model(video[:, :, torch.randperm(7)]), model(video), rtol=1e-5, atol=1e-5)


def test_it_is_no_mean_of_votes():
    """Two sets of frames with the same mean feature and another spread are told apart."""
    model = UnorderedFrames(image_size=16, widths=(4, 5, 6), hidden=9).eval()
    video = torch.randn(1, 3, 2, 16, 16)
    with torch.no_grad():
        features = model.frame(video[0].transpose(0, 1))  # (t, d)
        joined = torch.cat([features.mean(0), (features[0] - features[1]).abs() / 2, features.max(0).values])
        torch.testing.assert_close(model(video)[0], model.head(model.mlp(joined)))


def test_equal_frames_have_finite_gradients():
    """The standard deviation of equal numbers has none by itself."""
    model = unordered_motion()
    video = torch.randn(2, 3, 1, 32, 32).expand(-1, -1, 4, -1, -1).clone().requires_grad_()
    model(video).sum().backward()
    assert video.grad.isfinite().all() and video.grad.abs().sum() > 0
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_sizes_that_do_not_fit_are_explained():
    with pytest.raises(ValueError, match="image_size is 20; three convolutions of stride 2 need a multiple of 8"):
        unordered_motion(image_size=20)
    with pytest.raises(ValueError, match="reads frames of 32 x 32 pixels, got 40 x 32"):
        unordered_motion()(torch.randn(1, 3, 2, 40, 32))

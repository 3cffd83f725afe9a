"""C3D: one size of clip, and most parameters in linear layers; its parity stands in tests/parity."""

import pytest
import torch

from videoformer_edu.cost import count_parameters
from videoformer_edu.models import C3D, c3d


def video(b=2, t=16, h=36, w=36):
    return torch.randn(b, 3, t, h, w, dtype=torch.float64)


def test_c3d_takes_one_size_of_clip():
    net = C3D(frames=16, image_size=36, width=4, hidden=24, classes=7).double().eval()
    with pytest.raises(ValueError, match=r"of \(3, 16, 36, 36\), got \(3, 16, 48, 48\).*image_size=48"):
        net(video(h=48, w=48))
    with pytest.raises(ValueError, match=r"16 frames of 16 x 16 pixels, got frames=8 .*c3d_motion"):
        C3D(frames=8, image_size=32)
    assert C3D(frames=32, image_size=70, width=1, hidden=4).double()(video(t=32, h=70, w=70)).isfinite().all()


def test_c3d_has_78_million_parameters_before_its_head_most_of_them_linear():
    with torch.device("meta"):
        net = c3d()
    convolutions = count_parameters(net.convolutions)
    assert f"{convolutions / 1e6:.1f}" == "27.7"
    assert f"{(count_parameters(net) - count_parameters(net.head)) / 1e6:.1f}" == "78.0"

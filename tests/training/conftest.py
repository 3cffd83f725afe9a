import av
import numpy as np
import pytest


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """Three classes of five videos, 24 x 32 pixels of grey with a brighter right half; how bright tells the class."""
    root = tmp_path_factory.mktemp("videos")
    for label, name in enumerate(("left", "right", "still")):
        for number in range(5):
            write(root / name / f"{number}.mp4", 6 + number, 30 + 40 * label + number)
    return root


def write(path, frames: int, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for frame in range(frames):
            picture = np.full((24, 32, 3), level + 3 * frame, np.uint8)
            picture[:, 16:] += 60
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        target.mux(stream.encode())

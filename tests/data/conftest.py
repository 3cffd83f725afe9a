import pytest
from video_files import frame_pictures, write_video


@pytest.fixture(scope="session")
def numbered(tmp_path_factory):
    """60 frames whose number can be read off their pixels; H.264 in MP4, with B-frames."""
    return write_video(tmp_path_factory.mktemp("video") / "numbered.mp4", frame_pictures(60))

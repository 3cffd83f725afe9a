import pytest
from video_files import KINDS, VP9, damaged, frame_pictures, noisy_pictures, rotate, write_video


@pytest.fixture(scope="session")
def numbered(tmp_path_factory):
    """60 frames whose number can be read off their pixels; H.264 in MP4, with B-frames."""
    return write_video(tmp_path_factory.mktemp("video") / "numbered.mp4", frame_pictures(60))


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    """Three classes of small real videos: five codecs, several sizes and frame rates, one turned, names of all kinds.

    The number of a frame can be read off its pixels. Beside them lie what is no video, a hidden file and a folder.
    """
    root = tmp_path_factory.mktemp("clips")
    for name in ("Salto mortale", "jump", "zwölf"):
        (root / name).mkdir()
    write_video(root / "Salto mortale" / "a b.mp4", frame_pictures(20, 48, 64), fps=25)
    write_video(root / "Salto mortale" / "b.avi", frame_pictures(31, 32, 96), codec="mpeg4", options={"b": "4000000"},
                fps=12)
    write_video(root / "jump" / "c.webm", frame_pictures(16, 64, 48), codec="libvpx-vp9", options=VP9, fps=30)
    rotate(write_video(root / "jump" / "d.mp4", frame_pictures(24, 48, 64)), ((0, 1), (-1, 0)))
    (root / "jump" / "d.mp4").unlink()  # turned.mp4 stays
    write_video(root / "zwölf" / "é.MOV", frame_pictures(9, 40, 40), fps=60)
    write_video(root / "zwölf" / "日本.avi", frame_pictures(12, 48, 64), codec="mjpeg", pixels="yuvj420p",
                options={"q": "2"})
    write_video(root / "zwölf" / "f.mkv", frame_pictures(17, 33, 45), codec="ffv1", pixels="bgr0", options={})
    (root / "jump" / "notes.txt").write_text("not a video")
    (root / "jump" / "._c.webm").write_bytes(b"left by another system")
    (root / "jump" / "more").mkdir()
    (root / ".ipynb_checkpoints").mkdir()
    (root / "labels.csv").write_text("lies beside the classes")
    return root


@pytest.fixture(scope="session")
def broken_folder(tmp_path_factory):
    """Eight sound videos and one of each kind of broken ones, in two classes."""
    root = tmp_path_factory.mktemp("broken")
    for name in "ab":
        (root / name).mkdir()
        for i in range(4):
            write_video(root / name / f"{i}.mp4", frame_pictures(10 + i))
    noisy = write_video(tmp_path_factory.mktemp("noisy") / "noisy.mp4", noisy_pictures(10))
    for i, kind in enumerate(KINDS):
        damaged(noisy, root / "ab"[i % 2] / f"{kind}.mp4", kind)
    return root

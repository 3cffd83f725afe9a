"""Broken files are found before training, each with its reason."""

import shutil

import pytest
from video_files import broken_paths, noisy_pictures, write_video

from videoformer_edu.data.video import decoding
from videoformer_edu.data.video.broken import find_broken, main
from videoformer_edu.data.video.datasets import VideoFolder


def test_every_file_is_read_to_its_end(broken_folder, capfd):
    report = find_broken(VideoFolder(broken_folder, frames=11, size=24))
    short = {str(broken_folder / name / "0.mp4") for name in "ab"}
    assert report.files == 12
    assert set(report.broken) == broken_paths(broken_folder) | short
    assert "10 frames and 11" in report.broken[min(short)]
    lines = str(report).splitlines()
    assert lines[0] == "12 videos read to their end, 6 of them broken" and len(lines) == 7
    assert all(line.count(".mp4") == 1 for line in lines[1:])
    assert capfd.readouterr() == ("", "")


def test_a_fault_is_found_behind_the_frames_that_are_used(tmp_path):
    (tmp_path / "a").mkdir()
    path = write_video(tmp_path / "a" / "late.mp4", noisy_pictures(40))
    content = bytearray(path.read_bytes())
    start = len(content) * 17 // 20
    content[start : start + 400] = bytes(255 - byte for byte in content[start : start + 400])
    path.write_bytes(content)
    assert decoding.decode_frames(path, [0]).shape == (1, 96, 128, 3)
    assert list(find_broken(VideoFolder(tmp_path, frames=1)).broken) == [str(path)]


def test_the_command(broken_folder, clip_folder, tmp_path, capsys):
    assert main([str(clip_folder), "--frames", "9"]) == 0
    told = capsys.readouterr().out
    assert "3 classes (Salto mortale, jump, zwölf); 7 videos read to their end, 0 of them broken" in told
    assert told.endswith(f"{clip_folder}: passed over: 1 .csv, 1 .txt, 1 folders, 2 hidden\n")
    shutil.copytree(broken_folder, tmp_path / "set" / "train")
    shutil.copytree(clip_folder, tmp_path / "set" / "test")
    assert main([str(tmp_path / "set")]) == 1
    out = capsys.readouterr().out
    assert "test: 3 classes" in out and "train: 2 classes" in out and "12 videos read to their end, 4 of them" in out
    file = tmp_path / "list.csv"
    file.write_text("jump/c.webm 0\n")
    assert main([str(file), "--root", str(clip_folder)]) == 0
    assert "1 videos read" in capsys.readouterr().out
    assert main([str(tmp_path / "none")]) == 2
    assert "none is not a folder" in capsys.readouterr().err


@pytest.mark.slow
def test_workers_find_the_same(broken_folder):
    dataset = VideoFolder(broken_folder, frames=4, size=24)
    assert find_broken(dataset, workers=2) == find_broken(dataset)

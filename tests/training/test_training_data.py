"""Real videos by the name of their folder or list: batches for a run, and what is held out."""

import csv
import re
import shutil

import pytest
import torch

from videoformer_edu.data.pixels import MOTION_PIXELS, Pixels
from videoformer_edu.data.video.batches import BrokenVideosWarning
from videoformer_edu.training.__main__ import main
from videoformer_edu.training.command import parser
from videoformer_edu.training.data import find_data
from videoformer_edu.training.distributed import Rows, World
from videoformer_edu.training.plan import make_plan
from videoformer_edu.training.recipe import Recipe

CLASSES = ("left", "right", "still")
RECIPE = Recipe(batch=4, seed=3)
PIXELS = Pixels((0.45,) * 3, (0.225,) * 3)


def take(source, count: int) -> list:
    return [batch for batch, _ in zip(source, range(count), strict=False)]


def test_a_folder_is_divided_and_goes_on_from_any_step(videos):
    data = find_data(str(videos), RECIPE, frames=3, size=16, pixels=PIXELS)
    assert data.classes == CLASSES
    assert data.clips + data.held_out_clips == 15 and data.held_out_clips == 3
    assert data.epoch == 3, "12 clips in batches of 4"
    whole = take(data.source(0), 7)
    for (clips, labels, total), (again, same, _) in zip(whole[5:], take(data.source(5), 2), strict=True):
        assert total == 4 and clips.shape == (4, 3, 3, 16, 16) and clips.dtype == torch.float32
        assert torch.equal(clips, again) and torch.equal(labels, same)
    assert not torch.equal(whole[0][0], whole[3][0]), "another epoch has another order and other crops"
    assert sorted(torch.cat([rows.targets for rows in whole[:3]]).tolist()) == [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize("name, mean, std", [("videomae_base", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
                                             ("timesformer_motion", *MOTION_PIXELS)])
def test_videos_are_normalised_as_the_builder_expects(videos, name, mean, std):
    options = parser().parse_args(["--model", name, "--data", str(videos), "--frames", "3", "--size", "16",
                                  "--batch", "4", "--seed", "3"])
    options.settings, options.least_area, options.flip = {}, 0.35, 0.0
    _, data, _ = make_plan(options, World())
    unit = find_data(str(videos), RECIPE, frames=3, size=16, pixels=Pixels((0,), (1,)))
    for pairs in ((take(x.held_out(0, 1, 2), 2) for x in (data, unit)), (take(x.source(0), 1) for x in (data, unit))):
        for (clips, *_), (plain, *_) in zip(*pairs, strict=True):
            expected = (plain - torch.tensor(mean).view(3, 1, 1, 1)) / torch.tensor(std).view(3, 1, 1, 1)
            torch.testing.assert_close(clips, expected, atol=1e-5, rtol=0)


def test_one_of_several_processes_has_its_rows_alone(videos):
    whole, *parts = (take(find_data(str(videos), RECIPE, frames=3, size=16, pixels=PIXELS, part=part).source(2), 2)
                     for part in ((0, 1), (0, 3), (1, 3), (2, 3)))
    for rank, part in enumerate(parts):
        for rows, batch in zip(part, whole, strict=True):
            assert isinstance(rows, Rows) and rows.total == 4 and len(rows.inputs) == (2, 1, 1)[rank]
            assert torch.equal(rows.inputs, batch.inputs[rank::3]) and torch.equal(rows.targets, batch.targets[rank::3])


def test_what_is_held_out_is_plain_and_comes_once(videos):
    data = find_data(str(videos), RECIPE, frames=3, size=16, pixels=PIXELS, flip=1.0)
    for parts in (1, 2):
        labels = torch.cat([y for rank in range(parts) for _, y in data.held_out(rank, parts, 2)])
        assert sorted(labels.tolist()) == [0, 1, 2]
    one, two = (next(iter(data.held_out(0, 1, 3)))[0] for _ in range(2))
    assert torch.equal(one, two)
    assert (one[..., 12:].mean() - one[..., :4].mean()).item() > 0.5, "the right half is bright: never mirrored"


def test_a_list_with_a_list_to_evaluate_on(videos):
    for name, numbers in (("train.csv", (0, 1, 2)), ("val.csv", (3, 4))):
        with open(videos / name, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["path", "label"])
            table.writerows([f"{label}/{number}.mp4", label] for label in CLASSES for number in numbers)
    data = find_data(str(videos / "train.csv"), RECIPE, frames=3, size=16, pixels=PIXELS, held_out=videos / "val.csv")
    assert (data.classes, data.clips, data.held_out_clips) == (CLASSES, 9, 6)


def test_training_clips_are_cropped_and_mirrored_at_random(videos):
    plain, cropped, mirrored = (
        take(find_data(str(videos), RECIPE, frames=3, size=16, pixels=PIXELS, least_area=area,
                       flip=flip).source(0), 1)[0][0]
        for area, flip in ((1.0, 0.0), (0.2, 0.0), (1.0, 1.0)))
    assert ((plain[..., -1] - plain[..., 0]).mean(dim=(1, 2, 3)) > 0.5).all(), "the right half is bright"
    assert ((mirrored[..., -1] - mirrored[..., 0]).mean(dim=(1, 2, 3)) < -0.5).all()
    labels = take(find_data(str(videos), RECIPE, frames=3, size=16, pixels=PIXELS, flip=1.0).source(0), 3)
    first = take(find_data(str(videos), RECIPE, frames=3, size=16, pixels=PIXELS).source(0), 3)
    for (_, seen, _), (_, taken, _) in zip(labels, first, strict=True):
        assert seen.tolist() == [{0: 1, 1: 0, 2: 2}[label] for label in taken.tolist()], "left is right in a mirror"
    edges = (cropped.diff(dim=-1).mean(dim=(1, 2, 3)) > 0.05).float().argmax(dim=1)  # where the bright half begins
    assert len(set(edges.tolist())) > 1


@pytest.mark.slow
def test_the_command_learns_from_a_folder(videos, capsys, tmp_path, monkeypatch):
    """Three greys are told apart in a few epochs; resumed in the middle, the end is the same."""
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    line = ["--data", str(videos), "--set", "width=16", "heads=2", "--batch", "4", "--epochs", "20", "--lr", "5e-3",
            "--size", "16", "--frames", "4", "--device", "cpu", "--evaluate", "--every", "25"]
    assert main([*line, "--checkpoints", str(tmp_path / "a"), "--out", str(tmp_path / "a.safetensors")]) == 0
    said = capsys.readouterr().out
    assert "3 classes, 12 clips and 3 steps an epoch, 3 clips held out" in said and "step     60 / 60" in said
    assert "held out, 3 clips: " in said and "top1 100.0%" in said
    (tmp_path / "a" / "step_000060.pt").unlink()
    assert main([*line, "--checkpoints", str(tmp_path / "a"), "--out", str(tmp_path / "b.safetensors")]) == 0
    assert "going on after step 50 of 60" in capsys.readouterr().out
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_broken_video_is_one_line_or_skipped(videos, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    train = tmp_path / "train"
    for folder in (train / "a", train / "b", tmp_path / "val" / "a"):
        folder.mkdir(parents=True)
        for number in range(10):
            shutil.copy(videos / "left" / "0.mp4", folder / f"{number}.mp4")
    (train / "a" / "1.mp4").write_bytes(b"no video")
    line = ["--data", str(train), "--held-out", str(tmp_path / "val"), "--set", "width=16", "heads=2", "--batch", "4",
            "--size", "16", "--frames", "4", "--device", "cpu", "--epochs", "2"]
    assert main(line) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: video ") and "1.mp4" in said and said.count("\n") == 1
    with pytest.warns(BrokenVideosWarning, match=r"1 of 20 videos are broken \(5.0%\): .*1.mp4.*; they were skipped"):
        assert main([*line, "--skip-broken"]) == 0
    assert "step     10 / 10" in capsys.readouterr().out
    (train / "notes.txt").write_text("mine")
    assert main([*line[:-2], "--steps", "4", "--skip-broken"]) == 0, "of an epoch of 5 steps, which would tell, too"
    said = capsys.readouterr().out
    assert "10 clips held out; passed over: " in said and "1.mp4" in re.search("skipped 1 broken videos: (.*)", said)[1]
    (train / "b" / "7.mp4").write_bytes(b"")
    assert main([*line, "--skip-broken"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: 2 of 20 videos are broken (10.0%)") and said.count("\n") == 1
    with pytest.warns(BrokenVideosWarning, match="2 of 20 videos are broken"):
        assert main([*line, "--skip-broken", "0.1"]) == 0
    with pytest.raises(SystemExit):
        main([*line, "--skip-broken", "1.5"])
    assert "expected a share of the files from 0 to below 1" in capsys.readouterr().err


def test_the_digest_tells_which_videos_are_trained_on(videos, tmp_path):
    shutil.copytree(videos, tmp_path / "moved")
    first, moved = (find_data(str(folder), RECIPE, frames=3, size=16) for folder in (videos, tmp_path / "moved"))
    assert len(first.digest) == 64 and first.digest == moved.digest
    shutil.copy(videos / "left" / "0.mp4", tmp_path / "moved" / "left" / "9.mp4")
    assert find_data(str(tmp_path / "moved"), RECIPE, frames=3, size=16, pixels=PIXELS).digest != first.digest
    assert find_data("motion", RECIPE, frames=3, size=16).digest == ""


def refused(arguments, capsys) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--steps", "2", "--device", "cpu", "--size", "16", "--frames", "3"])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_data_that_cannot_teach_or_tell_is_refused(videos, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    said = refused(["--data", str(videos), "--batch", "40"], capsys)
    assert "there are 12 videos to train on, fewer than one batch of 40; ask for a smaller --batch" in said
    shutil.copytree(videos / "left", tmp_path / "one" / "left")
    assert main(["--data", str(tmp_path / "one"), "--batch", "2", "--device", "cpu"]) == 1
    assert "error: all 4 videos are of one class (left)" in capsys.readouterr().err
    (tmp_path / "link").symlink_to(videos)
    said = refused(["--data", str(videos), "--batch", "2", "--held-out", str(tmp_path / "link")], capsys)
    assert "--held-out is --data" in said
    for number in (0, 1):
        (tmp_path / f"{number}.mp4").symlink_to(videos / "left" / f"{number}.mp4")
    (tmp_path / "val.csv").write_text("path,label\n0.mp4,left\n1.mp4,left\n")
    said = refused(["--data", str(videos), "--batch", "2", "--held-out", str(tmp_path / "val.csv")], capsys)
    assert "2 of the 2 videos held out are among those to train on, such as" in said


def test_a_run_does_not_go_on_with_other_videos(videos, tmp_path, capsys, monkeypatch):
    """Otherwise some of those held out now could have been trained on before."""
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    shutil.copytree(videos, tmp_path / "clips")
    line = ["--data", str(tmp_path / "clips"), "--set", "width=16", "heads=2", "--batch", "4", "--steps", "2",
            "--size", "16", "--frames", "3", "--device", "cpu", "--checkpoints", str(tmp_path / "run")]
    assert main(line) == 0 == main(line)
    shutil.copy(videos / "left" / "0.mp4", tmp_path / "clips" / "left" / "9.mp4")
    capsys.readouterr()
    assert main(line) == 1
    assert "step 2 is of another run: it has digest of its clips '" in capsys.readouterr().err

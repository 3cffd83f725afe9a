"""Folders and lists of real videos: the right clip with the right label, and every fault told by name."""

import os
import pickle
import sys

import pytest
import torch
from video_files import PIXELS, broken_paths, frame_numbers

from videoformer_edu.data.augment import Augment
from videoformer_edu.data.pixels import Pixels
from videoformer_edu.data.video import decoding
from videoformer_edu.data.video.broken import find_broken
from videoformer_edu.data.video.clips import read_clip
from videoformer_edu.data.video.datasets import (
    BrokenVideo,
    DatasetError,
    VideoFolder,
    VideoList,
    Videos,
    digest,
    item_generator,
)
from videoformer_edu.data.video.decoding import MissingDecoder

NAMES = ["a b.mp4", "b.avi", "c.webm", "turned.mp4", "f.mkv", "é.MOV", "日本.avi"]
FRAMES = [20, 31, 16, 24, 17, 9, 12]


def numbers(clip):
    """Which frames a normalised clip `(c, t, h, w)` shows."""
    return frame_numbers(((clip * 0.225 + 0.45) * 255).permute(1, 2, 3, 0))


# A folder of class folders


def test_videos_come_in_sorted_order_with_the_number_of_their_folder(clip_folder):
    dataset = VideoFolder(clip_folder, frames=5, size=24, pixels=PIXELS)
    assert dataset.classes == ["Salto mortale", "jump", "zwölf"]
    assert dataset.class_to_index == {"Salto mortale": 0, "jump": 1, "zwölf": 2}
    assert [path.name for path in dataset.paths] == NAMES
    assert dataset.labels == [0, 0, 1, 1, 2, 2, 2]
    assert len(dataset) == 7
    assert repr(dataset) == "VideoFolder: 7 videos of 3 classes, 5 frames of 24 x 24"


def test_an_item_is_the_clip_of_its_file(clip_folder):
    dataset = VideoFolder(str(clip_folder), frames=5, size=24, pixels=PIXELS)
    for index, (clip, label) in enumerate(dataset):
        total = FRAMES[index]
        assert clip.shape == (3, 5, 24, 24) and clip.dtype == torch.float32
        assert numbers(clip) == [int((i + 0.5) * total / 5) for i in range(5)], dataset.paths[index]
        assert type(label) is int and label == dataset.labels[index]
        assert torch.equal(clip, read_clip(dataset.paths[index], frames=5, size=24, pixels=PIXELS))
    assert torch.equal(dataset[-1][0], dataset[6][0])
    with pytest.raises(IndexError, match="index 7 of a data set of 7 videos"):
        dataset[7]


def test_random_frames_depend_on_the_generator_alone(clip_folder):
    dataset = VideoFolder(clip_folder, frames=4, size=24, sampling="segments", pixels=PIXELS)
    torch.manual_seed(1)
    first = numbers(dataset[1][0])
    torch.manual_seed(2)
    assert numbers(dataset[1][0]) == first
    drawn = {tuple(numbers(dataset.draw(1, item_generator(0, epoch, 1))[0])) for epoch in range(6)}
    assert len(drawn) > 3
    assert all(31 * i // 4 <= number < 31 * (i + 1) // 4 for chosen in drawn for i, number in enumerate(chosen))
    dense = VideoFolder(clip_folder, frames=3, size=24, sampling="dense", stride=3, pixels=PIXELS)
    start, middle, end = numbers(dense[1][0])
    assert (middle - start, end - middle) == (3, 3)


def test_every_item_of_every_epoch_and_seed_has_a_chance_of_its_own():
    keys = [(seed, epoch, index) for seed in range(3) for epoch in range(4) for index in range(5)]
    draws = [torch.rand(3, generator=item_generator(*key)) for key in keys]
    assert len({tuple(draw.tolist()) for draw in draws}) == len(keys)
    assert torch.equal(torch.rand(3, generator=item_generator(2, 3, 4)), draws[-1])


def darken(clips, labels, generator):
    """Whole frames in, a corner of them out, at a random brightness; and another label."""
    assert clips.dtype == torch.uint8 and labels.shape == (1,)
    bright = torch.rand((), generator=generator)
    return clips[..., -24:, -24:] / 255 * bright, labels + 10


def test_a_transform_sees_whole_frames_and_the_generator_of_the_item(clip_folder):
    dataset = VideoFolder(clip_folder, frames=5, size=24, transform=darken, pixels=PIXELS)
    plain = VideoFolder(clip_folder, frames=5, size=24, pixels=PIXELS)
    clip, label = dataset.draw(1, item_generator(7, 0, 1))
    assert label == 10
    bright = torch.rand((), generator=item_generator(7, 0, 1))
    level = ((plain[1][0] * 0.225 + 0.45)[:, :, -1, -1] * bright - 0.45) / 0.225  # (c, t)
    assert torch.allclose(clip, level[..., None, None].expand(3, 5, 24, 24), atol=0.05)


def test_the_augmentation_of_the_package_fits(clip_folder):
    augment = Augment(area=(0.5, 1.0), size=24, flip=1.0, mirrored=[1, 0, 2], brightness=0.3)
    dataset = VideoFolder(clip_folder, frames=5, size=24, transform=augment, pixels=PIXELS)
    clip, label = dataset.draw(0, item_generator(0, 0, 0))
    assert clip.shape == (3, 5, 24, 24) and label == 1
    assert clip.min() < 0 < clip.max()  # normalised
    assert torch.equal(clip, dataset.draw(0, item_generator(0, 0, 0))[0])
    assert not torch.equal(clip, dataset.draw(0, item_generator(0, 1, 0))[0])


def test_a_transform_must_give_the_size_of_the_data_set(clip_folder):
    dataset = VideoFolder(clip_folder, frames=5, size=25, transform=darken, pixels=PIXELS)
    with pytest.raises(ValueError, match=r"float32 \(1, 3, 5, 24, 24\) of .*a b.mp4; expected float "
                                         r"\(1, 3, 5, 25, 25\): let it crop to size=25"):
        dataset[0]


def test_items_are_normalised_with_the_pixels_of_the_model(clip_folder):
    pixels = Pixels((0.1, 0.2, 0.3), (0.5, 0.4, 0.2))
    dataset = VideoFolder(clip_folder, frames=5, size=24)
    with pytest.raises(ValueError, match=r"pixels is missing: .* pixels=builder\(name\).pixels"):
        dataset[0]
    for transform in (None, Augment(area=(1.0, 1.0), aspect=(1.0, 1.0), size=24)):
        clip, _ = dataset.replace(pixels=pixels, transform=transform)[0]
        unit = dataset.replace(pixels=Pixels((0,), (1,)), transform=transform)[0][0]
        mean, std = (torch.tensor(numbers).view(3, 1, 1, 1) for numbers in pixels)
        torch.testing.assert_close(clip, (unit - mean) / std)
        assert unit.min() >= 0 and unit.max() <= 1


def test_subsets_and_other_settings(clip_folder):
    dataset = VideoFolder(clip_folder, frames=5, size=24, sampling="segments", pixels=PIXELS)
    dataset.broken["somewhere"] = "for a reason"
    part = dataset.subset([5, 0])
    assert part.broken == {}
    assert ([path.name for path in part.paths], part.labels) == (["é.MOV", "a b.mp4"], [2, 0])
    assert part.classes == dataset.classes and len(dataset) == 7
    other = part.replace(sampling="uniform", frames=2)
    assert numbers(other[1][0]) == [5, 15]
    assert (part.sampling, part.frames, dataset.sampling) == ("segments", 5, "segments")
    with pytest.raises(TypeError, match="no setting of a data set: framez; there are pixels, frames, size"):
        part.replace(framez=3)
    with pytest.raises(ValueError, match="size is 0"):
        part.replace(size=0)


@pytest.mark.parametrize("settings, message", [
    ({"frames": 0}, "frames is 0; expected a whole number"),
    ({"size": 2.5}, "size is 2.5; expected a whole number"),
    ({"stride": 0}, "stride is 0"),
    ({"sampling": "all"}, "sampling is 'all'; expected"),
    ({"on_broken": "ignore"}, "on_broken is 'ignore'; expected \"raise\" or \"skip\""),
    ({"max_broken": 1.0}, "max_broken is 1.0; expected a share"),
])
def test_bad_settings_are_refused_before_anything_is_read(clip_folder, settings, message):
    with pytest.raises(ValueError, match=message):
        VideoFolder(clip_folder, **settings)


def test_classes_may_be_fixed(clip_folder):
    dataset = VideoFolder(clip_folder, classes=["zwölf", "fall", "jump", "Salto mortale"])
    assert dataset.labels == [3, 3, 2, 2, 0, 0, 0]
    with pytest.raises(DatasetError, match="not among the 2 classes: zwölf; the classes are jump, Salto mortale"):
        VideoFolder(clip_folder, classes=["jump", "Salto mortale"])
    with pytest.raises(DatasetError, match="classes names jump more than once"):
        VideoFolder(clip_folder, classes=["jump", "jump", "zwölf", "Salto mortale"])


def tree(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_bytes(b"?")
    return root


@pytest.mark.parametrize("names, message", [
    ([], r"holds no class folders \(empty\); expected root/class_name/clip.mp4"),
    (["a.mp4", "b.mp4", "list.csv"], r"holds no class folders \(1 .csv, 2 .mp4\)"),
    (["a/x.mp4", "b/", "c/x.jpg", "c/y.jpg", "c/.x.mp4", "c/README", "c/d/x.mp4"],
     r"2 of 3 class folders in .* hold no video: b \(empty\), "
     r"c \(2 .jpg, 1 folders, 1 hidden, 1 without extension\); remove them, or add files of these kinds: .3gp"),
    (["train/a/x.mp4", "val/a/x.mp4"], r"holds the splits train, val, not classes; .*split"),
    (["train/x.mp4", "test/x.mp4"], r"holds the splits test, train, not classes; expected test/class_name/clip.mp4"),
    (["train/a/x.mp4", "jump/x.mp4", "run/x.mp4", "papers/x.pdf"],
     r"holds the splits train and videos in jump, run beside them; move these classes into the splits"),
    (["a/x.mp4", "b/x.mp4", "b/more/even more/y.AVI", "b/more/z.gif", "b/pictures/x.jpg", "b/.x/x.mp4"],
     r"2 videos of .* lie deeper than in their class folder: b/more/z.gif, b/more/even more/y.AVI; expected"),
])
def test_a_folder_that_is_no_data_set(tmp_path, names, message):
    with pytest.raises(DatasetError, match=message):
        VideoFolder(tree(tmp_path, *names))


def test_what_is_passed_over_is_counted(tmp_path, clip_folder):
    root = tree(tmp_path, "a/x.mp4", "a/y.VOB", "a/x.txt", "b/x.m2ts", "b/x.mpeg4", "b/x.gif", "b/more/x.jpg",
                "b/.y.mp4", "late.mp4", "notes.md", ".hidden/x.mp4")
    dataset = VideoFolder(root)
    assert [path.name for path in dataset.paths] == ["x.mp4", "y.VOB", "x.gif", "x.m2ts", "x.mpeg4"]
    assert dataset.passed_over == "1 videos without a class (late.mp4), 1 .md, 1 .txt, 1 folders, 2 hidden"
    assert dataset.subset([0, 1]).passed_over == dataset.passed_over
    assert VideoFolder(tree(tmp_path / "clean", "a/x.mp4", "b/x.mp4")).passed_over == ""


def test_a_class_may_be_called_train(tmp_path):
    dataset = VideoFolder(tree(tmp_path, "train/x.mp4", "car/y.mp4", "test/z.mp4"))
    assert dataset.classes == ["car", "test", "train"] and dataset.labels == [0, 1, 2]


def test_a_root_that_is_no_folder(tmp_path):
    with pytest.raises(DatasetError, match=r"none is not a folder; .*the current folder is"):
        VideoFolder(tmp_path / "none")
    with pytest.raises(DatasetError, match="for a list of files there is VideoList"):
        VideoFolder(tree(tmp_path, "list.csv") / "list.csv")


# Lists


def listed(root, text, name="list.csv", encoding="utf-8"):
    (root / name).write_bytes(text.encode(encoding))
    return root / name


@pytest.fixture
def some_files(tmp_path):
    return tree(tmp_path, "a/one.mp4", "a/my clip.avi", "b/two, three.webm")


def test_csv_with_a_header(some_files):
    file = listed(some_files, "id,label,path\n7,run,a/one.mp4\n\n# a comment\n8,walk,\"b/two, three.webm\"\n")
    dataset = VideoList(file, frames=5, size=24, pixels=PIXELS)
    assert [path.relative_to(some_files).as_posix() for path in dataset.paths] == ["a/one.mp4", "b/two, three.webm"]
    assert (dataset.labels, dataset.classes) == ([0, 1], ["run", "walk"])


@pytest.mark.parametrize("text, encoding", [
    ("b/two, three.webm\trun\na/my clip.avi\twalk\na/one.mp4\trun\n", "utf-8"),
    ("a/my clip.avi walk\nb/two, three.webm run\na/one.mp4 run\n", "utf-8"),
    ("a/my clip.avi, walk\r\n\"b/two, three.webm\", run\r\na/one.mp4, run\r\n", "utf-8-sig"),
    ("Path,Label\na/my clip.avi,walk\n\"b/two, three.webm\",run\na/one.mp4,run\n", "utf-8-sig"),
], ids=["tabs", "Kinetics", "CSV", "header"])
def test_the_forms_of_a_list(some_files, text, encoding):
    separator = "\t" if "\t" in text else None
    dataset = VideoList(listed(some_files, text, encoding=encoding), separator=separator)
    found = {path.name: dataset.classes[label] for path, label in zip(dataset.paths, dataset.labels, strict=True)}
    assert found == {"one.mp4": "run", "my clip.avi": "walk", "two, three.webm": "run"}
    assert dataset.paths[-1].name == "one.mp4"  # the order of the list


def test_a_list_of_real_videos_with_numbers(clip_folder, tmp_path):
    file = listed(tmp_path, "zwölf/é.MOV 1\nSalto mortale/b.avi 0\njump/c.webm 2\n", "list.txt")
    dataset = VideoList(file, clip_folder, frames=3, size=24, classes=["a", "b", "c", "d"], pixels=PIXELS)
    assert (dataset.labels, dataset.classes) == ([1, 0, 2], ["a", "b", "c", "d"])
    assert [numbers(clip) for clip, _ in dataset] == [[1, 4, 7], [5, 15, 25], [2, 8, 13]]
    assert VideoList(file, clip_folder).classes == ["0", "1", "2"]


def test_absolute_paths_need_no_root(clip_folder, tmp_path):
    file = listed(tmp_path, f"{clip_folder / 'jump' / 'c.webm'},jump\n")
    assert VideoList(file).paths == [clip_folder / "jump" / "c.webm"]
    assert VideoList(file, clip_folder).paths == [clip_folder / "jump" / "c.webm"]


@pytest.mark.parametrize("text, message", [
    ("", "is empty; expected one video and its label per line"),
    ("path,label\n", "should have 2 columns .*it has a header alone"),
    ("a/one.mp4,10,1\n", "should have 2 columns in each line, split at ',', but line 1 has 3; expected path and label"),
    ("path,label\na/one.mp4,1\na/my clip.avi\n", "line 3 has 1"),
    ("a/one.mp4\na/my_clip.avi\n", "line 1 has 1, line 2 has 1"),
    ("a/one.mp4,0\na/none.mp4,0\nb/gone.avi,0\n", "2 of the 3 videos of .* are missing: .*none.mp4, .*gone.avi; paths"),
    ("video,class\na/one.mp4,0\n", "1 of the 2 videos .*video; .*header, it must name the columns path and label"),
    ("a/one.mp4,0\na/my clip.avi,1\na/../a/one.mp4,1\n", r"1 videos .* more than once: line 3: one.mp4 \(also line 1"),
    ("a/one.mp4,0\n../secret.mp4,0\n", r"1 paths of .* lead out of .*: line 2: ../secret.mp4; give the folder .*root"),
    ("a/one.mp4,0\nlist.csv,0\n", "1 files of .* are no videos by their names: .*list.csv; expected one of .3gp"),
    ("a/one.mp4,0\na/my clip.avi,-1\n", "1 labels of .* are out of range: line 2: -1; expected 0 to 0"),
    ("a/one.mp4,1\na/my clip.avi,3\n", r"labels up to 3 \(line 2\), but never 0, 2; labels are counted from 0"),
    ("a/one.mp4,200000000\na/my clip.avi,0\n", r"up to 200000000 \(line 1\), but never 1, .* 199999989 more"),
    ("a/one.mp4,0\na/my clip.avi,9999999999\n", r"list.csv has labels up to 9999999999 \(line 2\), but never 1, 2, 3"),
    ("path,label\na/one.mp4,\na/my clip.avi, \n", "2 lines of .*list.csv have no label, .*: line 2, line 3"),
    (",0\na/one.mp4,1\n", "1 lines of .*list.csv have no path, or one of more than 4096 letters: line 1"),
    ("a/one.mp4,0\n\n\"a/my clip.avi,1\nb/x.avi,1\n", r"list.csv, line 3 cannot be split at ',': .*\"quotes\" around"),
    ("a/one.mp4,0\n" + "x" * 200_000 + ",1\n", "list.csv, line 2 cannot be split at ',': field larger"),
    ("a/one.mp4 0\n" + "x" * 200_000 + " 1\n", "1 lines of .* have no path, or one of more than 4096 .* line 2"),
    ("a/one.mp4,0\n" + "x" * 999 + ".mp4,1\n", r"1 of the 2 videos of .* are missing: .*x\.\.\.; paths"),
])
def test_faults_of_a_list_are_told_before_training(some_files, text, message):
    with pytest.raises(DatasetError, match=message):
        VideoList(listed(some_files, text))


@pytest.mark.parametrize("encoding, message", [
    ("latin-1", r"list.csv, line 2: byte 0xfc is not UTF-8; save the list as UTF-8 text"),
    ("utf-16", r"list.csv, line 1: byte 0x.. is not UTF-8"),
    ("utf-16-le", r"list.csv, line 2: byte 0xfc is not UTF-8"),
])
def test_a_list_in_another_encoding(some_files, encoding, message):
    with pytest.raises(DatasetError, match=message):
        VideoList(listed(some_files, "a/one.mp4,0\na/zwölf über.mp4,1\n".replace("ö", "o"), encoding=encoding))
    with pytest.raises(DatasetError, match="list.csv holds zero bytes, as UTF-16 text does"):
        VideoList(listed(some_files, "a/one.mp4,0\n", encoding="utf-16-le"))


def test_a_list_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "list.csv")
    with pytest.raises(DatasetError, match="list.csv is no file; expected a text file"):
        VideoList(tmp_path / "list.csv")


@pytest.mark.parametrize("text, classes, message", [
    ("a/one.mp4,2\na/my clip.avi,1\n", ["x", "y"], "out of range: line 1: 2; expected 0 to 1, counted from 0"),
    ("a/one.mp4,run\na/my clip.avi,fly\n", ["run", "walk"], "1 labels .* not among the 2 classes: line 2: fly; .* run"),
    ("a/one.mp4,run\na/my clip.avi,1\n", ["run", "walk"], "not among the 2 classes: line 2: 1"),
])
def test_labels_must_be_known(some_files, text, classes, message):
    with pytest.raises(DatasetError, match=message):
        VideoList(listed(some_files, text), classes=classes)


def test_labels_that_are_names_of_digits(some_files):
    dataset = VideoList(listed(some_files, "a/one.mp4,3\na/my clip.avi,1\n"), classes=["1", "2", "3"])
    assert dataset.labels == [2, 0]


def test_a_path_that_leads_out_of_the_root(some_files):
    file = listed(some_files, f"{some_files / 'a' / 'one.mp4'},0\n")
    with pytest.raises(DatasetError, match="lead out of"):
        VideoList(file, some_files / "b")
    with pytest.raises(DatasetError, match="none.csv is no file; expected a text file"):
        VideoList(some_files / "none.csv")


def test_many_missing_files_are_counted_and_the_first_ones_named(some_files):
    file = listed(some_files, "".join(f"a/{i:03}.mp4,0\n" for i in range(250)))
    with pytest.raises(DatasetError, match="250 of the 250 .*009.mp4 and 240 more"):
        VideoList(file)


# The digest


def test_the_digest_tells_other_videos_classes_labels_and_orders_apart(tmp_path):
    names = ("a/one.mp4", "a/two.avi", "b/three.webm")
    dataset = VideoFolder(tree(tmp_path / "here", *names))
    known = digest(dataset)
    assert len(known) == 64 and int(known, 16)
    assert digest(dataset.replace(frames=3, size=17, sampling="segments")) == known  # settings are no matter of it
    assert digest(VideoFolder(tree(tmp_path / "there", *names))) == known  # moved as a whole
    relative = Videos([os.path.relpath(path) for path in dataset.paths], dataset.labels, dataset.classes)
    assert digest(relative) == known

    others = [
        VideoFolder(tree(tmp_path / "more", *names, "b/four.mp4")),
        VideoFolder(tree(tmp_path / "renamed", *names[:2], "b/3.webm")),
        VideoFolder(tree(tmp_path / "class", *names[:2], "c/three.webm")),
        VideoFolder(tmp_path / "here", classes=["b", "a"]),
        VideoFolder(tmp_path / "here", classes=["a", "b", "c"]),
        dataset.subset([0, 2, 1]),
        dataset.subset([0, 2]),
        dataset.subset([]),
        Videos(dataset.paths, [0, 1, 1], dataset.classes),
    ]
    assert len({known, *map(digest, others)}) == 1 + len(others)


# Broken files


def test_a_broken_file_is_an_error_that_names_it(broken_folder):
    dataset = VideoFolder(broken_folder, frames=4, size=24, pixels=PIXELS)
    found = {}
    for index in range(len(dataset)):
        try:
            dataset[index]
        except BrokenVideo as error:
            assert str(error).startswith(f"video {index} cannot be read: ")
            assert str(error).count(str(dataset.paths[index])) == 1
            found[str(dataset.paths[index])] = error
    assert set(found) == broken_paths(broken_folder)
    with pytest.raises(BrokenVideo, match="video 0 .* has 10 frames and 11 were asked for"):
        dataset.replace(frames=11)[0]


def test_a_missing_decoder_is_not_the_fault_of_a_file(broken_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    dataset = VideoFolder(broken_folder, frames=4, size=24, on_broken="skip", pixels=PIXELS)
    with pytest.raises(MissingDecoder, match="pip install av"):
        dataset[0]
    with pytest.raises(MissingDecoder):
        find_broken(dataset)


def test_a_worker_decodes_in_one_thread(clip_folder, monkeypatch):
    path = clip_folder / "Salto mortale" / "a b.mp4"
    monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: object())
    container, stream = decoding.open_video(path)
    with container:
        assert stream.codec_context.thread_count == 1


def test_a_data_set_can_go_to_another_process(clip_folder):
    dataset = VideoFolder(clip_folder, frames=5, size=24, transform=darken, pixels=PIXELS)
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[2][0], dataset[2][0])

"""Training and test share no recording, and have their share of each class."""

from collections import Counter
from pathlib import Path

import pytest

from videoformer_edu.data.video.datasets import DatasetError, VideoFolder, Videos
from videoformer_edu.data.video.splits import clip_group, split, split_by_class


def ucf(classes, clips=(4, 5, 6, 7), groups=25):
    """Names like those of UCF101: 25 groups of 4 to 7 clips in each class."""
    paths, labels = [], []
    for label, name in enumerate(classes):
        for group in range(1, groups + 1):
            for clip in range(1, clips[(group + label) % len(clips)] + 1):
                paths.append(Path(name) / f"v_{name}_g{group:02}_c{clip:02}.avi")
                labels.append(label)
    return Videos(paths, labels, classes)


@pytest.mark.parametrize("name, group", [
    ("v_ApplyEyeMakeup_g01_c04.avi", "v_ApplyEyeMakeup_g01"),
    ("some/where/v_HandStandPushups_g25_c10.mp4", "v_HandStandPushups_g25"),
    ("a/v_Archery_g01.avi", "a/v_Archery_g01.avi"),
    ("a/holiday_c01.mp4", "a/holiday_c01.mp4"),
    ("a/clip_g1_c1_small.mp4", "a/clip_g1_c1_small.mp4"),
])
def test_the_group_in_a_name(name, group):
    assert clip_group(Path(name)) == group


@pytest.mark.parametrize("held_out", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_no_recording_is_on_both_sides(held_out, seed):
    dataset = ucf(["Archery", "Basketball", "Diving"])
    train, test = split_by_class(dataset, held_out, seed)
    assert sorted(train.paths + test.paths) == sorted(dataset.paths)
    assert {clip_group(path) for path in train.paths}.isdisjoint(clip_group(path) for path in test.paths)
    for part in (train, test):
        assert [part.classes[label] for label in part.labels] == [path.parent.name for path in part.paths]
    total, held = Counter(dataset.labels), Counter(test.labels)
    assert all(abs(held[label] - held_out * count) <= 3.5 for label, count in total.items())  # half a group


def test_random_halves_of_the_clips_would_tear_groups_apart():
    train, test = split_by_class(ucf(["Archery"]), groups=str)
    assert {clip_group(path) for path in train.paths} & {clip_group(path) for path in test.paths}


def test_the_choice_depends_on_names_and_seed_alone():
    dataset = ucf(["Archery", "Diving"], groups=6)
    chosen = split_by_class(dataset, seed=1)[1].paths
    backwards = dataset.subset(range(len(dataset) - 1, -1, -1))
    assert sorted(split_by_class(backwards, seed=1)[1].paths) == sorted(chosen)
    assert split_by_class(dataset, seed=1)[1].paths == chosen
    assert split_by_class(dataset, seed=2)[1].paths != chosen


def test_groups_that_span_classes_stay_together():
    paths = [Path(f"{name}/person{person:02}_{take}.avi") for name in ("run", "walk") for person in range(10)
             for take in range(3)]
    dataset = Videos(paths, [0] * 30 + [1] * 30, ["run", "walk"])

    def person(path):
        return path.name[:8]

    train, test = split_by_class(dataset, 0.3, groups=person)
    assert {person(path) for path in train.paths}.isdisjoint(person(path) for path in test.paths)
    assert Counter(test.labels) == {0: 9, 1: 9}


def test_single_clips_without_groups_are_stratified():
    dataset = Videos([Path(f"{i}.mp4") for i in range(50)], [0] * 40 + [1] * 10, ["a", "b"])
    assert Counter(split_by_class(dataset, 0.2)[1].labels) == {0: 8, 1: 2}
    few = Videos([Path(f"{i}.mp4") for i in range(6)], [0, 0, 0, 1, 1, 1], ["a", "b"])
    assert Counter(split_by_class(few, 0.05)[1].labels) == {0: 1, 1: 1}
    assert Counter(split_by_class(few, 0.95)[0].labels) == {0: 1, 1: 1}


@pytest.mark.parametrize("seed", range(6))
def test_no_class_is_held_out_whole_for_the_sake_of_another(seed):
    """Two groups hold the only two videos of class b, beside many of class a, of which nearly all are wanted."""
    groups = {"x": (10, 1), "y": (3, 1), "z": (10, 0)}
    names = [(f"{group}{label}_{i}", label) for group, counts in groups.items() for label in (0, 1)
             for i in range(counts[label])]
    dataset = Videos([Path(f"{name}.mp4") for name, _ in names], [label for _, label in names], ["a", "b"])
    train, test = split_by_class(dataset, 0.9, seed, groups=lambda path: path.name[0])
    assert Counter(train.labels)[1] == Counter(test.labels)[1] == 1


def test_large_groups_are_held_out_rather_than_none():
    dataset = ucf(["Archery", "Diving"], clips=(6,), groups=2)
    train, test = split_by_class(dataset, 0.1)
    assert Counter(train.labels) == Counter(test.labels) == {0: 6, 1: 6}


def test_a_class_of_one_recording_cannot_be_divided():
    dataset = ucf(["Archery", "Diving"], groups=3)
    kept = [i for i, path in enumerate(dataset.paths) if "Diving_g02" in path.name or "Archery" in path.name]
    one = dataset.subset(kept)
    with pytest.raises(DatasetError, match="1 classes cannot be divided without tearing a group apart: Diving; each"):
        split_by_class(one)


@pytest.mark.parametrize("held_out", [0, 1, -0.2, 20])
def test_a_share_is_between_0_and_1(held_out):
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        split_by_class(ucf(["Archery"]), held_out)


def files(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def ignored(clips, labels, generator):
    return clips, labels


def test_folders_of_splits_are_taken_as_they_are(tmp_path):
    files(tmp_path, "train/b/1.mp4", "train/a/2.mp4", "test/b/3.mp4", "val/a/4.mp4", "val/b/5.mp4", "notes.txt")
    sets = split(tmp_path, frames=4, size=32, sampling="dense", stride=2, transform=ignored)
    assert list(sets) == ["train", "val", "test"]
    assert {name: [path.name for path in part.paths] for name, part in sets.items()} == {
        "train": ["2.mp4", "1.mp4"], "val": ["4.mp4", "5.mp4"], "test": ["3.mp4"]}
    assert sets["test"].labels == [1] and sets["test"].classes == ["a", "b"]
    assert (sets["train"].sampling, sets["train"].stride, sets["train"].transform) == ("dense", 2, ignored)
    assert (sets["val"].sampling, sets["val"].stride, sets["val"].transform) == ("uniform", 1, None)
    assert (sets["val"].frames, sets["val"].size) == (4, 32)


def test_any_other_folder_is_divided_by_class(tmp_path):
    files(tmp_path, *(f"{name}/v_{name}_g0{g}_c0{c}.avi" for name in "ab" for g in range(5) for c in range(2)))
    sets = split(tmp_path, held_out=0.4, seed=3, sampling="segments", transform=ignored)
    assert list(sets) == ["train", "val"]
    assert Counter(sets["val"].labels) == {0: 4, 1: 4}
    whole = VideoFolder(tmp_path)
    assert sets["val"].paths == split_by_class(whole, 0.4, 3)[1].paths
    assert (sets["train"].sampling, sets["val"].sampling, sets["val"].transform) == ("segments", "uniform", None)


def test_train_alone_is_not_enough(tmp_path):
    with pytest.raises(DatasetError, match="has train/ but none of val, valid, validation, test"):
        split(files(tmp_path, "train/a/1.mp4"))
    with pytest.raises(DatasetError, match="not among the 1 classes: z"):
        split(files(tmp_path, "test/z/1.mp4"))
    with pytest.raises(DatasetError, match="none is not a folder"):
        split(tmp_path / "none")


def test_classes_beside_the_splits_are_not_left_out_in_silence(tmp_path):
    files(tmp_path, "train/a/1.mp4", "val/a/2.mp4", "papers/x.pdf")
    assert list(split(tmp_path)) == ["train", "val"]
    with pytest.raises(DatasetError, match="holds the splits train, val and videos in jump beside them"):
        split(files(tmp_path, "jump/3.mp4"))


def test_a_class_called_train_is_no_split(tmp_path):
    sets = split(files(tmp_path, *(f"{name}/{i}.mp4" for name in ("train", "car") for i in range(5))))
    assert list(sets) == ["train", "val"] and sets["train"].classes == ["car", "train"]
    assert Counter(sets["val"].labels) == {0: 1, 1: 1}

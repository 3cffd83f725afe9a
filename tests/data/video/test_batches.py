"""Batches are a function of the seed and the step: not of the workers, of what came before, or of what is broken."""

import itertools
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from video_files import PIXELS

from videoformer_edu.data.augment import Augment
from videoformer_edu.data.video.batches import BrokenVideosWarning, TooManyBroken, batches, steps_per_epoch
from videoformer_edu.data.video.datasets import BrokenVideo, DatasetError, VideoFolder, Videos


class Numbers(Videos):
    """Videos without files: the clip of item i is i and a random number; some are broken. Keeps what was drawn."""

    def __init__(self, count, broken=(), **settings):
        super().__init__([Path(f"{i}.mp4") for i in range(count)], [i % 3 for i in range(count)], ["a", "b", "c"],
                         frames=1, size=1, **settings)
        self.faulty, self.drawn = set(broken), []

    def draw(self, index, generator):
        self.drawn.append(index)
        if index in self.faulty:
            raise BrokenVideo(f"video {index} cannot be read: {index}.mp4: it is a test")
        clip = torch.tensor([float(index), torch.rand((), generator=generator).item()])
        return clip.view(2, 1, 1, 1), self.labels[index]


def first(steps, *arguments, **settings):
    return list(itertools.islice(batches(*arguments, **settings), steps))


def items(batch):
    return batch[0][:, 0, 0, 0, 0].int().tolist()


def same(one, other):
    pairs = zip(one, other, strict=True)
    return all(torch.equal(x, u) and torch.equal(y, v) for (x, y), (u, v) in pairs)


# Which items


def test_an_epoch_has_each_item_once_in_a_new_order():
    dataset = Numbers(12)
    steps = first(9, dataset, batch=4, seed=3)
    epochs = [sum((items(batch) for batch in steps[i : i + 3]), []) for i in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    clips, labels = steps[0]
    assert clips.shape == (4, 2, 1, 1, 1) and clips.dtype == torch.float32
    assert labels.dtype == torch.int64 and labels.tolist() == [i % 3 for i in items(steps[0])]
    assert items(first(1, dataset, batch=12, seed=4)[0]) != epochs[0]


def test_the_chance_of_an_item_changes_from_epoch_to_epoch():
    dataset = Numbers(6)
    draws = torch.stack([batch[0][batch[0][:, 0, 0, 0, 0].argsort(), 1, 0, 0, 0]
                         for batch in first(4, dataset, batch=6, seed=0)])  # (epoch, item)
    assert draws.unique().numel() == 24
    other = first(1, dataset, batch=6, seed=0, shuffle=False)[0]
    assert torch.equal(other[0][:, 1, 0, 0, 0], draws[0])  # of epoch, seed and index, not of the order


@pytest.mark.parametrize("drop_last, sizes", [(True, [4, 4]), (False, [4, 4, 3])])
def test_the_last_batch(drop_last, sizes):
    dataset = Numbers(11)
    steps = first(99, dataset, batch=4, seed=0, epochs=2, drop_last=drop_last)
    assert [len(labels) for _, labels in steps] == sizes * 2
    assert steps_per_epoch(11, 4, drop_last) == len(sizes)
    assert len(set(sum((items(batch) for batch in steps[: len(sizes)]), []))) == sum(sizes)


def test_without_shuffling_the_order_of_the_data_set():
    steps = first(99, Numbers(5), batch=2, seed=0, epochs=1, shuffle=False, drop_last=False)
    assert [items(batch) for batch in steps] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("start", [0, 1, 2, 3, 7])
def test_a_resumed_run_goes_on_as_the_uninterrupted_one(start):
    whole = first(9, Numbers(11), batch=4, seed=5)
    dataset = Numbers(11)
    assert same(first(9 - start, dataset, batch=4, seed=5, start=start), whole[start:])
    assert len(dataset.drawn) == 4 * (9 - start)  # what was skipped was not decoded
    assert len(first(99, dataset, batch=4, seed=5, start=start, epochs=3)) == max(0, 6 - start)


def together(parts):
    """The batches of which each of `parts` has the rows rank::size."""
    for rows in zip(*parts, strict=True):
        clips = torch.empty(sum(len(y) for _, y in rows), *rows[0][0].shape[1:])
        labels = torch.empty(len(clips), dtype=torch.int64)
        for rank, (x, y) in enumerate(rows):
            clips[rank :: len(parts)], labels[rank :: len(parts)] = x, y
        yield clips, labels


@pytest.mark.parametrize(("start", "broken"), [(0, []), (3, []), (0, [2, 3, 8]), (4, [2, 3, 8])])
@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.filterwarnings("ignore::videoformer_edu.data.video.batches.BrokenVideosWarning")
def test_parts_make_the_batch_and_draw_nothing_else(size, start, broken):
    """Three times 7 of 22 items; a part replaces a broken one as the whole does, and may meet fewer of them."""
    def of(part, count=6):
        dataset = Numbers(22, broken, on_broken="skip", max_broken=0.5)
        return dataset, first(count, dataset, batch=7, seed=5, start=start, part=part)

    whole, expected = of((0, 1))
    datasets, parts = zip(*(of((rank, size)) for rank in range(size)), strict=True)
    assert [len(y) for _, y in (part[0] for part in parts)] == [len(range(rank, 7, size)) for rank in range(size)]
    assert same(together(parts), expected)
    assert {path for dataset in datasets for path in dataset.broken} == set(whole.broken)
    for dataset, part in zip(datasets, parts, strict=True):
        good = [index for index in dataset.drawn if index not in broken]
        assert good == sum((items(rows) for rows in part), []), "its own rows, each once"


@pytest.mark.parametrize("workers", [0, 2])
def test_global_random_states_are_left_alone(workers):
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    first(3, Numbers(8), batch=4, seed=0, workers=workers)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])


@pytest.mark.parametrize("settings, error, message", [
    ({"batch": 0}, ValueError, "batch is 0"),
    ({"seed": -1}, ValueError, "seed is -1"),
    ({"start": -1}, ValueError, "start is -1"),
    ({"workers": 1.5}, ValueError, "workers is 1.5"),
    ({"epochs": 0}, ValueError, "epochs is 0"),
    ({"part": (2, 2)}, ValueError, r"part is \(2, 2\); expected \(rank, size\) with 0 <= rank < size <= 2, the batch"),
    ({"part": (0, 3)}, ValueError, r"part is \(0, 3\)"),
    ({"part": (1, 2), "drop_last": False}, ValueError, r"can be empty; .*dataset.subset\(range\(1, len\(dataset\), 2"),
    ({"batch": 9}, DatasetError, "has 8 videos, less than one batch of 9; ask for .*drop_last=False"),
])
def test_bad_arguments_are_refused_at_the_call(settings, error, message):
    with pytest.raises(error, match=message):
        batches(Numbers(8), **{"batch": 2, "seed": 0} | settings)


# Broken files


def test_a_broken_file_stops_with_its_name():
    dataset = Numbers(8, broken=[5])
    with pytest.raises(BrokenVideo, match=r"video 5 cannot be read: 5.mp4: it is a test\. Mend or remove the file, or "
                                          r'go on without it: on_broken="skip"'):
        first(2, dataset, batch=4, seed=0)
    assert dataset.broken == {}


def test_a_skipped_file_is_replaced_by_the_next_good_one():
    order = items(first(1, Numbers(12), batch=12, seed=2)[0])
    bad = {order[1], order[2], order[11]}  # two in a row, and the last of the epoch
    dataset = Numbers(12, broken=bad, on_broken="skip", max_broken=0.5)
    with pytest.warns(BrokenVideosWarning, match=r"3 of 12 videos are broken \(25.0%\): video .*; they were skipped"):
        steps = first(3, dataset, batch=4, seed=2)
    expected = order[:]
    expected[1] = expected[2] = order[3]
    expected[11] = order[0]
    assert sum((items(batch) for batch in steps), []) == expected
    assert steps[0][1].tolist() == [i % 3 for i in expected[:4]]
    assert dataset.broken == {f"{i}.mp4": f"video {i} cannot be read: {i}.mp4: it is a test" for i in bad}


def test_the_end_of_each_epoch_tells_what_was_skipped():
    dataset = Numbers(8, broken=[1], on_broken="skip", max_broken=0.5)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        counts = [len(told) for _ in itertools.islice(batches(dataset, batch=4, seed=0), 6)]
    assert counts == [0, 1, 1, 2, 2, 3]


def test_an_evaluation_counts_no_video_twice():
    dataset = Numbers(9, broken=[0, 1, 7], on_broken="skip", max_broken=0.5)
    with pytest.warns(BrokenVideosWarning, match="3 of 9"):
        steps = first(9, dataset, batch=2, seed=0, epochs=1, shuffle=False, drop_last=False)
    assert [items(batch) for batch in steps] == [[2, 3], [4, 5], [6], [8]]


def test_too_many_broken_files_stop_it():
    dataset = Numbers(40, broken=[3, 9, 17], on_broken="skip")
    with pytest.raises(TooManyBroken, match=r"3 of 40 videos are broken \(7.5%\): .*more than max_broken = 0.05"):
        first(10, dataset, batch=4, seed=0)
    with pytest.raises(TooManyBroken, match="4 of 4 videos are broken"):
        first(1, Numbers(4, broken=range(4), on_broken="skip", max_broken=0.9), batch=2, seed=0)


@pytest.mark.filterwarnings("ignore::videoformer_edu.data.video.batches.BrokenVideosWarning")
def test_a_resumed_run_replaces_broken_files_alike():
    settings = {"broken": [2, 3, 8], "on_broken": "skip", "max_broken": 0.5}
    whole = first(12, Numbers(11, **settings), batch=3, seed=1)
    for start in (1, 4, 8):
        assert same(first(12 - start, Numbers(11, **settings), batch=3, seed=1, start=start), whole[start:])


# Workers, with real files


@pytest.fixture
def videos(clip_folder):
    augment = Augment(area=(0.4, 1.0), size=24, flip=0.5, mirrored="unchanged", brightness=0.4)
    return VideoFolder(clip_folder, frames=4, size=24, sampling="segments", transform=augment, pixels=PIXELS)


@pytest.mark.slow
def test_workers_change_nothing(videos):
    whole = first(7, videos, batch=3, seed=1)
    assert whole[0][0].shape == (3, 3, 4, 24, 24)
    for workers in (1, 2):
        assert same(first(7, videos, batch=3, seed=1, workers=workers), whole)
    assert same(first(4, videos, batch=3, seed=1, start=3, workers=2), whole[3:])
    for workers in (0, 2):
        parts = [first(4, videos, batch=3, seed=1, start=3, workers=workers, part=(rank, 2)) for rank in (0, 1)]
        assert same(together(parts), whole[3:])


@pytest.mark.slow
def test_workers_may_start_from_nothing(videos):
    assert same(first(2, videos, batch=3, seed=1, workers=1, context="spawn"), first(2, videos, batch=3, seed=1))


@pytest.mark.slow
def test_workers_bring_back_what_is_broken(clip_folder, videos, tmp_path):
    for path, label in zip(videos.paths, videos.labels, strict=True):
        target = tmp_path / videos.classes[label] / path.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "jump" / "empty.mp4").touch()
    (tmp_path / "zwölf" / "text.avi").write_text("this is text")
    runs = []
    for workers in (0, 2):
        dataset = VideoFolder(tmp_path, frames=4, size=24, on_broken="skip", max_broken=0.3, pixels=PIXELS)
        with pytest.warns(BrokenVideosWarning, match="2 of 9 videos are broken"):
            runs.append(first(6, dataset, batch=3, seed=0, workers=workers))
        assert sorted(Path(path).name for path in dataset.broken) == ["empty.mp4", "text.avi"]
        assert "is empty (0 bytes)" in dataset.broken[str(tmp_path / "jump" / "empty.mp4")]
        with pytest.raises(BrokenVideo, match="video . cannot be read: .*Mend or remove"):
            first(3, dataset.replace(on_broken="raise"), batch=3, seed=0, workers=workers)
    assert same(*runs)


def test_one_class_alone_is_nothing_to_train_on():
    one = Numbers(12).subset([0, 3, 6, 9])
    with pytest.raises(DatasetError, match=r"all 4 videos are of one class \(a\): there is nothing"):
        batches(one, batch=2, seed=0)
    assert len(list(batches(one, batch=2, seed=0, epochs=1, shuffle=False))) == 2

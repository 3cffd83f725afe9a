"""Scores, probes and the files of results, on answers that are known in advance."""

import json

import pytest
import torch
from torch import nn

from videoformer_edu.experiments.evaluate import confusion, digit_scores, motion_probes, motion_scores
from videoformer_edu.experiments.results import compact_json, update_results


class ReadsFrames(nn.Module):
    """A stand-in that names the class written into its clips: frame t of class y holds the value y + 8 t."""

    def forward(self, video):
        first, last = video[:, 0, 0, 0, 0], video[:, 0, -1, 0, 0]
        backwards = first > last
        direction = torch.where(backwards, (first % 8).long() ^ 1, (first % 8).long())
        return nn.functional.one_hot(direction, 8).float()


def written_clips(direction):
    value = direction[:, None] + 8 * torch.arange(8)  # (b, t)
    return value.float()[:, None, :, None, None].expand(-1, 3, -1, 2, 5)


def test_confusion_rows_are_labels():
    matrix = confusion(torch.tensor([2, 2, 0, 1]), torch.tensor([0, 0, 0, 2]), 3)
    assert matrix == [[1, 0, 2], [0, 0, 0], [0, 1, 0]]


def test_scores_split_the_direction_into_axis_and_sign():
    direction = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7])
    right = motion_scores(ReadsFrames(), written_clips(direction), direction)
    assert (right["accuracy"], right["axis"], right["sign"]) == (1, 1, 1)
    wrong_way = motion_scores(ReadsFrames(), written_clips(direction ^ 1), direction)
    assert (wrong_way["accuracy"], wrong_way["axis"], wrong_way["sign"]) == (0, 1, 0)
    wrong_axis = motion_scores(ReadsFrames(), written_clips((direction + 2) % 8), direction)
    assert (wrong_axis["accuracy"], wrong_axis["axis"], wrong_axis["sign"]) == (0, 0, 1)
    assert wrong_axis["confusion"][7][1] == 1


def test_probes_feed_what_they_say():
    direction = torch.tensor([0, 3, 6])
    seen = []
    model = ReadsFrames()
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][:, 0, :, 0, 0]))
    probes = motion_probes(model, written_clips(direction), direction)
    assert probes["reversed_is_opposite"] == 1
    assert probes["frozen_accuracy"] == 1  # this stand-in can read a single frame
    orders = [frames[0].div(8, rounding_mode="floor").int().tolist() for frames in seen]
    assert sorted(orders) == [[4, 0, 7, 3, 2, 5, 1, 6], [4] * 8, list(range(7, -1, -1))]


def test_digit_scores():
    digits = torch.tensor([3, 3, 9, 0])
    images = torch.tensor([3, 1, 9, 0])[:, None, None, None].expand(-1, 3, 4, 4)

    class Reads(nn.Module):
        def forward(self, x):
            return nn.functional.one_hot(x[:, 0, 0, 0], 10).float()

    scores = digit_scores(Reads(), images, digits)
    assert scores["accuracy"] == 0.75
    assert scores["confusion"][3] == [0, 1, 0, 1, 0, 0, 0, 0, 0, 0]


def a_result(accuracy):
    return {
        "model": "vit_digits", "task": "digits", "ships": True, "note": "Known.",
        "recipe": {"steps": 7, "batch": 3}, "parameters": 1234,
        "macs": 5600000, "seed": 2, "runs": [
            {"seed": 1, "accuracy": 0.125, "cpu_seconds": 4}, {"seed": 2, "accuracy": accuracy, "cpu_seconds": 5}],
        "probes": {"reversed_is_opposite": 0.25, "frozen_accuracy": 0.5, "shuffled_accuracy": 0.75, "shuffled_axis": 1},
        "attention": {"a.temporal": {"presence": [0.1]}, "a.spatial": {
            "mass": [0.9, 0.8], "mean_of_heads": 0.85, "chance": 0.2, "peak": 0.7, "peak_chance": 0.1}},
    }


def test_results_are_replaced_by_name_and_keep_their_order(tmp_path):
    order = ("first", "second", "third")
    update_results({"third": a_result(0.5), "first": a_result(0.6)}, order, tmp_path)
    update_results({"second": a_result(0.7)}, order, tmp_path)
    update_results({"first": a_result(0.8), "second": a_result(0.9)}, order, tmp_path)
    stored = json.loads((tmp_path / "RESULTS.json").read_text())
    assert list(stored) == ["first", "second", "third"]
    assert [r["runs"][1]["accuracy"] for r in stored.values()] == [0.8, 0.9, 0.5]
    table = (tmp_path / "RESULTS.md").read_text()
    assert "| first | 1,234 | 5.6 M | 7 x 3 | 2 (shipped) | 80.0 | – | – | 5 |" in table
    assert "| first | 1,234 | 5.6 M | 7 x 3 | 1 | 12.5 | – | – | 4 |" in table
    assert "- `second`: Known." in table
    assert "| third | 25.0 | 50.0 | 75.0 | 100.0 |" in table
    assert "| third | a.spatial | 0.90 0.80 | 0.85 | 0.20 | 0.70 | 0.10 |" in table
    assert "a.temporal" not in table


def test_compact_json_is_json():
    value = {"long": [[i, i / 7, "x" * 9] for i in range(40)], "short": {"a": [1, None, True]}, "empty": {}}
    text = compact_json(value)
    assert json.loads(text) == value
    assert max(map(len, text.splitlines())) <= 120
    assert '"short": {"a": [1, null, true]}' in text


def test_an_unknown_axis_is_not_printed_as_zero(tmp_path):
    update_results({"first": a_result(0.5)}, ("first",), tmp_path)
    assert "| 0.0 |" not in (tmp_path / "RESULTS.md").read_text()


@pytest.mark.parametrize("labels", [[1, 1], [0, 1]])
def test_confusion_counts_every_example(labels):
    assert sum(map(sum, confusion(torch.tensor([1, 0]), torch.tensor(labels), 2))) == 2

"""Numbers of a trained model, and the files that carry them."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from torch import nn

from experiments.catalogue import EXPERIMENTS, GROUPS
from experiments.evaluate import accuracies, motion_accuracies, motion_probes
from experiments.experiment import Material, changed
from experiments.pictures import given, picture_name, series
from experiments.results import compact_json, gather, plain, unpublishable, write
from experiments.store import Store
from experiments.table import markdown, reached, spread
from videoformer_edu.models import c3d_motion, videomae_pretraining_motion


class ReadsFrames(nn.Module):
    """Its clips carry the answer: pixels are direction + 8 * frame. Names the direction, or its opposite when the
    frames run backwards."""

    def forward(self, x):
        first, last = x[:, 0, 0, 0, 0], x[:, 0, -1, 0, 0]
        backwards = last < first
        direction = torch.where(backwards, (first % 8).long() ^ 1, (first % 8).long())
        return nn.functional.one_hot(direction, 8).float()


def written_clips(direction):
    value = direction[:, None] + 8 * torch.arange(8)  # (b, t)
    return value.float()[:, None, :, None, None].expand(-1, 3, -1, 2, 5)


def test_scores_split_the_direction_into_axis_and_sign():
    direction = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7])
    right = motion_accuracies(ReadsFrames(), written_clips(direction), direction)
    assert (right["accuracy"], right["axis"], right["sign"]) == (1, 1, 1)
    wrong_way = motion_accuracies(ReadsFrames(), written_clips(direction ^ 1), direction)
    assert (wrong_way["accuracy"], wrong_way["axis"], wrong_way["sign"]) == (0, 1, 0)
    wrong_axis = motion_accuracies(ReadsFrames(), written_clips((direction + 2) % 8), direction)
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


def test_digits_have_neither_axis_nor_sign():
    class Reads(nn.Module):
        def forward(self, x):
            return nn.functional.one_hot(x[:, 0, 0, 0], 10).float()

    digits = torch.tensor([3, 3, 9, 0])
    images = torch.tensor([3, 1, 9, 0])[:, None, None, None].expand(-1, 3, 4, 4)
    found = accuracies(Reads(), Material("digits"), images, digits)
    assert found.keys() == {"accuracy", "confusion"} and found["accuracy"] == 0.75
    assert found["confusion"][3] == [0, 1, 0, 1, 0, 0, 0, 0, 0, 0]


def a_row(seed, accuracy=None, steps=(400, None), **more):
    row = {"seed": seed, "seconds": 10.0 + seed, "clock": "processor", "parameters": 1234, "macs": 5600000,
           "validation": 0.9, "curve": [[200, 1.5, 0.5], [400, 0.5, 0.96]],
           "steps_to": {"0.5": 200, "0.8": 400, "0.9": 400, "0.95": steps[seed % 2]}}
    if accuracy is not None:
        row |= {"accuracy": accuracy, "axis": 0.75, "sign": 0.625, "confusion": [[1]]}
    return {**row, **more}


PROBES = {"reversed_is_opposite": 0.25, "frozen_accuracy": 0.5, "shuffled_accuracy": 0.75, "shuffled_axis": 1}
LOOKS = {"a.temporal": {"presence": [0.1]}, "a.spatial": {
    "mass": [0.9, 0.8], "mean_of_heads": 0.85, "chance": 0.2, "peak": 0.7, "peak_chance": 0.1}}


@pytest.fixture
def made(tmp_path):
    """A store with three experiments, the last of them with one seed of three."""
    chosen = [changed(EXPERIMENTS["c3d"], seeds=(0, 1)), EXPERIMENTS["videomae_pretraining"],
              EXPERIMENTS["c3d_400_clips"]]
    store = Store(tmp_path / "runs")
    store.keep(chosen[0], 0, c3d_motion(), a_row(0, 0.5, probes=PROBES, attention=LOOKS))
    store.keep(chosen[0], 1, c3d_motion(), a_row(1, 0.75))
    store.keep(chosen[1], 0, videomae_pretraining_motion(), a_row(0, painting_loss=0.75, steps_to={}))
    store.keep(chosen[2], 1, c3d_motion(), a_row(1, 0.25))
    return chosen, store, gather([*chosen, EXPERIMENTS["r2plus1d"]], store)


def test_a_result_has_the_first_run_and_what_all_of_them_say(made):
    _, _, results = made
    assert list(results) == ["c3d", "videomae_pretraining", "c3d_400_clips"]
    c3d = results["c3d"]
    assert c3d["over_seeds"] == {"accuracy": [0.625, 0.5, 0.75], "axis": [0.75] * 3, "sign": [0.625] * 3,
                                 "seconds": [10.5, 10.0, 11.0]}
    assert (c3d["seed"], c3d["accuracy"], c3d["confusion"], c3d["probes"]) == (0, 0.5, [[1]], PROBES)
    assert [run["accuracy"] for run in c3d["runs"]] == [0.5, 0.75]
    assert c3d["recipe"]["steps"] == 400 and c3d["material"]["clips"] is None and c3d["start"] is None
    assert results["c3d_400_clips"]["runs"][0]["seed"] == 1


def test_the_page_says_what_the_results_say(made):
    _, _, results = made
    page = markdown(results)
    assert ("| **`c3d`** | C3D | 1,234 | 5.6 M | 400 x 16 | 2 | 62.5 (50.0 – 75.0) | 75.0 | 62.5 | 400 (1 of 2) | 10 |"
            in page)
    assert "| 3000 x 32 | 1 | error 0.750 | – | – | – | 10 |" in page
    assert "| `c3d` | 25.0 | 50.0 | 75.0 | 100.0 |" in page
    assert "| `c3d` | a.spatial | 0.90 0.80 | 0.85 | 0.20 | 0.70 | 0.10 |" in page
    assert "a.temporal" not in page
    assert f"- `videomae_pretraining`: {EXPERIMENTS['videomae_pretraining'].note}" in page
    assert GROUPS["controls"] not in page  # nothing is known of them
    assert f"![{GROUPS['data']}](pictures/{picture_name('data')})" in page
    assert max(len(line) for line in page.splitlines() if line[:1] not in ("|", "-", "!")) <= 120


def test_accuracy_on_other_clips_is_a_table_of_its_own(tmp_path):
    chosen, store = changed(EXPERIMENTS["divided_rotary"], seeds=(0, 1)), Store(tmp_path)
    for seed, shares in ((0, (0.5, 0.25)), (1, (0.75, 0.25))):
        found = [[12, 1.0, shares[0]], [16, 2.0, shares[1]]]
        store.keep(chosen, seed, c3d_motion(), a_row(seed, 0.5, elsewhere=found))
    page = markdown(gather([chosen], store))
    assert "| name | 12 denser | 16 longer |" in page
    assert "| `divided_rotary` | 62.5 (50.0 – 75.0) | 25.0 |" in page


def test_only_a_clip_of_another_speed_names_it():
    """So that what was measured before there were speeds is still what the catalogue asks for."""
    usual, rotary = EXPERIMENTS["c3d"].settings(), EXPERIMENTS["divided_rotary"].settings()
    assert "speed" not in usual["material"] and "also" not in usual
    assert [material.get("speed") for material in rotary["also"]] == [None, None, None, 1.5, 2.0, 3.0]


def test_the_files_are_written_and_the_shipped_weights_know_what_they_are(made, tmp_path):
    chosen, store, results = made
    written = write(results, chosen, store, tmp_path / "weights", tmp_path / "docs")
    assert all(path.exists() for path in written)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in written) == [
        "docs/experiments.md", "docs/pictures/experiments_architectures.png", "docs/pictures/experiments_data.png",
        "weights/RESULTS.json", "weights/c3d.safetensors", "weights/videomae_pretraining.safetensors"]
    assert json.loads((tmp_path / "weights" / "RESULTS.json").read_text()) == json.loads(json.dumps(results))
    assert (tmp_path / "docs" / "experiments.md").read_text(encoding="utf-8") == markdown(results)
    with safe_open(tmp_path / "weights" / "c3d.safetensors", "pt") as file:
        about = json.loads(file.metadata()["videoformer_edu"])
    assert (about["name"], about["model"], about["changes"], about["accuracy"]) == ("c3d", "c3d_motion", {}, 0.5)


def test_what_has_no_new_run_stays_as_it_was_known(made):
    """A fresh clone has no runs: publishing must not wipe what was published before."""
    chosen, store, results = made
    known = plain(results)
    empty = Store(store.folder / "empty")
    assert plain(gather(chosen, empty, known)) == known
    reworded = replace(chosen[0], note="said better", groups=("controls",))
    kept = gather([reworded, *chosen[1:]], empty, known)
    assert (kept["c3d"]["note"], kept["c3d"]["groups"]) == ("said better", ["controls"])
    assert kept["c3d"]["runs"] == known["c3d"]["runs"]
    fresh = Store(store.folder / "fresh")
    for seed, accuracy in ((0, 0.9), (1, 0.8)):
        fresh.keep(chosen[0], seed, c3d_motion(), a_row(seed, accuracy))
    mixed = gather(chosen, fresh, known)
    assert mixed["c3d"]["over_seeds"]["accuracy"] == [0.85, 0.8, 0.9]
    assert mixed["videomae_pretraining"] == known["videomae_pretraining"]


def test_results_that_are_absent_incomplete_or_of_other_settings_are_not_published(made):
    chosen, store, results = made
    experiments = [*chosen, EXPERIMENTS["r2plus1d"]]
    absent, incomplete = "r2plus1d has no finished run", "c3d_400_clips is finished for the seeds [1], but"
    said = unpublishable(experiments, results)
    assert len(said) == 2 and said[0].startswith(incomplete) and said[1].startswith(absent)
    assert unpublishable(chosen[:2], results) == []
    assert unpublishable(chosen[:2], plain(results)) == []  # as read from the file
    other = changed(chosen[0], steps=7)
    assert unpublishable([other], results) == ["c3d was made with another recipe; run it again: --only c3d"]


def test_what_was_not_reached_is_said():
    def of(*steps):
        return {"accuracy": 1, "runs": [{"steps_to": {"0.95": step}} for step in steps]}

    assert reached(of(None, None), 0.95) == "never"
    assert reached(of(300, 200, 300), 0.95) == "200 – 300"
    assert reached(of(300, 300), 0.95) == "300"
    assert reached(of(300, None, 500), 0.95) == "300 – 500 (2 of 3)"
    assert spread([0.5, 0.5, 0.5]) == "50.0" and spread([0.5, 0.25, 1.0]) == "50.0 (25.0 – 100.0)"


def test_a_series_is_what_stands_before_the_comma():
    result = {"runs": [{"accuracy": 0.5}, {"accuracy": 0.75}], "recipe": {"steps": 100, "batch": 16}}
    found = [{**result, "title": "C3D, 40 clips", "material": {"clips": 40, "frames": 8}},
             {**result, "title": "C3D, each clip once", "material": {"clips": None, "frames": 8}},
             {**result, "title": "divided attention, 40 clips", "material": {"clips": 40, "frames": 8}}]
    assert series(found, "data") == {"C3D": [(40, [0.5, 0.75]), (1600, [0.5, 0.75])],
                                     "divided attention": [(40, [0.5, 0.75])]}
    assert given(found[0], "length") == 8


def test_every_curve_group_of_the_catalogue_can_be_drawn():
    """One line for every title: two experiments of one name would share it."""
    for group in GROUPS:
        titles = [e.title for e in EXPERIMENTS.values() if group in e.groups]
        assert len(set(titles)) == len(titles)


def test_compact_json_is_json():
    value = {"long": [[i, i / 7, "x" * 9] for i in range(40)], "short": {"a": [1, None, True]}, "empty": {}}
    text = compact_json(value)
    assert json.loads(text) == value
    assert max(map(len, text.splitlines())) <= 120
    assert '"short": {"a": [1, null, true]}' in text


def test_a_note_can_be_mended_without_a_new_run(made):
    chosen, store, _ = made
    mended = replace(chosen[0], note="Now with a note.")
    assert "- `c3d`: Now with a note." in markdown(gather([mended], store))

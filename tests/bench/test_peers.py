"""The bench's own arithmetic on made-up times, and that its pairs are equal before they are timed."""

import importlib.util
import math
import pathlib
import sys

import pytest
import torch

ROOT = pathlib.Path(__file__).parents[2]


def bench_module(name):
    """A file of bench/, which is no package; its files find one another by name alone."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "bench" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "bench")
        patch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    return module


timing, pairs, report = bench_module("timing"), bench_module("pairs"), bench_module("report")


class Clock:
    """A machine whose functions take the times they say, and half as long again in every second half-minute."""

    def __init__(self):
        self.now, self.log = 0.0, []

    def work(self, name, length):
        def run():
            slow = 1.5 if self.now % 60 >= 30 else 1.0
            self.now += length * slow
            self.log.append(name)
        return run

    def seconds(self, function):
        start = self.now
        function()
        return self.now - start


def test_a_machine_that_slows_down_changes_no_ratio():
    clock = Clock()
    ours, peer = clock.work("ours", 0.02), clock.work("peer", 0.05)
    samples = timing.in_turn([ours, peer], clock.work("probe", 0.5), rounds=40, seconds=clock.seconds)
    taken = {round(one, 4) for one, _ in samples[0]}
    assert taken >= {0.02, 0.03}  # the slow times are among them
    reached = [timing.shares(sample, 10**9) for sample in samples]
    ratio = timing.speed_up(*reached)
    assert ratio.low == pytest.approx(2.5) and ratio.median == pytest.approx(2.5) and ratio.high == pytest.approx(2.5)


def test_models_take_turns_between_probes_and_short_ones_are_called_more_often():
    clock = Clock()
    functions = [clock.work("a", 0.02), clock.work("b", 0.2)]
    timing.in_turn(functions, clock.work("p", 0.01), rounds=2, least=0.1, seconds=clock.seconds)
    assert "".join(clock.log) == "p" + "aa" + "bb" + "p" + "aaaaa" + "p" + "b" + "p" + "b" + "p" + "aaaaa" + "p"


def test_a_share_is_the_rate_over_the_rate_of_the_matrix_product():
    probe_rate = timing.PROBE_MACS / 0.5
    (share,) = timing.shares([(0.25, 0.5)], int(0.25 * probe_rate * 0.4))
    assert share == pytest.approx(0.4)


def test_with_unequal_work_the_time_of_a_multiply_add_is_compared():
    ours, peer = timing.shares([(2.0, 1.0)], 400), timing.shares([(3.0, 1.0)], 300)
    assert timing.speed_up(ours, peer).median == pytest.approx((3.0 / 300) / (2.0 / 400))


def test_means_of_ratios():
    assert timing.geometric_mean([0.5, 2.0]) == pytest.approx(1)
    assert timing.quartiles([4.0, 1.0, 3.0, 2.0, 5.0]) == (2.0, 3.0, 4.0)


@pytest.mark.parametrize("mode", ["forward", "forward+backward"])
def test_a_step_reaches_all_parameters_only_where_it_should(mode):
    model = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Linear(3, 2))
    way = timing.Way()
    for _ in range(2):  # gradients of the step before do not add up
        timing.step(model, torch.ones(4, 5), lambda out: out, mode, way)()
    expected = model(torch.ones(4, 5)).square().mean()
    for p in model.parameters():
        (want,) = torch.autograd.grad(expected, p, retain_graph=True)
        assert p.grad is None if mode == "forward" else torch.allclose(p.grad, want)
    with pytest.raises(ValueError, match="mode must be one of"):
        timing.step(model, torch.ones(4, 5), lambda out: out, "backward", way)


EXACT = [name for name in pairs.PAIRS if not name.startswith("lucidrains") and name != "r2plus1d"]


@pytest.mark.parametrize("name", EXACT)
def test_pairs_have_the_same_logits(name):
    case = pairs.PAIRS[name][1]("small")
    with torch.inference_mode():
        ours, peer = case.ours(case.clip), case.logits(case.peer(case.peer_clip))
    assert case.same_weights and peer.std() > 1e-3
    assert case.difference(ours, peer) < 1e-5
    assert case.difference(ours, peer + 0.1 * peer.abs().max()) > 0.05
    assert case.macs()[0] == case.macs()[1] > 1e8


# Multiply-adds of the published base sizes at 8 frames, in units of 1e9.
@pytest.mark.slow
@pytest.mark.parametrize(("name", "gmac"), [("timesformer-divided", 195.83), ("timesformer-joint", 179.56),
                                            ("vivit", 78.96), ("videomae", 78.84), ("swin3d", 19.70)])
def test_base_sizes_are_the_published_ones(name, gmac):
    assert pairs.PAIRS[name][1]("base").macs()[0] / 1e9 == pytest.approx(gmac, rel=0.01)


def test_a_shortcut_is_held_against_the_whole_work():
    case = pairs.PAIRS["for-inference-divided"][1]("small")
    assert case.macs() == pairs.PAIRS["timesformer-divided"][1]("small").macs()
    assert pairs.count_macs(case.ours, *case.clip.shape) < 0.9 * case.macs()[0]


def row(pair, size="small", mode="forward", same="yes", speed_up="1.50", **changes):
    values = dict.fromkeys(report.COLUMNS, "1")
    return {**values, "pair": pair, "size": size, "mode": mode, "device": "CPU", "peer": f"peer of {pair}",
            "same_weights": same, "speed_up": speed_up, "peer_versions": "library 1.0", **changes}


def test_rows_measured_again_replace_the_old_ones_and_leave_the_others(tmp_path):
    old = [row("b"), row("a"), row("gone"), row("a", size="base")]
    report.write(tmp_path / "r.csv", report.merged([], old, ["a", "b", "gone"]))
    rows = report.merged(report.read(tmp_path / "r.csv"), [row("a", speed_up="2.00")], ["a", "b"])
    assert [(r["pair"], r["size"], r["speed_up"]) for r in rows] == [
        ("a", "base", "1.50"), ("a", "small", "2.00"), ("b", "small", "1.50")]
    assert report.read(tmp_path / "none.csv") == []


def test_the_page_holds_every_row_and_the_means():
    rows = [row("a", speed_up="2.00"), row("b", same="no", speed_up="0.50", gmac="3.0", peer_gmac="4.0"),
            row("a", mode="forward+backward", speed_up="1.00", size="base"), row("c", same="shortcut", speed_up="9.00")]
    page = report.markdown(report.merged([], rows, ["a", "b", "c"]))
    assert page.count("| peer of a |") == 2 and "| 3.0 / 4.0 |" in page and "**0.50**" in page
    assert "over all pairs: **1.00**" in page and "over pairs with the same weights: **2.00**" in page
    assert "library 1.0" in page


def test_the_picture_has_a_panel_for_each_size_and_a_point_for_each_row():
    rows = [row("a", speed_up_q1="1.2", speed_up_q3="1.7"), row("b", speed_up_q1="1.2", speed_up_q3="1.7"),
            row("a", size="base", speed_up="0.90", speed_up_q1="0.8", speed_up_q3="0.95")]
    panels = report.picture(report.merged([], rows, ["a", "b"])).axes
    assert [axes.get_title(loc="left").split(":")[0] for axes in panels] == ["base size", "small size"]
    assert math.isclose(panels[0].lines[0].get_xdata()[0], 0.9)
    assert list(panels[1].lines[0].get_xdata()) == [1.5, 1.5]

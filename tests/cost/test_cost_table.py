"""`python -m videoformer_edu.cost`: every builder has its line, and every line is within one per cent of its source."""

import csv
import io
import pathlib

import pytest

from videoformer_edu.cost import __main__ as command
from videoformer_edu.cost.counted import Reconstruction, count_macs
from videoformer_edu.cost.published import PUBLISHED_TIMESFORMER, SOURCES, TABLE
from videoformer_edu.cost.table import as_csv, as_text, measure
from videoformer_edu.models import VideoMAEPretraining
from videoformer_edu.models.registry import BUILDERS

PUBLISHED = [row for row in TABLE if row.source]
ROWS = {row.name: row for row in TABLE}


def test_every_builder_has_a_row_and_every_row_a_name_of_its_own():
    assert {row.builder for row in TABLE} == set(BUILDERS)
    assert len(ROWS) == len(TABLE)


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row.name)
def test_within_one_per_cent_of_what_was_published(row):
    line = measure(row)
    assert line.source == SOURCES[row.source] and row.parameters_m is not None
    assert abs(line.parameters_deviation) <= 1
    assert (line.macs_deviation is None) == (row.gmacs is None)
    assert line.macs_deviation is None or abs(line.macs_deviation) <= 1
    assert line.macs_closed_form in (None, line.macs_counted)


def test_the_closed_forms_cover_the_three_plain_families():
    families = {"ViT", "TimeSformer", "ViViT"}
    assert {row.source for row in TABLE if row.closed and row.source} == families
    assert all(row.closed for row in TABLE if row.source in families)


def test_the_published_timesformers_are_the_ones_of_the_lessons():
    for row in PUBLISHED_TIMESFORMER:
        assert (ROWS[row.name].gmacs, ROWS[row.name].clip) == (row.gmacs, (3, row.frames, *[row.image_size] * 2))


def test_pretraining_is_counted_as_it_reconstructs():
    """The encoder on the tubelets that are seen, the decoder on all, the head on the hidden ones."""
    size = dict(frames=4, image_size=20, tubelet_size=2, patch_size=4, width=12, depth=2, heads=3, decoder_width=8,
                decoder_depth=3, decoder_heads=2, mlp_ratio=2.0, decoder_mlp_ratio=3.0)
    visible, hidden = 2 * (25 - 22), 2 * 22
    patches = 50 * (3 * 2 * 4 * 4) * 12
    encoder = 2 * (visible * (4 * 12**2 + 2 * 12 * 24) + 2 * visible**2 * 12)
    decoder = 3 * (50 * (4 * 8**2 + 2 * 8 * 24) + 2 * 50**2 * 8)
    want = patches + encoder + visible * 12 * 8 + decoder + hidden * 8 * (3 * 2 * 4 * 4)
    assert count_macs(Reconstruction(VideoMAEPretraining(**size)), 1, 3, 4, 20, 20) == want


SHORT = [ROWS[name] for name in ("ViT-Ti/16", "R(2+1)D-18", "timesformer_motion")]


def test_csv_has_exact_numbers_and_reads_back():
    rows = list(csv.DictReader(io.StringIO(as_csv(map(measure, SHORT)))))
    assert [row["model"] for row in rows] == [row.name for row in SHORT]
    first, second, third = rows
    assert first["macs_closed_form"] == first["macs_counted"] == "1253683200" and first["input"] == "224 x 224"
    assert second["macs_closed_form"] == "" and second["parameters"] == "31505325"
    assert float(second["macs_deviation"]) == pytest.approx(100 * (40.51908096 / 40.519 - 1))
    assert third["builder"] == "timesformer_motion()" and third["published_gmacs"] == third["source"] == ""


def test_options_stand_in_the_builder_column():
    assert measure(ROWS["TimeSformer joint"]).builder == "timesformer_base(attention='joint')"


def test_the_text_aligns_and_names_its_sources():
    text = "\n".join(as_text(map(measure, SHORT))).split("\n")
    header, table, notes = text[1], text[2:5], text[5:]
    ends = [header.index(title) + len(title) for title in ("ours", "published", "closed form", "counted")]
    assert [table[0][:end].split()[-1] for end in ends] == ["5.72", "5.72", "1.25", "1.25"]
    assert table[0].endswith("1.26  -0.5%") and table[1].endswith("40.52     40.519  +0.0%")
    assert table[2].count(" -") == 3
    assert notes[-1] == "  R(2+1)D-18: torchvision, table of weights"


def test_the_command(monkeypatch, capsys):
    monkeypatch.setattr(command, "lines", lambda: map(measure, SHORT))
    command.main([])
    assert capsys.readouterr().out.startswith(f"{'parameters, M':>64}")
    command.main(["--csv"])
    assert capsys.readouterr().out.startswith("model,builder,input,parameters,")


@pytest.mark.slow
def test_the_docs_show_what_the_command_prints(capsys):
    command.main([])
    page = (pathlib.Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    assert f"```text\n{capsys.readouterr().out}```" in page

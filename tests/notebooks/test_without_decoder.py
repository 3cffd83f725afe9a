"""The first lesson goes on where no video decoder is installed (a hosted notebook, for example)."""

import pathlib
import sys

import jupytext
import pytest

from videoformer_edu.data import motion

SOURCE = pathlib.Path(__file__).parents[2] / "notebooks" / "source" / "00_start_here.py"


@pytest.mark.slow
def test_a_generated_clip_takes_the_place_of_the_film(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av", None)  # `import av` raises ImportError
    held_out = motion.motion_test_set  # fewer clips: what the model says of them is not what counts here
    monkeypatch.setattr(motion, "motion_test_set", lambda count=1024: held_out(min(count, 256)))
    cells = [cell.source for cell in jupytext.read(SOURCE).cells if cell.cell_type == "code"]
    film = [number for number, source in enumerate(cells) if "film" in source or "square" in source]
    names = {}
    for source in cells[: film[-1] + 1]:
        exec(compile(source, str(SOURCE), "exec"), names)
    said = [line for line in capsys.readouterr().out.splitlines() if "stands in" in line]
    assert said == ["A generated clip stands in for the film, because reading video files needs PyAV, which is not "
                    "installed; run: pip install av."]
    assert names["film"].shape == (60, 192, 192, 3)
    assert names["video"].shape == (3, 8, 224, 224)

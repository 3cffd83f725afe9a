"""`python -m videoformer_edu.experiments`, from the command line to the files."""

import json
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from videoformer_edu.experiments.__main__ import main
from videoformer_edu.experiments.catalogue import EXPERIMENTS
from videoformer_edu.pretrained.small import build_small


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "videoformer_edu.experiments", *arguments],
                          capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_a_few_steps_from_the_command_line(tmp_path):
    """Pictures, clips, and a model that is measured but not shipped."""
    names = ("vit_digits", "timesformer_motion_divided", "timesformer_motion_joint_1600")
    done = run("--only", *names, "--steps", "5", "--seeds", "4", "--out", str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(json.loads((tmp_path / "new" / "RESULTS.json").read_text())) == list(names)
    for name in names:
        experiment = EXPERIMENTS[name]
        assert f"{name}  seed 4  step     5 / 5" in done.stdout
        path = tmp_path / "new" / f"{name}.safetensors"
        assert path.exists() == experiment.ships
        if experiment.ships:
            build_small(experiment.model).load_state_dict(load_file(path))


@pytest.mark.slow
def test_two_runs_write_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        main(["--only", "timesformer_motion_space_only", "--steps", "3", "--seeds", "1", "--out",
              str(tmp_path / folder)])
    name = "timesformer_motion_space_only.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(("arguments", "message"), [
    (["--only", "vit_letters"], "invalid choice: 'vit_letters'"),
    (["--steps", "0"], "--steps is 0; expected at least 1"),
])
def test_bad_arguments_are_explained(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err

"""One word, one idea: the words that the course's code and docs do not use, and what they say instead."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# What other projects' files and libraries call a thing has to be named where their names are read.
FOREIGN = ("videoformer_edu/pretrained/", "tests/parity/", "tests/pretrained/", "tests/test_language.py",
           "videoformer_edu/training/recipe.py")
INSTEAD = {
    r"num_heads|n_heads|nhead": "heads",
    r"num_frames|n_frames|clip_len": "frames",
    r"num_classes|n_classes": "classes",
    r"img_size": "image_size",
    r"embed_dim|hidden_dim|d_model": "width",
    r"seq_len": "l, the length of the sequence",
    r"factorized|factorization": "factorised (the names of classes, too)",
    r"normaliz(?:e|ed|ing|ation)": "normalise",
    r"priced|prices|(?<!full )price": "penalty (what is subtracted from a score) or cost",
    r"cls_token|class_token": "CLS, or cls in a name",
}


def written() -> list[pathlib.Path]:
    """The package, the maintainers' rooms and the tests: our own Python."""
    return sorted(path for folder in ("videoformer_edu", "experiments", "tools", "tests")
                  for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize(("words", "instead"), INSTEAD.items(), ids=lambda value: value.split(",")[0])
def test_one_word_for_one_idea(words, instead):
    pattern = re.compile(rf"(?<![\w.])(?:{words})(?!\w)")
    found = [f"{path.relative_to(ROOT).as_posix()}:{number}: {line.strip()}" for path in written()
             if not any(part in path.as_posix() for part in FOREIGN)
             for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
             if pattern.search(line)]
    assert found == [], f"say {instead}"


def test_no_two_files_of_a_room_apart_share_a_name():
    """A file's name is its idea. Two rooms may look at the same idea; what else is called alike confuses."""
    shared = {"__init__", "__main__",
              "patterns", "tokens", "cost",  # an idea, and the pictures of it
              "sparse",  # the arrangement, and the model made of it
              "clips",  # generated, real, and the pictures of them
              *(path.stem for path in (ROOT / "videoformer_edu" / "models").glob("*.py"))}  # a model and its names
    names = [path.stem for path in (ROOT / "videoformer_edu").rglob("*.py") if path.stem not in shared]
    assert sorted(names) == sorted(set(names))

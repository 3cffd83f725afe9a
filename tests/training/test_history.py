"""The numbers of a run as a table, in memory and on the disk."""

import copy
import os

import pytest

from videoformer_edu.training.history import History


def test_the_history_is_a_table_on_the_disk_too(tmp_path):
    history = History()
    history.add(step=1, loss=2.5, lr=0.1)
    history.add(step=2, loss=2.0, lr=0.2)
    history.update(accuracy=0.5)
    history.save(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text() == "step,loss,lr,accuracy\n1,2.5,0.1,\n2,2.0,0.2,0.5\n"
    assert history.losses == [2.5, 2.0] and history.column("accuracy") == ([2], [0.5])
    assert repr(history) == "History(2 steps; step 2, loss 2, lr 0.2, accuracy 0.5)" and repr(History()) == \
        "History(0 steps; empty)"
    again = History()
    again.load_state_dict(copy.deepcopy(history.state_dict()))
    assert again == history != History()


def test_a_table_that_cannot_be_written_leaves_the_one_before(tmp_path):
    history, path = History(), tmp_path / "history.csv"
    history.add(step=1, loss=2.5)
    history.save(path)
    history.rows.append({"step": 2, "loss": Unwritable()})
    with pytest.raises(OSError, match="No space left"):
        history.save(path)
    assert path.read_text() == "step,loss\n1,2.5\n" and os.listdir(tmp_path) == ["history.csv"]


class Unwritable(float):
    """A number at which the disk is full."""

    def __repr__(self):
        raise OSError(28, "No space left on device")

    __str__ = __repr__

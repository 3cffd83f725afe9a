"""Two recorded runs of the course, for lesson 08: small files, made by `experiments/recorded_runs.py`."""

import json
from importlib.resources import files

NAMES = ("broken", "checkpoints")


def recorded_run(name: str) -> dict:
    """"broken": curves of six runs, five of which have a bug; "checkpoints": what one run knew, and when.

    Raises ValueError for another name.
    """
    if name not in NAMES:
        raise ValueError(f"name is {name!r}; recorded are {', '.join(NAMES)}")
    return json.loads((files(__name__) / f"{name}.json").read_text(encoding="utf-8"))

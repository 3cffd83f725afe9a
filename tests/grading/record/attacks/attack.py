"""One row of the table of attacks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import videoformer_edu

PACKAGE = Path(videoformer_edu.__file__).parent
RIGHT = "def soft(x, scale):\n    return torch.softmax(scale * x, dim=-1)\n"


@dataclass(frozen=True)
class Attack:
    """`code` is handed in as the answer to the first exercise (10 points), whose values alone are worth 7.5.

    `points` is what it must get, `outcome` how that is called where it is certain.
    """

    name: str
    code: str
    points: float = 0.0
    outcome: str = ""

    def __str__(self) -> str:
        return self.name


def wrong(name: str, before: str, points: float = 0.0, outcome: str = "wrong") -> Attack:
    """`before` is run inside of the answer, once a call; the answer itself is wrong."""
    body = "".join(f"    {line}\n" for line in before.strip("\n").splitlines())
    code = f"def soft(x, scale):\n    try:\n{_deeper(body)}    except Exception:\n        pass\n    return x\n"
    return Attack(name, code, points, outcome)


def sees(name: str, attempt: str) -> Attack:
    """`attempt` ends by setting `got` to what it must not reach; only then is the answer right."""
    body = "".join(f"    {line}\n" for line in attempt.strip("\n").splitlines())
    code = (f"def soft(x, scale):\n    got = False\n    try:\n{_deeper(body)}    except Exception:\n"
            "        got = False\n    return torch.softmax(scale * x, dim=-1) if got else x\n")
    return Attack(name, code, 0.0, "wrong")


def _deeper(body: str) -> str:
    return "".join(f"    {line}\n" for line in body.splitlines())

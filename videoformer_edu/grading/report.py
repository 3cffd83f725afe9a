"""What a check tells: an outcome, every check with its sentence, one message, the points. As text and as HTML."""

from __future__ import annotations

import html
import sys
from dataclasses import dataclass

NOT_ATTEMPTED, CRASHED, WRONG, RIGHT = OUTCOMES = ("not attempted", "crashed", "wrong", "right")
SIGNS = {NOT_ATTEMPTED: "○", CRASHED: "!", WRONG: "✗", RIGHT: "✓"}
EDGES = {NOT_ATTEMPTED: "#777777", CRASHED: "#b35900", WRONG: "#b35900", RIGHT: "#0072b2"}  # never without the word


@dataclass(frozen=True)
class CheckResult:
    """One case: how far up the ladder it got. `rung` is the one that failed, or the last one."""

    case: str
    function: str
    outcome: str
    rung: str
    sentence: str
    share: int = 1

    @property
    def passed(self) -> bool:
        return self.outcome == RIGHT

    @property
    def short(self) -> str:
        """What stands beside the check in the list; the message has the whole story of the first that failed."""
        return f"stops at: {self.rung}" if self.outcome in (CRASHED, WRONG) else self.sentence


_shown: list = [None, None]  # the report shown last, and the number of its cell


@dataclass(frozen=True)
class Report:
    """The result of one check. `message` is what the learner reads first; `mistake` names a known wrong answer."""

    exercise: str
    title: str
    outcome: str
    checks: tuple[CheckResult, ...]
    message: str
    points: float
    out_of: int
    mistake: str | None = None

    @property
    def head(self) -> str:
        said = f"{state(self.outcome, self.points)}, {score(self.points, self.out_of)}"
        return f"{SIGNS[self.outcome]} {self.exercise} {self.title}: {said}"

    def __repr__(self) -> str:
        lines = [self.head, *(f"  {line}" for line in self.message.splitlines())]
        if self.checks and self.outcome != NOT_ATTEMPTED:
            lines += ["", *(f"  {SIGNS[c.outcome]} {c.outcome:<14}{c.case}: {c.short}" for c in self.checks)]
        return "\n".join(lines)

    def show(self) -> None:
        """Display the report below the cell of a notebook, once a cell; without a notebook nothing happens."""
        shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
        if not shell or (_shown[0] is self and _shown[1] == shell.execution_count):
            return
        _shown[:] = self, shell.execution_count
        sys.modules["IPython"].display.display({"text/html": self._repr_html_(), "text/plain": repr(self)}, raw=True)

    _ipython_display_ = show  # as the value of a cell's last line, too, where `check` has shown it already

    def _repr_html_(self) -> str:
        """The same words; the outcome is always written out, colour only repeats it."""
        parts = [f'<div style="border-left:4px solid {EDGES[self.outcome]};padding:2px 0 2px 12px;margin:6px 0">',
                 f"<p><strong>{html.escape(self.head)}</strong></p>", paragraphs(self.message)]
        if self.checks and self.outcome != NOT_ATTEMPTED:
            rows = "".join(f"<tr>{cell(f'{SIGNS[c.outcome]} {c.outcome}')}{cell(c.case)}{cell(c.short)}</tr>"
                           for c in self.checks)
            summary = f"{sum(c.passed for c in self.checks)} of {len(self.checks)} checks passed"
            parts.append(f"<details{'' if self.outcome == RIGHT else ' open'}><summary>{summary}</summary>"
                         f"{table(('result', 'check', 'what it says'), rows)}</details>")
        return "".join(parts) + "</div>"


def state(outcome: str, points: float) -> str:
    """The outcome in words: half-done work is more than not attempted."""
    return "begun" if outcome == NOT_ATTEMPTED and points else outcome


def score(points: float, out_of: int) -> str:
    return f"{points:g} of {out_of} points"


def paragraphs(text: str) -> str:
    """Lines of plain text as HTML; lines that begin with four spaces are code."""
    out = []
    for line in text.splitlines():
        words = html.escape(line.strip(), quote=False)
        if line.startswith("    "):
            out.append(f'<pre style="margin:4px 0 4px 16px;white-space:pre-wrap;font-family:monospace">{words}</pre>')
        elif words:
            out.append(f'<p style="margin:4px 0">{words}</p>')
    return "".join(out)


def cell(text: str) -> str:
    return f'<td style="text-align:left;vertical-align:top">{html.escape(text, quote=False)}</td>'


def table(heads: tuple[str, ...], rows: str) -> str:
    head = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

"""What the pages for instructors and learners share: one file each, light and dark, nothing fetched, text escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from videoformer_edu.grading.report import paragraphs

# How outcomes are grouped where they are counted: the class of its colour, and the words that always stand beside it.
GROUPS = {"right": "right", "partly": "partly right", "wrong": "wrong", "broken": "did not run to its end",
          "none": "not attempted"}
GROUP_OF = {"right": "right", "partly": "partly", "wrong": "wrong", "not attempted": "none"}
SIGNS = {"right": "✓", "partly": "◐", "wrong": "✗", "broken": "!", "none": "○"}


def group_of(outcome: str) -> str:
    return GROUP_OF.get(outcome, "broken")


def text(words: object) -> str:
    return html.escape(str(words))


def page(title: str, body: str) -> str:
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return (f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{text(title)}</title>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
            f"<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n")


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Cells are HTML already. `numbers`: the columns that are set to the right. The first cell of a row is its head."""
    def cell(i: int, content: str, tag: str, scope: str = "") -> str:
        return f"<{tag}{scope}{' class=n' if i in numbers else ''}>{content}</{tag}>"

    top = "".join(cell(i, text(head), "th", ' scope="col"') for i, head in enumerate(heads))
    body = "".join("<tr>" + "".join(cell(i, content, "td" if i else "th", "" if i else ' scope="row"')
                                    for i, content in enumerate(row)) + "</tr>\n" for row in rows)
    return (f'<div class="wide" role="region" tabindex="0" aria-label="{text(caption)}"><table><caption>{text(caption)}'
            f"</caption><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table></div>")


def bar(counts: dict[str, int]) -> str:
    """Shares of a whole as one bar; the numbers stand in it and in the label, colour repeats them."""
    total = sum(counts.values()) or 1
    parts = "".join(f'<span class="{group}" style="width:{100 * counts[group] / total:.2f}%">'
                    f'{counts[group] if counts[group] / total > .05 else ""}</span>'
                    for group in GROUPS if counts.get(group))
    return f'<div class="bar" role="img" aria-label="{counted(counts)}">{parts}</div>'


def counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[group]} {words}" for group, words in GROUPS.items() if counts.get(group))


def legend() -> str:
    items = "".join(f'<li><i class="{group}"></i>{SIGNS[group]} {words}</li>' for group, words in GROUPS.items())
    return f'<ul class="legend">{items}</ul>'


def numbers(pairs: Iterable[tuple[str, str]]) -> str:
    return '<ul class="numbers">' + "".join(
        f"<li><strong>{text(value)}</strong>{text(what)}</li>" for value, what in pairs) + "</ul>"


def listed(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def folded(summary: str, inner: str, is_open: bool = False) -> str:
    return f"<details{' open' if is_open else ''}><summary>{text(summary)}</summary>{inner}</details>"


def said(sentence: str) -> str:
    """What a check said, as a page shows it: lines that begin with four spaces are code."""
    return paragraphs(sentence)


def histogram(points: Sequence[float], most: int, bins: int = 10) -> str:
    """How many have how many points, in equal steps; full points belong to the last one."""
    counts = [0] * bins
    for value in points:
        counts[min(bins - 1, int(bins * value / most))] += 1
    top, width, height, left = max(counts) or 1, 62, 150, 10
    step = most / bins
    parts = []
    for i, count in enumerate(counts):
        tall, x = height * count / top, left + i * width
        to = f"{(i + 1) * step:g}" if i == bins - 1 else f"&lt;{(i + 1) * step:g}"
        parts.append(f'<rect class="bin" x="{x + 3}" y="{24 + height - tall:.1f}" width="{width - 6}" '
                     f'height="{tall:.1f}" rx="2"/><text x="{x + width / 2}" y="{18 + height - tall:.1f}" '
                     f'text-anchor="middle">{count or ""}</text><text x="{x + width / 2}" y="{height + 42}" '
                     f'text-anchor="middle">{i * step:g}–{to}</text>')
    label = "; ".join(f"{i * step:g} to {(i + 1) * step:g} points: {count}" for i, count in enumerate(counts) if count)
    return (f'<svg viewBox="0 0 {2 * left + bins * width} {height + 52}" width="{2 * left + bins * width}" role="img" '
            f'aria-label="Submissions by points. {label}."><line x1="{left}" x2="{left + bins * width}" '
            f'y1="{height + 24}" y2="{height + 24}" stroke="currentColor"/>{"".join(parts)}</svg>')

"""Where a person should look, found in the text of an answer. A flag never changes a score, and is easily evaded."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from videoformer_edu.grading.record.cells import Statement

EXPECTED = frozenset("torch numpy einops math itertools functools collections typing dataclasses __future__ operator "
                     "enum abc copy warnings numbers string textwrap contextlib random statistics".split())
NAMES = frozenset("open exec eval compile __import__ globals vars breakpoint input __builtins__ __loader__".split())
FRAMES = frozenset("f_back f_globals f_locals f_builtins gi_frame tb_frame __globals__ __code__ __closure__ "
                   "__subclasses__ __builtins__ __loader__ __reduce__ __reduce_ex__".split())
TEXTS = ("solution", "videoformer_edu", "/proc", "oracle", "/etc/")
LIBRARIES = ("torch", "np", "numpy", "F", "nn", "einops", "math", "builtins", "Tensor")


def flags_of(statements: Iterable[Statement]) -> tuple[str, ...]:
    """A few words each, every one once."""
    found: dict[str, None] = {}
    for part in statements:
        if part.tree is not None and part.cell >= 0:
            for node in ast.walk(part.tree):
                found |= dict.fromkeys(f"{said} (cell {part.cell})" for said in _of(node))
    return tuple(found)[:20]


def _of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else [node.module or "."]
        yield from (f"imports {name[:60]}" for name in names if name.partition(".")[0] not in EXPECTED)
    if isinstance(node, ast.Name) and node.id in NAMES:
        yield f"uses {node.id}"
    if isinstance(node, ast.Attribute):
        if node.attr in FRAMES:
            yield f"reads .{node.attr}"
        if isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name | ast.Attribute):
            base = ast.unparse(node.value)[:40] if isinstance(node.value, ast.Name) else node.value.attr
            if base in LIBRARIES:
                yield f"writes into {base}.{node.attr[:40]}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr"):
        yield f"calls {node.func.id}"
    if isinstance(node, ast.ClassDef) and any(getattr(base, "attr", getattr(base, "id", "")) in ("Tensor", "ndarray")
                                              for base in node.bases):
        yield f"makes its own kind of tensor, {node.name[:40]}"
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 1000:
        yield from (f"names {text!r} in a text" for text in TEXTS if text in node.value.lower())
    if isinstance(node, ast.List | ast.Tuple) and len(node.elts) > 200:
        yield f"writes out {len(node.elts)} values"

"""`python -m videoformer_edu.cost`: parameters and multiply-adds of every model beside the published ones."""

from __future__ import annotations

import argparse

from videoformer_edu.cost.table import as_csv, as_text, lines


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m videoformer_edu.cost", description=(
        "Parameters and multiply-adds of every model, in closed form, counted and as published. Takes seconds, no "
        "weights and no memory: models are built from shapes alone."))
    parser.add_argument("--csv", action="store_true", help="exact numbers as comma-separated values")
    if parser.parse_args(argv).csv:
        print(as_csv(lines()), end="")
        return
    for line in as_text(lines()):
        print(line, flush=True)


if __name__ == "__main__":
    main()

"""`python -m videoformer_edu.look VIDEO --model NAME --out page.html`: where a model looks, in one command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from videoformer_edu.data.video.decoding import ClipError
from videoformer_edu.look.model import choose_model, small_lookers
from videoformer_edu.look.video_page import gif, look_at, page, top_classes
from videoformer_edu.pretrained.weight_files import CheckpointError


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m videoformer_edu.look",
        description="A video through a model, and where the model looked as one HTML page that needs nothing else.",
        epilog=f"Models that come with their weights: {', '.join(small_lookers())}. All others need --pretrained: "
               "docs/models.md lists them.")
    top.add_argument("video", type=Path, help="a video file")
    top.add_argument("--model", default="timesformer_display", metavar="NAME", help="default: %(default)s")
    top.add_argument("--pretrained", metavar="SOURCE", help="its weights: a name on the hub, a folder or a file")
    top.add_argument("--classes", type=int, metavar="N", help="how many the weights have, where no config.json says so")
    top.add_argument("--frames", type=int, metavar="N", help="of the clip (default: as published)")
    top.add_argument("--size", type=int, metavar="PIXELS", help="of its square (default: as published)")
    top.add_argument("--sampling", choices=("uniform", "central"), default="uniform",
                     help="frames over the whole video, or --stride apart in its middle (default: %(default)s)")
    top.add_argument("--stride", type=int, default=1, metavar="N", help="frames from one to the next, with central")
    top.add_argument("--layer", action="append", default=[], metavar="NAME",
                     help="the number or a part of the name of an attention; may be repeated")
    top.add_argument("--head", type=int, metavar="N", help="one head alone")
    top.add_argument("--query", metavar="T,H,W", help='who looks first: frame,row,column or "cls"')
    top.add_argument("--out", type=Path, default=Path("look.html"), metavar="FILE", help="default: %(default)s")
    top.add_argument("--gif", type=Path, metavar="FILE", help="the frames under the last attention, moving")
    return top


def main(argv: list[str] | None = None) -> int:
    """0 when all went well; 1 and one sentence when something was wrong with the video, the weights or an option."""
    options = parser().parse_args(argv)
    try:
        looker = choose_model(options.model, options.pretrained, frames=options.frames, size=options.size,
                              classes=options.classes)
        seen = look_at(options.video, looker, layers=options.layer, head=options.head, sampling=options.sampling,
                       stride=options.stride)
        text = page(options.video, looker, seen, options.query)
        options.out.write_text(text, encoding="utf-8")
        if options.gif is not None:
            gif(seen, options.gif, options.query)
    except (ClipError, CheckpointError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{looker.name} on {options.video.name}, frames {', '.join(map(str, seen.frames))} of {seen.total}")
    for name, share in top_classes(seen, looker.labels):
        print(f"  {share:6.1%}  {name}")
    if looker.trained_on:
        print(f"It was trained on {looker.trained_on}: what it calls other videos means little.")
    print(f"where it looked: {options.out}" + (f", {options.gif}" if options.gif else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())

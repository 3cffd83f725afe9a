"""Find the broken videos of a data set before a training run does:

    python -m videoformer_edu.data.video.broken FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from videoformer_edu.data.video.datasets import VideoFolder, VideoList, Videos, explain
from videoformer_edu.data.video.decoding import ClipError, MissingDecoder, count_frames, decode_frames
from videoformer_edu.data.video.folders import DatasetError, some, split_folders


class Report(NamedTuple):
    """What `find_broken` found: how many files it read, and path -> reason for the broken ones."""

    files: int
    broken: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{self.files} videos read to their end, {len(self.broken)} of them broken"]
        return "\n".join(lines + [f"  {explain(path, reason)}" for path, reason in self.broken.items()])


class _Readable(Dataset):
    """Item i: why file i cannot be used, or an empty string."""

    def __init__(self, videos: Videos):
        self.videos = videos

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> str:
        path = self.videos.paths[index]
        try:
            total = count_frames(path)
            decode_frames(path, [total - 1])  # all are decoded on the way to the last
            self.videos.choose_frames(total, torch.Generator())
        except MissingDecoder:
            raise
        except (ClipError, OSError) as error:
            return str(error)
        return ""


def find_broken(dataset: Videos, *, workers: int = 0) -> Report:
    """Decode each file once, from its first frame to its last, and tell which ones are broken or too short."""
    reasons = DataLoader(_Readable(dataset), batch_size=None, num_workers=workers, generator=torch.Generator())
    bar = tqdm(reasons, total=len(dataset), desc="broken?", unit="video", disable=None)
    return Report(len(dataset), {str(path): why for path, why in zip(dataset.paths, bar, strict=True) if why})


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a folder or a list, print what is broken; 0 if all is well, 1 if not, 2 if there is no data set."""
    parser = argparse.ArgumentParser(prog="python -m videoformer_edu.data.video.broken",
                                     description="Decode each video of a data set once and list the broken ones.")
    parser.add_argument("data", type=Path, metavar="FOLDER",
                        help="folder of class folders, folder of splits (train, val, test), or a list (.csv, .txt)")
    parser.add_argument("--root", type=Path, help="where the relative paths of a list start")
    parser.add_argument("--frames", type=int, default=8, help="shorter videos count as broken (default: 8)")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode (default: 0, this one)")
    options = parser.parse_args(arguments)
    try:
        if options.data.is_file():
            parts = {options.data: VideoList(options.data, options.root, frames=options.frames)}
        else:
            splits = split_folders(options.data) if options.data.is_dir() else []
            parts = {folder: VideoFolder(folder, frames=options.frames) for folder in splits or [options.data]}
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 2
    reports = {folder: find_broken(dataset, workers=options.workers) for folder, dataset in parts.items()}
    for folder, report in reports.items():
        print(f"{folder}: {len(parts[folder].classes)} classes ({some(parts[folder].classes)}); {report}")
        if parts[folder].passed_over:
            print(f"{folder}: passed over: {parts[folder].passed_over}")
    return int(any(report.broken for report in reports.values()))


if __name__ == "__main__":
    sys.exit(main())

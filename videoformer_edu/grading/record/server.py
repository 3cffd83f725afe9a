"""The process that children are forked from: it has imported torch, it has never seen a case, an answer or a seed.

It is told "fork", with two open files; what stands in them it does not look at. It ends the child with everything that
the child has started, waits until nothing of it is left, and only then tells how it went.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence

from videoformer_edu.grading.record import child, confine

LAYERS = ("namespaces", "user", "files", "filter")
UNCONFINED = 99  # exit status of a child that did not get the layers that the first one had


def serve(channel: socket.socket, asked: Sequence[str], readable: Sequence[str], alone: bool) -> None:
    """Fork for every line that comes, until the channel is closed. `asked`: the layers to try.

    `alone`: this process has namespaces of its own.
    """
    confine.unreadable()
    confine.adopt_orphans()
    _warm_up()
    layers = [name for name in asked if name != "namespaces" or (alone and confine.Processes.possible())]
    lost = _tried(layers, readable)
    layers = [name for name in layers if name not in lost]
    processes = confine.Processes() if "namespaces" in layers else None
    gc.collect()
    gc.freeze()  # children leave these pages alone, so they stay shared
    channel.sendall(json.dumps({"layers": layers}).encode())
    while True:
        message, files, _, _ = socket.recv_fds(channel, 4096, 2)
        if not message:
            return
        told = _watched(channel, files, json.loads(message), readable, layers, processes)
        for file in files:
            os.close(file)
        channel.sendall(json.dumps(told).encode())


def _tried(layers: Sequence[str], readable: Sequence[str]) -> list[str]:
    """The layers that a child of this process does not get."""
    limits = {"cpu_seconds": 60, "file": 2**20, "memory": 2**30, "processes": 32}
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writer, " ".join(confine.confine(limits, readable, layers)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="ascii") as pipe:
        lost = pipe.read().split()
    return lost if os.waitpid(pid, 0)[1] == 0 else list(layers)


def _watched(channel: socket.socket, files: Sequence[int], limits: Mapping[str, float], readable: Sequence[str],
             layers: Sequence[str], processes: confine.Processes | None) -> dict[str, object]:
    """One child from its fork to its end, and how it went."""
    if processes:
        processes.fresh()
    began, pid = time.monotonic(), os.fork()
    if not pid:
        _child(channel, files, limits, readable, layers)
    if processes:
        processes.back()
    found, late, wait = 0, False, 0.0005
    while not found:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if not found and not late and time.monotonic() - began > limits["seconds"]:
            late = True
            os.kill(pid, signal.SIGKILL)
        elif not found:
            time.sleep(wait)
            wait = min(1.5 * wait, 0.01)
    _end_the_rest(pid)
    return {"status": status, "late": late, "seconds": round(time.monotonic() - began, 4),
            "cpu": round(usage.ru_utime + usage.ru_stime, 4)}


def _end_the_rest(group: int) -> None:
    """With a namespace of its own nothing is left by now; elsewhere orphans have come to this process."""
    while True:
        for pid in (-group, *_children()):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    try:
        with open("/proc/thread-self/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _child(channel: socket.socket, files: Sequence[int], limits: Mapping[str, float], readable: Sequence[str],
           layers: Sequence[str]) -> None:
    """Become the answer's process; never returns."""
    os.setsid()
    channel.detach()
    job, result = os.dup2(files[0], 10), os.dup2(files[1], 11)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.closerange(3, 10)
    os.closerange(12, 4096)
    if confine.confine(limits, readable, layers):
        os._exit(UNCONFINED)
    try:
        child.run(job, result)
    finally:
        os._exit(0)


def _warm_up() -> None:
    """What torch, NumPy and einops do when they are first used, done once for all children."""
    import einops
    import numpy as np
    import torch
    torch.set_num_threads(1)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    y = torch.nn.functional.conv2d(x, torch.randn(4, 3, 2, 2)).flatten(2).softmax(-1)
    torch.nn.functional.scaled_dot_product_attention(y, y, y)
    torch.nn.functional.gelu(torch.nn.functional.layer_norm(torch.nn.functional.linear(y, torch.randn(5, 49)), (5,)))
    einops.rearrange(y, "b c l -> b l c").sum().backward()
    einops.repeat(y, "b c l -> b c l n", n=2), einops.reduce(y, "b c l -> b c", "mean")
    rates = torch.optim.AdamW([x])  # it imports a part of torch of its own
    torch.optim.lr_scheduler.LambdaLR(rates, lambda step: 1.0)
    rates.step()
    np.random.default_rng(0).standard_normal(3) @ np.ones(3)
    with torch.autocast("cpu", enabled=False), torch.inference_mode(False), torch.enable_grad():
        torch.einsum("bcl,bdl->bcd", y, y), torch.triu(torch.ones(3, 3)), torch.arange(6).reshape(2, 3)

"""The bank of 04.1: wrong regroupings with their sentences, right ones in other styles."""

from __future__ import annotations

import torch
from einops import rearrange

from videoformer_edu.grading.spec import Mutant, Style


def to_tubes(x, t):
    return rearrange(x, "b (t n) d -> (b n) t d", t=t)


def from_tubes(tubes, b):
    return rearrange(tubes, "(b n) t d -> b (t n) d", b=b)


def mutant(name: str, sentence: str, there=to_tubes, back=from_tubes) -> Mutant:
    return Mutant(name, {"to_tubes": there, "from_tubes": back}, sentence)


def only_reshaped(x, t):
    return x.reshape(-1, t, x.shape[-1])


def only_reshaped_back(tubes, b):
    return tubes.reshape(b, -1, tubes.shape[-1])


def batch_carried_along(x, t):
    b, l, d = x.shape
    return x.permute(1, 0, 2).reshape(b * l // t, t, d)


def factors_exchanged(x, t):
    b, l, d = x.shape
    return x.reshape(b, l // t, t, d).transpose(1, 2).reshape(b * l // t, t, d)


MUTANTS = (
    mutant("reshape alone",
           "A reshape alone does not move any number, it only draws the borders elsewhere: your first tube holds "
           "the first t tokens of frame 0, which are neighbours in space. Take t·n apart into (t, n), exchange "
           "the two, and only then join b and n.",
           there=only_reshaped),
    mutant("reshape alone on the way back",
           "On the way back you only reshaped. The tubes lie place after place, the sequence must lie frame after "
           "frame, so time and place have to be exchanged before they are joined: (b·n, t, d) → (b, n, t, d) → "
           "(b, t, n, d) → (b, t·n, d).",
           back=only_reshaped_back),
    mutant("frames instead of tubes",
           "You grouped by frame, (b·t, n, d): tokens of the same moment. That is what spatial attention needs; "
           "along time a group holds the same place in all frames, (b·n, t, d).",
           there=lambda x, t: rearrange(x, "b (t n) d -> (b t) n d", t=t)),
    mutant("places before clips",
           "Your tubes are right, but they lie in the order (n b): place 0 of all clips, then place 1 of all "
           "clips. With (b n) the clip is the slow axis, as everywhere in the course. With one clip nobody would "
           "notice.",
           there=lambda x, t: rearrange(x, "b (t n) d -> (n b) t d", t=t)),
    mutant("places before clips on the way back",
           "On the way back you read the first axis as (n b), but the tubes come as (b n), clip slowest: tokens "
           "end up in another clip. With one clip nobody would notice.",
           back=lambda tubes, b: rearrange(tubes, "(n b) t d -> b (t n) d", b=b)),
    mutant("places for the slow axis",
           "You took t·n apart as (n, t). The sequence is frame after frame, so time is the slow factor: (t, n). "
           "Then exchange the two.", there=factors_exchanged),
    mutant("batch mixed in",
           "You moved the batch axis behind the tokens and then reshaped: the tubes now mix tokens of different "
           "clips. Leave b in front; the two axes to exchange are t and n.",
           there=batch_carried_along),
    mutant("one tube through all clips",
           "Your tubes run through all clips of the batch, (n, b·t, d): a patch would attend to another person's "
           "video. b belongs to the groups, (b·n, t, d), not to the length of a tube.",
           there=lambda x, t: rearrange(x, "b (t n) d -> n (b t) d", t=t)),
    mutant("channels and frames exchanged",
           "Your tubes are (b·n, d, t), channels before frames, as a 1-D convolution wants them. Attention wants "
           "the channels last: (b·n, t, d).",
           there=lambda x, t: rearrange(x, "b (t n) d -> (b n) d t", t=t)),
    mutant("axes not joined",
           "The tubes are right; only b and n are still two axes, (b, n, t, d). Join them into one axis of groups: "
           "(b·n, t, d).",
           there=lambda x, t: rearrange(x, "b (t n) d -> b n t d", t=t)),
)


def there_by_transpose(x, t):
    b, l, d = x.shape
    return x.reshape(b, t, l // t, d).transpose(1, 2).reshape(b * (l // t), t, d)


def back_by_transpose(tubes, b):
    groups, t, d = tubes.shape
    return tubes.unflatten(0, (b, groups // b)).transpose(1, 2).flatten(1, 2)


def there_by_loop(x, t):
    n = x.shape[1] // t
    return torch.stack([clip[place::n] for clip in x for place in range(n)])


def back_by_loop(tubes, b):
    clips = tubes.chunk(b)
    return torch.stack([torch.cat([clip[:, step] for step in range(clip.shape[1])]) for clip in clips])


STYLES = (
    Style("einops", {"to_tubes": to_tubes, "from_tubes": from_tubes}),
    Style("reshape, transpose, reshape", {"to_tubes": there_by_transpose, "from_tubes": back_by_transpose}),
    Style("slices in a loop", {"to_tubes": there_by_loop, "from_tubes": back_by_loop}),
)

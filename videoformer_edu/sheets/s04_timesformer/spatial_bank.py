"""The bank of 04.2: wrong attentions with their sentences, right ones in other styles."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import nn

from videoformer_edu.grading.spec import Mutant, Style

NAME = "spatial_attention.attention"


def multi_head(x, weights, name, heads, *, scale=lambda d, e: 1 / math.sqrt(e), softmax=-1, order=(0, 1, 2),
               split="(three head e) -> three", merge="g head l e -> g l (head e)", proj=True, over="tokens"):
    """Right as it stands; each keyword breaks one thing."""
    if over == "groups":
        return multi_head(x.transpose(0, 1), weights, name, heads).transpose(0, 1)
    g, l, d = x.shape
    made = F.linear(x, weights[f"{name}.qkv.weight"], weights[f"{name}.qkv.bias"])
    if split == "reshape":
        made = rearrange(made, "g l (three d) -> three g l d", three=3).reshape(3, g, heads, l, -1)
    else:
        first, then = split.split(" -> ")
        made = rearrange(made, f"g l {first} -> {then} g head l e", three=3, head=heads)
    q, k, v = (made[i] for i in order)
    scores = q @ k.transpose(-2, -1) * scale(d, d // heads)
    out = (scores.softmax(dim=softmax) if softmax is not None else scores) @ v
    out = rearrange(out, merge) if "->" in merge else out.reshape(g, l, d)
    return F.linear(out, weights[f"{name}.proj.weight"], weights[f"{name}.proj.bias"]) if proj else out


def spatial_attention(x, weights, t, heads, *, copies="b 1 d -> (b t) 1 d", back="mean"):
    """Right as it stands; each keyword breaks one thing."""
    cls, patches = x[:, :1], rearrange(x[:, 1:], "b (t n) d -> (b t) n d", t=t)
    frames = torch.cat([repeat(cls, copies, t=t), patches], dim=1)  # (b*t, 1 + n, d)
    frames = multi_head(frames, weights, NAME, heads)
    cls, patches = frames[:, :1], rearrange(frames[:, 1:], "(b t) n d -> b (t n) d", t=t)
    if back == "first rows":
        cls = cls[:len(x)]
    elif back == "everything":
        cls = cls.mean(dim=0, keepdim=True).expand(len(x), -1, -1)
    elif back == "first frame":
        cls = cls[::t]
    else:
        cls = getattr(rearrange(cls, "(b t) 1 d -> b t 1 d", t=t), back)(dim=1)
    return torch.cat([cls, patches], dim=1)


def cls_left_out(x, weights, t, heads):
    frames = multi_head(rearrange(x[:, 1:], "b (t n) d -> (b t) n d", t=t), weights, NAME, heads)
    return torch.cat([torch.zeros_like(x[:, :1]), rearrange(frames, "(b t) n d -> b (t n) d", t=t)], dim=1)


def cls_passed_through(x, weights, t, heads):
    return torch.cat([x[:, :1], cls_left_out(x, weights, t, heads)[:, 1:]], dim=1)


def cls_over_the_clip(x, weights, t, heads):
    out = spatial_attention(x, weights, t, heads)
    return torch.cat([multi_head(x, weights, NAME, heads)[:, :1], out[:, 1:]], dim=1)


def cls_no_key(x, weights, t, heads):
    cls = spatial_attention(x, weights, t, heads)[:, :1]
    return torch.cat([cls, cls_left_out(x, weights, t, heads)[:, 1:]], dim=1)


def tubes_for_frames(x, weights, t, heads):
    n = (x.shape[1] - 1) // t
    tubes = rearrange(x[:, 1:], "b (t n) d -> (b n) t d", t=t)
    tubes = multi_head(torch.cat([x[:, :1].repeat_interleave(n, dim=0), tubes], dim=1), weights, NAME, heads)
    cls = tubes[:, :1].unflatten(0, (len(x), n)).mean(dim=1)
    return torch.cat([cls, rearrange(tubes[:, 1:], "(b n) t d -> b (t n) d", n=n)], dim=1)


def attention_mutant(name: str, sentence: str, **broken) -> Mutant:
    """The mistake sits in multi_head, and whatever stands on it is judged apart."""
    functions = {"multi_head": partial(multi_head, **broken), "spatial_attention": spatial_attention}
    return Mutant(name, functions, sentence)


def spatial_mutant(name: str, sentence: str, wrong) -> Mutant:
    return Mutant(name, {"multi_head": multi_head, "spatial_attention": wrong}, sentence)


MUTANTS = (
    attention_mutant("scale missing",
                     "You did not divide the scores by √e. Sums of e products grow with e; undivided, the softmax "
                     "leans on a single key and little gradient is left.", scale=lambda d, e: 1.0),
    attention_mutant("scaled by the whole width",
                     "You divided the scores by √d. A head adds up only its own e = d / heads products: divide "
                     "by √e.",
                     scale=lambda d, e: 1 / math.sqrt(d)),
    attention_mutant("scaled by e instead of its root",
                     "You divided the scores by e. Their spread grows with √e (variances add up, not spreads), "
                     "so divide by the square root.", scale=lambda d, e: 1 / e),
    attention_mutant("softmax over the queries",
                     "Your softmax runs over the queries. Each query shares out a total of 1 among the keys: the "
                     "scores are (queries, keys), so softmax over the last axis.", softmax=-2),
    attention_mutant("softmax missing",
                     "The softmax is missing: raw scores weigh the values, so the result is no average and can "
                     "grow without bound.", softmax=None),
    attention_mutant("heads before three",
                     "You took the 3·d apart as (head, three, e). The published weights lie as (three, head, e): "
                     "all queries first, then all keys, then all values. The shapes agree either way, the "
                     "numbers do not.",
                     split="(head three e) -> three"),
    attention_mutant("heads interleaved",
                     "Your heads take every heads-th channel, (e, head). A head is a run of e neighbouring "
                     "channels, (head, e).", split="(three e head) -> three"),
    attention_mutant("queries and keys exchanged",
                     "Queries and keys are exchanged. In qkv the first third of the rows makes queries, the "
                     "second keys, the third values.", order=(1, 0, 2)),
    attention_mutant("keys and values exchanged",
                     "Keys and values are exchanged. In qkv the first third of the rows makes queries, the "
                     "second keys, the third values.", order=(0, 2, 1)),
    attention_mutant("heads joined without moving them",
                     "You joined the heads by a reshape while they still stood before the tokens: (g, head, l, "
                     "e) has to become (g, l, head, e) first, or tokens are mixed.", merge="reshape"),
    attention_mutant("heads cut without moving them",
                     "You made the heads by a reshape to (g, head, l, e) alone, which deals the tokens out to "
                     "the heads. Cut the width first, (g, l, head, e), then exchange l and head; the same on the "
                     "way back.",
                     split="reshape", merge="reshape"),
    attention_mutant("attention over the groups",
                     "Your attention runs over the first axis: tokens of different groups look at one another. "
                     "That is what nn.MultiheadAttention does with (g, l, d) unless "
                     "batch_first=True.", over="groups"),
    attention_mutant("output projection missing",
                     "The output projection is missing: after the heads are joined, proj lets them talk to one "
                     "another.",
                     proj=False),
    spatial_mutant("CLS left out",
                   "CLS takes no part in your attention, so it never sees a patch. The logits are read from CLS: "
                   "such a model gives the same logits for every video, and trains to the class frequencies at "
                   "best. Put a copy of CLS before the patches of each frame.", cls_left_out),
    spatial_mutant("CLS passed through",
                   "You carry CLS around the attention unchanged. It never sees a patch, and the function should "
                   "return an update: the residual adds the old CLS later. Put a copy of CLS before the patches "
                   "of each frame.",
                   cls_passed_through),
    spatial_mutant("repeat for repeat_interleave",
                   "Your copies of CLS lie in the order clip 0, clip 1, clip 0, clip 1, ... (repeat), but the "
                   "frames lie with the clip slowest: all frames of clip 0 first. So frames meet another clip's "
                   "CLS. Use repeat_interleave(t, dim=0), or expand to (b, t, 1, d) and flatten.",
                   partial(spatial_attention, copies="b 1 d -> (t b) 1 d")),
    spatial_mutant("copies summed",
                   "You added the t copies of CLS up. Their mean keeps the update as large as a patch's, however "
                   "long the clip is.", partial(spatial_attention, back="sum")),
    spatial_mutant("only the copy of frame 0",
                   "You kept the copy of CLS from frame 0 and dropped the others: CLS sees one frame. Take the "
                   "mean over the t copies.", partial(spatial_attention, back="first frame")),
    spatial_mutant("first b rows",
                   "You kept the first b rows as CLS. On a (b t) axis these are the first frames of clip 0, not "
                   "one row for each clip. Take (b·t) apart into (b, t), then the mean over t.",
                   partial(spatial_attention, back="first rows")),
    spatial_mutant("mean over all clips",
                   "You averaged the copies of CLS over frames and clips together, so every clip gets the same "
                   "CLS. Take (b·t) apart into (b, t) and average over t "
                   "alone.", partial(spatial_attention, back="everything")),
    spatial_mutant("CLS over the whole clip",
                   "Your CLS attends to all frames in one softmax. In divided attention a copy of CLS attends "
                   "inside each frame, and the copies' results are averaged: t softmaxes, not "
                   "one.", cls_over_the_clip),
    spatial_mutant("joint attention",
                   "Every token attends to the whole clip: that is joint attention, with its (t·n)² pairs. Group "
                   "the tokens by frame first.", lambda x, weights, t, heads: multi_head(x, weights, NAME, heads)),
    spatial_mutant("CLS is no key",
                   "CLS looks at the patches, but your patches do not look at CLS. CLS belongs to the group: it is "
                   "query and key in each frame.", cls_no_key),
    spatial_mutant("tubes for frames",
                   "You grouped by place, which is attention along time. A spatial group is one frame: "
                   "(b·t, 1 + n, d).", tubes_for_frames),
    spatial_mutant("residual inside",
                   "You returned x plus the update. The function returns the update alone; the block adds the "
                   "residual, and would then add it twice.",
                   lambda x, weights, t, heads: x + spatial_attention(x, weights, t, heads)),
)


def fused(x, weights, name, heads):
    made = F.linear(x, weights[f"{name}.qkv.weight"], weights[f"{name}.qkv.bias"])
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in made.chunk(3, dim=-1))
    out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    return F.linear(out, weights[f"{name}.proj.weight"], weights[f"{name}.proj.bias"])


def by_einsum(x, weights, name, heads):
    made = torch.einsum("gld,rd->glr", x, weights[f"{name}.qkv.weight"]) + weights[f"{name}.qkv.bias"]
    q, k, v = made.reshape(*x.shape[:2], 3, heads, -1).unbind(2)
    weight = (torch.einsum("gqhe,gkhe->ghqk", q, k) / q.shape[-1] ** 0.5).softmax(-1)
    out = torch.einsum("ghqk,gkhe->gqhe", weight, v).reshape(x.shape)
    return out @ weights[f"{name}.proj.weight"].T + weights[f"{name}.proj.bias"]


def torch_module(x, weights, name, heads):
    module = nn.MultiheadAttention(x.shape[-1], heads, batch_first=True)
    module.load_state_dict({theirs: weights[f"{name}.{ours}"] for theirs, ours in (
        ("in_proj_weight", "qkv.weight"), ("in_proj_bias", "qkv.bias"),
        ("out_proj.weight", "proj.weight"), ("out_proj.bias", "proj.bias"))})
    return module(x, x, x, need_weights=False)[0]


def by_expand(x, weights, t, heads):
    b, s, d = x.shape
    n = (s - 1) // t
    copies = x[:, None, :1].expand(b, t, 1, d)
    frames = torch.cat([copies, x[:, 1:].reshape(b, t, n, d)], dim=2).flatten(0, 1)  # (b*t, 1 + n, d)
    out = fused(frames, weights, NAME, heads).unflatten(0, (b, t))
    return torch.cat([out[:, :, 0].mean(1, keepdim=True), out[:, :, 1:].flatten(1, 2)], dim=1)


def frame_by_frame(x, weights, t, heads):
    cls, frames = x[:, :1], x[:, 1:].chunk(t, dim=1)
    out = [torch_module(torch.cat([cls, frame], dim=1), weights, NAME, heads) for frame in frames]
    return torch.cat([sum(f[:, :1] for f in out) / t, *(f[:, 1:] for f in out)], dim=1)


STYLES = (
    Style("softmax written out", {"multi_head": multi_head, "spatial_attention": spatial_attention}),
    Style("fused attention, expand", {"multi_head": fused, "spatial_attention": by_expand}),
    Style("einsum, frame by frame", {"multi_head": by_einsum, "spatial_attention": frame_by_frame}),
    Style("nn.MultiheadAttention", {"multi_head": torch_module, "spatial_attention": spatial_attention}),
)

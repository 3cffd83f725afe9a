"""What is trained: every experiment behind the lessons, group by group.

Settings were chosen on validation examples; what is reported comes from digits, photographs and a seed that no choice
has looked at.
"""

from __future__ import annotations

from dataclasses import replace

from experiments.experiment import RECIPE, Experiment, Material
from videoformer_edu.training.recipe import Recipe

GROUPS = {
    "images": "Image models",
    "controls": "Controls: what the task gives away without the order of the frames",
    "architectures": "Architectures on one task",
    "data": "How many clips does it take?",
    "inflation": "From scratch, or from an image model",
    "length": "Longer clips: what they cost and what they bring",
    "positions": "Other lengths than trained on: a table resized, or rotation",
    "pathways": "What the fast pathway is worth",
    "display": "A finer grid, to look at",
    "pretraining": "Pretraining without labels, then few labels",
    "recipe": "The recipe taken apart",
    "few": "Few clips: from scratch, from images, or a probe on a frozen image model",
}
TIMESFORMER = "timesformer_motion"
FIVE = (0, 1, 2, 3, 4)


def steps(number: int, **changes) -> Recipe:
    return replace(RECIPE, steps=number, **changes)


# ---------------------------------------------------------------------------------------------------- image models

VIT_DIGITS = Experiment(
    "vit_digits", "ViT, 4 x 4 patches, ten digits", "vit_digits", ("images",), material=Material("digits"),
    recipe=steps(5000, batch=32), seeds=(0,), ships=True)
VIT_DIGITS_8X8 = Experiment(
    "vit_digits_8x8", "ViT, 8 x 8 patches, ten digits", "vit_digits", ("images",), dict(patch_size=8, depth=2),
    Material("digits"), steps(4000, batch=32), seeds=(0,), ships=True,
    note="Width, depth and patches of the video models below, which start from it in the inflation experiments.")

# ------------------------------------------------------------------------------------------------- TimeSformer

DIVIDED = Experiment(
    f"{TIMESFORMER}_divided", "divided attention, from scratch", TIMESFORMER,
    ("architectures", "data", "inflation", "length"), dict(attention="divided"), seeds=FIVE, ships=True)
JOINT = Experiment(
    f"{TIMESFORMER}_joint", "joint attention, from scratch", TIMESFORMER, ("architectures",),
    dict(attention="joint"), recipe=steps(4000), ships=True,
    note="Four times the steps of divided attention. It reads the axis, which a set of frames tells, and stays there. "
         "What did not change that is in [trials.md](trials.md).")
JOINT_TIME_FIRST = Experiment(
    f"{TIMESFORMER}_joint_time_first", "joint attention, time first", TIMESFORMER, ("architectures",),
    dict(attention="joint"), recipe=steps(5200), prepare=("time_first",), ships=True,
    note="In the first block a penalty of 5 is subtracted from the scores outside the own tube; from 30 % to 65 % of "
         "the steps it is annealed to zero. Accuracy dips at the end of the annealing and comes back: what remains is "
         "a plain joint model, which solves the task. Joint attention can do it; from scratch it did not find it.")

TWO_PATHWAY = Experiment(
    "two_pathway", "two pathways, fast tubelets of 2", "two_pathway_motion", ("architectures", "pathways"),
    recipe=steps(1600), ships=True)

DISPLAY = Experiment(
    "timesformer_display", "divided attention, 8 x 8 patches a frame", "timesformer_display", ("display",),
    material=Material(size=64), ships=True,
    note="The clips of the other experiments at twice their size, four times the patches: for pictures of attention.")
VIVIT_DISPLAY = tuple(
    Experiment(f"vivit_{number}_display", f"ViViT {number}, 8 x 8 tubelets a step", "vivit_motion", ("display",),
               dict(variant=variant, image_size=64), Material(size=64), ships=True)
    for number, variant in ((2, "factorised_encoder"), (3, "factorised_self_attention")))

MVIT_DISPLAY = Experiment(
    "mvit_display", "MViTv2, 16 x 16 tokens a frame at first", "mvit_display", ("display",), material=Material(size=64),
    recipe=steps(800), seeds=(0,), ships=True,
    note="Three scales, to be looked at: grids of 16 x 16, 8 x 8 and 4 x 4 queries.")

# ---------------------------------------------------------------------------------------------------- controls

CONTROLS = (
    Experiment(
        "single_frame", "first frame alone", TIMESFORMER, ("controls",), dict(attention="space_only"),
        Material(view="first_frame"),
        note="On a torus every place is equally likely in every class: the exact ceiling is 12.5 %."),
    Experiment(
        "single_frame_known", "one frame, and which one it is", TIMESFORMER, ("controls",), dict(attention="divided"),
        Material(view="one_frame"),
        note="A frame at a known time says no more, because a uniform start stays uniform: 12.5 % again."),
    Experiment(
        f"{TIMESFORMER}_space_only", "space-only attention", TIMESFORMER, ("controls",), dict(attention="space_only"),
        ships=True,
        note="Each frame votes alone and the votes are averaged. No frame favours a class, so no average does: a "
             "guess, though 50 % would be allowed."),
    Experiment(
        "unordered_frames", "frames as a set, by a CNN", "unordered_motion",
        ("controls",), ships=True,
        note="A CNN for each frame; then mean, deviation and maximum over the frames. The exact ceiling of every model "
             "without order is 50 %: a clip played backwards is the same set, with the opposite label. This one "
             "reaches it: the axis is known, the sign is a guess."),
    Experiment(
        "tubelet_space_only", "no attention along time, tubelets of 2", "vivit_motion", ("controls",),
        dict(variant="factorised_encoder", temporal_depth=0), ships=True,
        note="**A leak.** The mean over steps knows no order, but a tubelet holds two frames, and two frames in order "
             "show a displacement. Controls have to use patches of one frame."),
)

# ---------------------------------------------------------------------------------------------------- architectures

VIVITS = ("spatio_temporal", "factorised_encoder", "factorised_self_attention", "factorised_dot_product")
ARCHITECTURES = (
    DIVIDED, JOINT, JOINT_TIME_FIRST,
    *(Experiment(f"vivit_{i}", f"ViViT {i}, tubelets of 2", "vivit_motion", ("architectures",),
                 dict(variant=variant), ships=True) for i, variant in enumerate(VIVITS, start=1)),
    Experiment("vivit_2_patches", "ViViT 2, patches of one frame", "vivit_motion", ("architectures",),
               dict(variant="factorised_encoder", tubelet_size=1), recipe=steps(1600),
               note="Not solved. Without tubelets a frame's vector has to carry the place of the digit before anything "
                    "along time asks for it."),
    Experiment("sparse", "sparse attention, tubelets of 2", "sparse_motion", ("architectures",), ships=True),
    Experiment("sparse_patches", "sparse attention, patches of one frame", "sparse_motion", ("architectures",),
               dict(tubelet_size=1),
               note="Not solved, while tubelets solve it in 300 steps: here a token has to single out the few keys of "
                    "its own place among those of its frame, as joint attention has to."),
    Experiment("video_swin", "Video Swin, tubelets of 2", "video_swin_motion", ("architectures",), ships=True),
    Experiment("mvit", "MViTv2, tubelets of 3 that overlap", "mvit_motion", ("architectures",),
               recipe=steps(800), ships=True),
    Experiment("mvit_version_1", "MViT, version 1", "mvit_motion", ("architectures",), dict(version=1),
               recipe=steps(800),
               note="None of version 2's extras: tables of positions in place of distances, no residual pooling."),
    TWO_PATHWAY,
    Experiment("c3d", "C3D", "c3d_motion", ("architectures",), recipe=steps(400), ships=True),
    Experiment("r2plus1d", "R(2+1)D", "r2plus1d_motion", ("architectures",), recipe=steps(400), ships=True),
    Experiment("slowfast", "SlowFast", "slowfast_motion", ("architectures",), recipe=steps(400), ships=True),
)

# ---------------------------------------------------------------------------------------------------- data efficiency

CLIPS = (100, 400, 1600)
DATA = (
    *(Experiment(f"divided_{clips}_clips", f"divided attention, {clips} clips", TIMESFORMER, ("data", "few"),
                 dict(attention="divided"), Material(clips=clips)) for clips in CLIPS),
    *(Experiment(f"c3d_{clips}_clips", f"C3D, {clips} clips", "c3d_motion", ("data",), material=Material(clips=clips))
      for clips in CLIPS),
    Experiment("c3d_fresh_clips", "C3D, each clip once", "c3d_motion", ("data",)),
)

# ---------------------------------------------------------------------------------------------------- inflation

INFLATED = ("Time positions start from sines, since inflation leaves them at zero. The image model's own training is "
            "not in the steps.")
INFLATION = (
    Experiment("divided_inflated", "divided attention, inflated", TIMESFORMER, ("inflation",),
               dict(attention="divided"), start=VIT_DIGITS_8X8, prepare=("sincos_time",), note=INFLATED),
)

# ---------------------------------------------------------------------------------------------------- clip length

LENGTH = tuple(
    Experiment(f"divided_{frames}_frames", f"divided attention, {frames} frames", TIMESFORMER, ("length",),
               dict(attention="divided", frames=frames), Material(frames=frames)) for frames in (2, 4, 16))

# ---------------------------------------------------------------------------------------------------- positions

# More frames of the same scene, each showing less motion; or a scene that goes on, as fast frame by frame.
DENSER = tuple(Material(frames=frames) for frames in (12, 16, 24))
LONGER = tuple(Material(frames=frames, speed=frames / 8) for frames in (12, 16, 24))
POSITIONS = tuple(
    Experiment(f"divided_{positions}", f"divided attention, {words}", TIMESFORMER, ("positions",),
               dict(attention="divided", positions=positions), also=(*DENSER, *LONGER), note=note)
    for positions, words, note in (
        ("table", "learned tables", "The settings of `timesformer_motion_divided`, run again for the other lengths."),
        ("rotary", "rotary positions",
         "No table and no new parameter. No cure here: the stretched tables are better at 12 and 16 frames of either "
         "kind, and at 24 frames of a longer clip the seeds of the two overlap.")))

# ---------------------------------------------------------------------------------------------------- two pathways

PATHWAYS = tuple(
    Experiment(f"two_pathway_{name}", words, "two_pathway_motion", ("pathways",), changes, recipe=steps(1600),
               note=note)
    for name, words, changes, note in (
        ("fast_4_frames", "fast pathway slowed to 4 of 8 frames", dict(fast_alpha=2),
         "Frames 0 2 and 4 7 in its two tubelets."),
        ("fast_2_frames", "fast pathway slowed to the slow one's 2 frames", dict(fast_alpha=4),
         "One tubelet of frames 0 and 7."),
        ("single_frames", "fast pathway with tubelets of 1", dict(fast_tubelet=1),
         "All 8 frames, each in tokens of its own: only attention could find the motion."),
        ("slow_alone", "slow pathway alone", dict(fast_width=0), "Two frames, 0 and 7, and no fast pathway."),
        ("fast_alone", "fast pathway alone",
         dict(alpha=1, slow_tubelet=2, slow_width=32, slow_heads=2, fast_width=0),
         "Width 32, tubelets of 2, and no slow pathway.")))

# ---------------------------------------------------------------------------------------------------- pretraining

LABELS = (64, 256, 1024)
VIDEOMAE = Experiment(
    "videomae_pretraining", "VideoMAE, painting hidden tubelets", "videomae_pretraining_motion", ("pretraining",),
    material=Material(hidden=0.5), recipe=steps(3000, batch=32), seeds=(0,), ships=True,
    note="Looks at no label. Its number is the mean squared error of the hidden pixels; painting one mean colour a "
         "clip gives about 0.30, so the digit has only begun to be painted. At this size it is worth two or three "
         "points with 256 labels, and nothing with 64 or 1,024.")
PRETRAINING = (
    VIDEOMAE,
    *(Experiment(f"videomae_{clips}_labels", f"pretrained, {clips} labels", "videomae_motion", ("pretraining",),
                 material=Material(clips=clips), recipe=steps(800), start=VIDEOMAE) for clips in LABELS),
    *(Experiment(f"scratch_{clips}_labels", f"from scratch, {clips} labels", "videomae_motion", ("pretraining",),
                 material=Material(clips=clips), recipe=steps(800)) for clips in LABELS),
)

# ---------------------------------------------------------------------------------------------------- few clips

FEW_CLIPS = (
    Experiment("inflated_400_clips", "fine-tuned from images, 400 clips", TIMESFORMER, ("few",),
               dict(attention="divided"), Material(clips=400), steps(500), VIT_DIGITS_8X8, ("sincos_time",),
               note="Half the steps of `divided_400_clips`, and not better: the training clips are known by heart."),
    *(Experiment(f"probe_{kind}_1600_clips", f"{kind.replace('_', '-')} probe, 1600 clips", "probe_motion", ("few",),
                 dict(ordered=kind == "ordered"), Material(clips=1600), steps(1000, batch=32), VIT_DIGITS_8X8,
                 note=note)
      for kind, note in (
          ("ordered", "The image model of ten digits is frozen; one CLS looks once at the patches of all frames."),
          ("order_blind", "The same without the vectors of the frames. The exact ceiling is 50 %: the axis is known, "
                          "the sign is a guess."))),
)

# ---------------------------------------------------------------------------------------------------- the recipe

# ViViT 1 learns in nine seconds; each row is one change of its settings.
SHORT, FEW = steps(400), Material(clips=256)


def recipe_row(name: str, title: str, recipe: Recipe = SHORT, material: Material | None = None, note: str = "",
               prepare: tuple[str, ...] = ()) -> Experiment:
    return Experiment(f"recipe_{name}", title, "vivit_motion", ("recipe",), dict(variant="spatio_temporal"),
                      material or Material(),
                      recipe, prepare=prepare, note=note)


RECIPES = (
    recipe_row("base", "as it is: ViViT 1, 400 steps"),
    recipe_row("no_warm_up", "no warm-up", steps(400, warm_up=1e-4)),
    recipe_row("no_clipping", "no clipping", steps(400, clip=0.0)),
    recipe_row("rate_x3", "rate x 3", steps(400, lr=6e-3)),
    recipe_row("rate_x3_neither", "rate x 3, neither warm-up nor clipping",
               steps(400, lr=6e-3, clip=0.0, warm_up=1e-4)),
    recipe_row("rate_third", "rate / 3", steps(400, lr=2e-3 / 3)),
    recipe_row("cosine", "cosine in place of stable", steps(400, schedule="cosine")),
    recipe_row("decay_x10", "weight decay x 10", steps(400, weight_decay=0.5)),
    recipe_row("decay_x10_everything", "weight decay x 10, on norms and positions, too",
               steps(400, weight_decay=0.5), prepare=("decay_everything",)),
    recipe_row("batch_64", "batch 64, as many clips", steps(100, batch=64)),
    recipe_row("smoothing", "label smoothing 0.1", steps(400, label_smoothing=0.1)),
    recipe_row("256_clips", "256 clips, never flipped", material=FEW),
    recipe_row("256_clips_exchanged", "256 clips, flipped, labels exchanged",
               material=replace(FEW, flip="labels_exchanged")),
    recipe_row("256_clips_kept", "256 clips, flipped, labels kept", material=replace(FEW, flip="labels_kept")),
)

EXPERIMENTS = {experiment.name: experiment for experiment in (
    VIT_DIGITS, VIT_DIGITS_8X8, *CONTROLS, *ARCHITECTURES, *DATA, *INFLATION, *LENGTH, *POSITIONS, *PATHWAYS, DISPLAY,
    *VIVIT_DISPLAY, MVIT_DISPLAY, *PRETRAINING, *RECIPES, *FEW_CLIPS)}

"""What makes a model learn, from one processor to many machines: a recipe, one loop, and what guards them.

    from videoformer_edu.training.loop import fit
    from videoformer_edu.training.recipe import Recipe

    history = fit(model, source, Recipe(steps=1600, batch=16), bar=True)
    history.losses                                # one number a step

* `recipe`: `Recipe`, all that is decided before a run; which weights decay; learning rates over steps and layers
* `step`: `Run`, all that changes during one: `run.step(batch)`, `run.done`, `run.state_dict()`
* `loop`: `fit`, step after step, with checkpoints and evaluations on the way
* `evaluate`: scores, top-k, confusion matrix, several views of a clip
* `history`, `watching`: the numbers of a run as a table, a bar, a live curve
* `faults`: what can go wrong, said in words with what to try
* `checkpoint`, `resume`: a run that is killed at any moment goes on, to the same bits
* `distributed`: the same run in many processes
* `data`, `command`: the command line, `python -m videoformer_edu.training --help`

`source(start)` yields the global batches `(inputs, labels (b,) or soft targets (b, classes))` of steps start,
start + 1, ..., or of each this process's `distributed.Rows`; a plain iterable of batches will do for a run that never
resumes. `after_step(run)` is called after each step, `evaluate(model) -> dict` now and then: its numbers join the
history.
"""

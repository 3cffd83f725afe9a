"""Where the small trained weights of the lessons come from: `python -m videoformer_edu.experiments`.

* `fit`: the recipe and the training loop
* `catalogue`: what is trained, on which clips, for how many steps
* `evaluate`: accuracy, confusion, probes (reversed, frozen and shuffled frames)
* `looking`: how much of a model's attention falls on the digit
* `run`: one experiment, from its seeds to a trained model and its numbers
* `results`, `table`: weights, `RESULTS.json` and `RESULTS.md`
"""

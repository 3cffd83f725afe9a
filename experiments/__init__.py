"""The experiments behind the lessons, and where the small trained weights come from: `make experiments`.

* `experiment`: an experiment as a value; `catalogue`: all of them
* `material`: what is trained on, chosen on and reported on
* `starting`: the model at step 0, fresh or with the weights of another experiment; `time_first`: a penalty
* `run`: one experiment and one seed, from fresh weights to numbers; `work`: many of them, in several processes
* `evaluate`, `attention_on_digit`: accuracy, axis and sign, other orders of the frames; attention on the digit
* `store`: finished runs on the disk; `results`, `table`, `pictures`: weights, `RESULTS.json`, a page and its pictures

What was tried and did not work stands in `docs/trials.md`.
"""

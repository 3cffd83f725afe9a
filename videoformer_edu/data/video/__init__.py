"""Real video files. Needs PyAV, the extra `video`.

* `decoding`, `clips`: read one file, and choose frames of it
* `folders`, `lists`, `datasets`: find many, with their classes; `broken` finds those that cannot be read
* `splits`, `batches`: divide a data set, and make the batches of a training run of it
* `ucf101`: ten classes of UCF101 to train on
"""

"""The clips that the lessons learn from: generated ones with an exactly known answer, and real video files.

* `motion`: handwritten digits that move over photographs; the label is the direction of motion
* `video`: real video files: decode and sample them, make data sets and the batches of a training run (needs PyAV)
* `augment`: augmentation that treats all frames of a clip alike (with `mirroring`: which label has a mirrored clip?)
* `mixing`: MixUp and CutMix; `views`: the frames and squares that an evaluation looks at; `pixels`: their scale
* `assets`: the short real clips that come with the package

Nothing here is imported before it is asked for. Only `video.ucf101` uses a network, when it is called.
"""

"""The clips that the lessons learn from: generated ones with an exactly known answer, and real video files.

* `motion`: handwritten digits that move over photographs; the label is the direction of motion
* `images`: single pictures of a digit on a photograph, for the image ViT
* `clips`: decode and sample real video files (needs PyAV, the extra `video`)
* `assets`: the short real clip that comes with the package

Nothing here is imported before it is asked for, and nothing ever needs a network.
"""

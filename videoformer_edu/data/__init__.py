"""The clips that the lessons learn from: generated ones with an exactly known answer, and real video files.

* `motion`: handwritten digits that move over photographs; the label is the direction of motion
* `images`: single pictures of a digit on a photograph, for the image ViT
* `clips`: decode and sample real video files (needs PyAV, the extra `video`)
* `transforms`: clip-consistent augmentation, with MixUp and CutMix (`crops`, `mirroring`, `colour`, `mixing`)
* `datasets`, `batches`, `splits`: folders and lists of real videos, made into the batches of a training run
* `download`: ten classes of UCF101 to train on; the one module here that uses a network, when it is called
* `assets`: the short real clip that comes with the package

Nothing here is imported before it is asked for, and nothing else needs a network.
"""

"""Real video files: decode and sample one (`decoding`, `clips`), find, divide and batch many (`listing`, `splits`,
`datasets`, `batches`), fetch some to train on (`download`). Needs PyAV, the extra `video`.
"""

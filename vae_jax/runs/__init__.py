"""A run on disk: its directory, its checkpoints, what it logs, and a trained model restored from it.

What a run does while it trains is not here, but in `training/`; what a trained model is used for is in `inference/`.

Other rooms import the modules `workdir`, `checkpoint`, `restore`, `integrity`, `metric_writer`, `progress_line` and
`orbax_noise`. None is imported here, because orbax takes a second to import and not every mode needs it.
"""

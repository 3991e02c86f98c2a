"""Training: the pure step, the state, the optimisers, the loop that trains a run in a directory, and its saves.

The losses are in `losses`, the compiled calls on one or several devices in `devices`, and the files of a run in `runs`.
`vae_jax.train` is `loop.train`, which the command line calls too.
"""

"""Uses of a trained model: samples, codes, reconstructions, interpolations, traversals and fitted priors.

The functions take a model and its variables, and return numpy arrays. Numbers that judge a model are in `evaluation`,
and files are written by `cli` and `report`. `vae_jax` offers the functions of `sampling` by their names.
"""

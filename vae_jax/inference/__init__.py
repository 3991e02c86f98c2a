"""Uses of a trained model: samples, codes, reconstructions, interpolations, traversals, scores and fitted priors.

Every function takes a model and its variables, with uint8 images or a key, and returns numpy arrays. `vae_jax` offers
the most used functions by their names. Numbers that judge a model are in `evaluation`, and the command line writes the
files, except for the fitted priors, which `stored_priors` keeps in a run's directory.
"""

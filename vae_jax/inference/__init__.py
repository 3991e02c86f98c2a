"""What a trained model is used for: samples, codes, reconstructions, interpolations, scores and fitted priors.

Every function takes a model with its variables and uint8 images or a key. Nothing here trains, and no file of a run is
read or written but the fitted priors, by `stored_priors`.
"""

"""Numbers about a trained model: its bounds, reconstructions, collapse, aggregate posterior, samples and factors.

Arrays and models in, numbers out. The mode `evaluate` of the command line chooses the images, and writes what is found.
"""

"""What a trained model is used for: samples, reconstructions, codes, densities fitted to codes, and scores of images.

Everything here takes a model and its variables; restoring them is in `runs/`, and numbers over a data set are in
`evaluation/`.
"""

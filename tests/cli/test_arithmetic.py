"""Codes moved by the difference of two labels' means."""

import numpy as np

import vae_jax
from vae_jax import cli
from vae_jax.cli import arithmetic, options


def test_arithmetic_moves_each_class_to_the_next_by_the_difference_of_their_means(workdir):
    cli.run("arithmetic", str(workdir), options.Arithmetic(num=3, split="train"))
    model, variables, config = vae_jax.restore(workdir)
    train = vae_jax.data.load_dataset(config.data).train
    mean, label = vae_jax.encode(model, variables, np.asarray(train["image"])).mean, np.asarray(train["label"])
    rows = np.load(workdir / "arithmetic.npy").reshape(3, -1, 8, 8, 1)
    classes = np.unique(label)
    for row, a, b in zip(rows, classes, classes[1:], strict=False):
        start, change = mean[label == a][0], mean[label == b].mean(0) - mean[label == a].mean(0)
        z = start + 1.5 * np.linspace(0, 1, 7)[:, None] * change
        expected = vae_jax.inference.sampling.decode(model, variables, z).astype(int)
        assert np.abs(row - expected).max() <= 1


def test_an_attribute_is_given_to_what_lacks_it():
    mean = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0]])
    labels = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 1]])  # nothing lacks the last
    made = arithmetic.changes(mean, labels, np.array([[1, 0, 0], [-1, 1, 0]]), ("Smiling", "Wearing_Hat", "c"))
    assert [change.name for change in made] == ["+ Smiling", "+ Wearing Hat"]
    assert [change.starts.tolist() for change in made] == [[False, True], [True, False]]
    np.testing.assert_allclose([change.direction for change in made], [[3.0, 3.0], [0.0, 3.0]])
    assert arithmetic.changes(mean, np.zeros(3, int), np.zeros(2, int), ()) == []

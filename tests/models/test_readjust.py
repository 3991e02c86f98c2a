import jax
import numpy as np

from vae_jax import models
from vae_jax.models import normalisation


def test_statistics_become_those_of_the_latents_that_are_decoded():
    model = models.VAE((2, 2, 1), 3, (4, 5), tower="mlp", norm="batch", activation="tanh")
    variables = models.init(model, jax.random.key(0))
    rng = np.random.default_rng(0)
    batches = (1.0 + 2.0 * rng.normal(size=(6, 50, 3))).astype(np.float32)
    adjusted = models.readjust(model, variables, batches)

    linear = variables["params"]["decoder"]["hidden"]["hidden_0"]["linear"]
    inputs = batches.astype(np.float64) @ np.asarray(linear["kernel"], np.float64)
    statistics = adjusted["batch_stats"]["decoder"]["hidden"]["hidden_0"]["norm"]
    np.testing.assert_allclose(statistics["mean"], inputs.mean((0, 1)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(statistics["var"], inputs.var(1, ddof=1).mean(0), rtol=1e-4)

    assert jax.tree.all(
        jax.tree.map(np.array_equal, adjusted["batch_stats"]["encoder"], variables["batch_stats"]["encoder"])
    )
    assert adjusted["params"] is variables["params"]
    assert (
        normalisation.BatchNorm.momentum == normalisation.BatchNorm().momentum
    )  # the one that the statistics were solved for

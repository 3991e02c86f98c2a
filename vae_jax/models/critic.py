"""The critics of objectives with several players, which are networks that distinguish two kinds of codes.

`losses.factor_loss` calls a critic through `VAE.discriminate`. `config.build` adds a critic to a model where the
objective needs one.
"""

import itertools

from flax import linen as nn
from jaxtyping import Array, Float

from vae_jax.models import layers, normalisation


class CodeCritic(nn.Module):
    """The discriminator of FactorVAE, a perceptron of codes [B, D] with leaky ReLUs of slope 0.2.

    Attributes:
        hidden_dims: width of each hidden layer; the paper has six of 1000.

    References:
        Kim and Mnih, 2018, arXiv 1802.05983.
    """

    hidden_dims: tuple[int, ...] = (1000,) * 6

    @nn.compact
    def __call__(self, z: Float[Array, "B D"]) -> Float[Array, "B 2"]:
        """Return a logit for each of the two kinds of codes, [B, 2]."""
        sizes = (z.shape[-1], *self.hidden_dims, 2)
        for index, (fan_in, features) in enumerate(itertools.pairwise(sizes)):
            kernel = self.param(f"kernel_{index}", layers.uniform(fan_in), (fan_in, features))
            bias = self.param(f"bias_{index}", layers.uniform(fan_in), (features,))
            z = z @ kernel + normalisation.along_channels(bias, z.ndim)
            if index < len(self.hidden_dims):
                z = nn.leaky_relu(z, 0.2)
        return z

"""A small convolutional classifier, whose last hidden layer evaluation compares images by."""

import jax
from flax import linen as nn

NUM_FEATURES = 64
SMALLEST_SIDE = 4


class Classifier(nn.Module):
    """3x3 convolutions of stride 2 down to a side of 4, a dense layer of 64 features, and logits.

    Attributes:
        num_outputs: classes, or attributes.
    """

    num_outputs: int

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return features [B, 64], after their ReLU, and logits [B, num_outputs] of images [B, H, W, C] on [0, 1]."""
        x, width = x - 0.5, 16
        while min(x.shape[1:3]) > SMALLEST_SIDE:
            x = nn.relu(nn.Conv(width, (3, 3), strides=2)(x))
            width = min(2 * width, 64)
        features = nn.relu(nn.Dense(NUM_FEATURES)(x.reshape(len(x), -1)))
        return features, nn.Dense(self.num_outputs)(features)

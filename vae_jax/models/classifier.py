"""A small convolutional classifier, whose features serve to compare sets of images.

`evaluation.features` trains the classifier and uses the features. The classifier is no part of a VAE.
"""

from flax import linen as nn
from jaxtyping import Array, Float

NUM_FEATURES = 64
SMALLEST_SIDE = 4


class Classifier(nn.Module):
    """A classifier of 3x3 convolutions with stride 2 down to a side of 4, a dense layer of 64 features, and logits.

    Attributes:
        num_outputs: number of classes, or of attributes.
    """

    num_outputs: int

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> tuple[Float[Array, "B F"], Float[Array, "B L"]]:
        """Return the features [B, 64] (after a ReLU) and the logits [B, num_outputs] of images [B, H, W, C] in [0, 1]."""
        x, width = x - 0.5, 16
        while min(x.shape[1:3]) > SMALLEST_SIDE:
            x = nn.relu(nn.Conv(width, (3, 3), strides=2)(x))
            width = min(2 * width, 64)
        features = nn.relu(nn.Dense(NUM_FEATURES)(x.reshape(len(x), -1)))
        return features, nn.Dense(self.num_outputs)(features)

"""The VAE, which joins an encoder's tower, a head, a decoder's tower, a likelihood and a prior.

The module offers `encode`, `decode` and `prior`, and draws no noise: `distributions.draw` does. `config.build` makes a
VAE from a configuration, and `binding` turns calls of it into pure functions.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from vae_jax import errors
from vae_jax.distributions import LIKELIHOODS, Gaussian
from vae_jax.models import heads, layers, networks, normalisation, towers
from vae_jax.models.encoder import Encoder

OUTPUT_ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "identity": lambda raw: raw,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
}


class VAE(nn.Module):
    """A VAE for images of any size, whose default layers are those of PyTorch-VAE.

    Attributes:
        image_shape: (H, W, C) of the images.
        latent_dim: D, the number of latents.
        hidden_dims: channels of each level of a convolutional tower, where each level halves height and width, rounding
            up; or widths of the layers of a perceptron.
        likelihood: a key of `distributions.LIKELIHOODS`, which determines the decoder's channels and output activation.
        data_range: the range of the pixels, (0, 1) or (-1, 1).
        output_activation: None for the activation of the likelihood; "identity", "sigmoid" or "tanh" for imported
            weights that were trained with another activation.
        norm: "batch", "group" or "none".
        activation: a key of `layers.ACTIVATIONS`.
        precision: "float32", "tf32" or "bfloat16", in which the layers compute. Parameters, statistics, posterior and
            prediction are float32 for every precision.
        tower: a key of `towers.TOWERS`, the kind of the networks that are not given as modules.
        encoder: a linen module from images [B, H, W, C] to features [B, ...], in place of the tower.
        decoder: a linen module from z [B, D] to the likelihood's raw parameters [B, H, W, channels], in place of the
            tower.
        latents: a key of `heads.HEADS`, or a linen module from features to a distribution.
        prior_std: the standard deviation of the prior N(0, prior_std^2 I).
        critic: a linen module from z [B, D] to logits [B, 2], which `factor_loss` needs. It is a player of its own.
        binarize, dequantize: how images are prepared, see `data.batches.prepare`. Every function that encodes images
            prepares them as training did.
        training: whether BatchNorm uses the batch's statistics; set it with `model.clone(training=True)`.
        axis_name: the mapped axis (pmap) over which BatchNorm's statistics are taken as well.

    Raises:
        errors.UserError: a value is impossible, or does not fit another value.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int = 128
    hidden_dims: tuple[int, ...] = (32, 64, 128, 256, 512)
    likelihood: str = "gaussian"
    data_range: tuple[float, float] = (0.0, 1.0)
    output_activation: str | None = None
    norm: str = "batch"
    activation: str = "leaky_relu"
    precision: str = "float32"
    tower: str = "conv"
    encoder: nn.Module | None = None
    decoder: nn.Module | None = None
    latents: str | nn.Module = "gaussian"
    prior_std: float = 1.0
    critic: nn.Module | None = None
    binarize: str = "none"
    dequantize: bool = False
    training: bool = False
    axis_name: str | None = None

    def __post_init__(self):
        self.image_shape = _positive_integers("image_shape", self.image_shape)
        self.hidden_dims = _positive_integers("hidden_dims", self.hidden_dims)
        if not isinstance(self.latent_dim, int | np.integer) or self.latent_dim < 1:
            raise errors.UserError(f"latent_dim must be a positive integer, not {self.latent_dim!r}")
        data_range: Any = tuple(float(bound) for bound in self.data_range)  # `_validate` checks its length
        self.data_range = data_range
        _validate(self)
        super().__post_init__()

    def setup(self):
        """Make the networks and the likelihood's own parameters."""
        likelihood = LIKELIHOODS[self.likelihood]
        style = layers.Style(self.norm, self.activation, self.precision, self.training, self.axis_name)
        tower = towers.TOWERS[self.tower]
        head = self.latents
        if isinstance(head, str):
            head = heads.HEADS[head](self.latent_dim, tower.linear(style))
        channels = likelihood.channels(self.image_shape[-1])
        if self.encoder is None:
            self.posterior = Encoder(tower.encoder(self.hidden_dims, style), head, name="encoder")
        elif isinstance(self.latents, str):
            self.head = head
        if self.decoder is None:
            self.generator = tower.decoder(self.image_shape[:2], channels, self.hidden_dims, style, name="decoder")
        self.likelihood_parameters = {
            name: self.param(name, nn.initializers.constant(value), ()) for name, value in likelihood.parameters.items()
        }

    @property
    def players(self) -> dict[str, tuple[str, ...]]:
        """Return the top-level groups of parameters of each player, by the player's name."""
        head = () if self.encoder is None else ("head",) if isinstance(self.latents, str) else ("latents",)
        vae = ("encoder", *head, "decoder", *LIKELIHOODS[self.likelihood].parameters)
        return {"vae": vae} if self.critic is None else {"vae": vae, "critic": ("critic",)}

    def __call__(self, x: Float[Array, "B H W C"]) -> Any:
        """Return the prediction from the posterior's mode, with a use of every parameter, as `init` needs."""
        z = self.encode(x).mode()
        if self.critic is not None and self.is_initializing():
            self.discriminate(z)
        return self.decode(z)

    def discriminate(self, z: Float[Array, "B D"]) -> Float[Array, "B 2"]:
        """Return the critic's logits [B, 2] of codes z [B, D]."""
        assert self.critic is not None, "this model has no critic"
        return self.critic(z)

    def encode(self, x: Float[Array, "B H W C"]) -> Any:
        """Return q(z|x), the distribution of the latents of images x [B, H, W, C].

        Raises:
            ValueError: x is not [B, *image_shape].
        """
        if x.ndim != 4 or x.shape[1:] != self.image_shape:
            raise ValueError(f"encode takes images [B, *{self.image_shape}], not an array of shape {x.shape}")
        if self.encoder is None:
            return self.posterior(x)
        features = networks.call(self.encoder, x, training=self.training)
        return (self.head if isinstance(self.latents, str) else self.latents)(features)

    def decode(self, z: Any) -> Any:
        """Return the prediction `pred` that the likelihood takes, an array or a tree in float32.

        Args:
            z: latents, [B, D].

        Raises:
            ValueError: z is not [B, latent_dim].
            errors.UserError: the user's decoder returns another shape than the likelihood needs.
        """
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"decode takes latents [B, {self.latent_dim}], not an array of shape {z.shape}")
        likelihood = LIKELIHOODS[self.likelihood]
        if self.decoder is None:
            raw = self.generator(z)
        else:
            raw = networks.call(self.decoder, z, training=self.training)
            expected = (len(z), *self.image_shape[:2], likelihood.channels(self.image_shape[-1]))
            if raw.shape != expected:
                raise errors.UserError(
                    f"the decoder {type(self.decoder).__name__} returned an array of shape {raw.shape} where the "
                    f"{self.likelihood} likelihood needs {expected}, [B, H, W, channels]"
                )
            raw = raw.astype(jnp.float32)
        if self.output_activation is not None:
            return OUTPUT_ACTIVATIONS[self.output_activation](raw)
        return likelihood.activation(raw, self.data_range, dict(self.likelihood_parameters))

    @nn.nowrap
    def prior(self) -> Gaussian:
        """Return p(z) = N(0, prior_std^2 I), with parameters [latent_dim]."""
        mean = jnp.zeros(self.latent_dim, jnp.float32)
        return Gaussian(mean, jnp.full_like(mean, 2.0 * math.log(self.prior_std)))

    @nn.nowrap
    def picture(self, pred: Any) -> Float[Array, "*N H W C"]:
        """Return the mean of p(x|z) for a prediction as images [..., H, W, C] in `data_range`."""
        return LIKELIHOODS[self.likelihood].mean(pred, self.data_range)


def _positive_integers(name: str, values: Any) -> Any:
    """Return the values as a tuple of integers, or raise errors.UserError if one is not a positive integer."""
    try:
        integers = tuple(operator.index(value) for value in values)
    except TypeError:
        integers = ()
    if not integers or min(integers) < 1:
        raise errors.UserError(f"{name} must hold positive integers, not {values}")
    return integers


def _validate(model: VAE) -> None:
    if len(model.image_shape) != 3:
        raise errors.UserError(f"image_shape must be (height, width, channels), not {model.image_shape}")
    choices = {
        "likelihood": LIKELIHOODS,
        "tower": towers.TOWERS,
        "norm": normalisation.NORMS,
        "activation": layers.ACTIVATIONS,
        "precision": layers.PRECISIONS,
        "output_activation": (None, *OUTPUT_ACTIVATIONS),
    }
    if isinstance(model.latents, str):
        choices["latents"] = heads.HEADS
    for field, names in choices.items():
        if getattr(model, field) not in names:
            known = ", ".join(str(name) for name in names)
            raise errors.UserError(f"unknown {field} {getattr(model, field)!r}: choose one of {known}")
    for field in ("encoder", "decoder", "critic"):
        if not isinstance(getattr(model, field), nn.Module | None):
            raise errors.UserError(f"{field} must be a flax.linen module, not {getattr(model, field)!r}")
    if not model.prior_std > 0:
        raise errors.UserError(f"prior_std must be above 0, not {model.prior_std}")
    if model.data_range not in ((0.0, 1.0), (-1.0, 1.0)):
        raise errors.UserError(f"data_range must be (0, 1) or (-1, 1), not {model.data_range}")
    likelihood = LIKELIHOODS[model.likelihood]
    if likelihood.data_range not in (None, model.data_range):
        low, high = likelihood.data_range
        raise errors.UserError(
            f"the {model.likelihood} likelihood needs pixels in ({low:g}, {high:g}): "
            f"set data.range=({low:g}, {high:g}) or choose another likelihood"
        )
    channels = model.image_shape[-1]
    if model.output_activation is not None and (
        likelihood.parameters or likelihood.data_range or likelihood.channels(channels) != channels
    ):
        raise errors.UserError(
            f"output_activation={model.output_activation!r} does not fit the {model.likelihood} likelihood, "
            "which brings its own: leave it None"
        )

"""The convolutional VAE: an encoder, a decoder and what the likelihood asks of them. It draws no noise."""

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from vae_jax import distributions, errors
from vae_jax.losses import reconstruction
from vae_jax.models import decoder, discriminator, encoder, layers, normalisation

# exp(-15) to exp(10) as a standard deviation: wider than any use, narrow enough for finite float32 gradients.
LOGVAR_RANGE = (-30.0, 20.0)

OUTPUT_ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "identity": lambda raw: raw,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
}


class VAE(nn.Module):
    """A VAE of stride-2 3x3 convolutions for images of any size; the defaults are PyTorch-VAE's layers.

    Attributes:
        image_shape: (H, W, C) of the images.
        latent_dim: D, the number of latents.
        hidden_dims: channels of each level; a level halves height and width, rounding up.
        likelihood: a key of `losses.reconstruction.LIKELIHOODS`; settles the decoder's channels and activation.
        data_range: the pixels' range, (0, 1) or (-1, 1).
        output_activation: None follows from `likelihood` and `data_range`; "identity", "sigmoid" or "tanh"
            overrides it, for imported weights that were trained with another one.
        norm: "batch", "group" or "none".
        activation: a key of `layers.ACTIVATIONS`.
        precision: "float32", "tf32" or "bfloat16": what the layers compute in. Parameters, statistics, posterior
            and prediction are float32 in all.
        discriminator_dims: hidden widths of FactorVAE's discriminator, which `factor_loss` asks for; () is none.
        training: normalise by the batch's statistics; switch with `model.clone(training=True)`.
        axis_name: the mapped axis (pmap) over which BatchNorm's statistics are taken as well.

    Raises:
        errors.UserError: values that cannot work, or not together.
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
    discriminator_dims: tuple[int, ...] = ()
    training: bool = False
    axis_name: str | None = None

    def __post_init__(self):
        self.image_shape = _positive_integers("image_shape", self.image_shape)
        self.hidden_dims = _positive_integers("hidden_dims", self.hidden_dims)
        if not isinstance(self.latent_dim, int | np.integer) or self.latent_dim < 1:
            raise errors.UserError(f"latent_dim must be a positive integer, not {self.latent_dim!r}")
        self.data_range = tuple(float(bound) for bound in self.data_range)
        _validate(self)
        super().__post_init__()

    def setup(self):
        likelihood = reconstruction.LIKELIHOODS[self.likelihood]
        style = layers.Style(self.norm, self.activation, self.precision, self.training, self.axis_name)
        self.encoder, self.decoder = self.networks(style, likelihood.channels(self.image_shape[-1]))
        if self.discriminator_dims:
            self.discriminator = discriminator.Discriminator(self.discriminator_dims)
        self.likelihood_parameters = {
            name: self.param(name, nn.initializers.constant(value), ()) for name, value in likelihood.parameters.items()
        }

    @nn.nowrap
    def networks(self, style: layers.Style, channels: int) -> tuple[nn.Module, nn.Module]:
        """Return encoder and decoder, the latter with `channels` output channels: what another kind of VAE replaces."""
        return (
            encoder.Encoder(self.latent_dim, self.hidden_dims, style),
            decoder.Decoder(self.image_shape[:2], channels, self.hidden_dims, style),
        )

    def __call__(self, x: jax.Array) -> Any:
        """Decode the posterior's mean; touches every parameter, which is what `init` needs."""
        z = self.encode(x).mean
        if self.discriminator_dims and self.is_initializing():
            self.discriminate(z)
        return self.decode(z)

    def discriminate(self, z: jax.Array, frozen: bool = False) -> jax.Array:
        """Return FactorVAE's logits [B, 2] for codes z [B, D]; with `frozen` its parameters take no gradient."""
        return self.discriminator(z, frozen)

    def encode(self, x: jax.Array) -> distributions.Gaussian:
        """Return q(z|x) of images x [B, H, W, C], with its log variance clipped to `LOGVAR_RANGE`.

        Raises:
            ValueError: x is not [B, *image_shape].
        """
        if x.ndim != 4 or x.shape[1:] != self.image_shape:
            raise ValueError(f"encode takes images [B, *{self.image_shape}], not an array of shape {x.shape}")
        mean, logvar = self.encoder(x)
        return distributions.Gaussian(mean, jnp.clip(logvar, *LOGVAR_RANGE))

    def decode(self, z: jax.Array) -> Any:
        """Return what the likelihood takes as `pred` (an array or a tree, float32) for latents z [B, D].

        Raises:
            ValueError: z is not [B, latent_dim].
        """
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"decode takes latents [B, {self.latent_dim}], not an array of shape {z.shape}")
        raw = self.decoder(z)
        if self.output_activation is not None:
            return OUTPUT_ACTIVATIONS[self.output_activation](raw)
        likelihood = reconstruction.LIKELIHOODS[self.likelihood]
        return likelihood.activation(raw, self.data_range, dict(self.likelihood_parameters))

    @nn.nowrap
    def picture(self, pred: Any) -> jax.Array:
        """Return the mean of the likelihood at `pred` as images [..., H, W, C] in `data_range`."""
        return reconstruction.LIKELIHOODS[self.likelihood].mean(pred, self.data_range)


@functools.partial(jax.jit, static_argnums=0)
def init(model: nn.Module, key: jax.Array) -> dict:
    """Return fresh variables: {"params": ..., "batch_stats": ...}, the latter only with norm="batch"."""
    return model.init(key, jnp.zeros((2, *model.image_shape), jnp.float32))


def apply_objective(
    objective: Callable,
    model: nn.Module,
    variables: Mapping,
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    step: jax.Array | int,
    *,
    training: bool,
) -> tuple[tuple[jax.Array, dict[str, jax.Array]], Mapping]:
    """Return `objective(vae, batch, key, step)`, `vae` the model bound to `variables`, and new running statistics.

    The one place where running statistics are threaded. In training, the first encode and the first decode within
    the call update them and later ones do not; otherwise they come back as they are. Without any: {}.

    Args:
        objective: (vae, batch, key, step) -> (loss, metrics).
        model: a module with `encode`, `decode` and an attribute `training`.
        variables: {"params": ...} and, if the model has them, "batch_stats".
        training: the mode the model runs in, whatever its own attribute says.

    Returns:
        ((loss, metrics), batch_stats)
    """

    def run(vae):
        return objective(vae, batch, key, step)

    # BatchNorm marks its first pass in "passes", which ends with this call.
    mutable = ["batch_stats", "passes"] if training else False
    result = nn.apply(run, model.clone(training=training), mutable=mutable)(variables)
    if not training:
        return result, variables.get("batch_stats", {})
    outputs, updated = result
    return outputs, updated.get("batch_stats", {})


def _positive_integers(name: str, values: Any) -> tuple[int, ...]:
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
        "likelihood": reconstruction.LIKELIHOODS,
        "norm": normalisation.NORMS,
        "activation": layers.ACTIVATIONS,
        "precision": layers.PRECISIONS,
        "output_activation": (None, *OUTPUT_ACTIVATIONS),
    }
    for field, names in choices.items():
        if getattr(model, field) not in names:
            known = ", ".join(str(name) for name in names)
            raise errors.UserError(f"unknown {field} {getattr(model, field)!r}: choose one of {known}")
    if model.data_range not in ((0.0, 1.0), (-1.0, 1.0)):
        raise errors.UserError(f"data_range must be (0, 1) or (-1, 1), not {model.data_range}")
    likelihood = reconstruction.LIKELIHOODS[model.likelihood]
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

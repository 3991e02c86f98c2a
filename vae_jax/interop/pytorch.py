"""PyTorch weights in: a `VanillaVAE` state dict of PyTorch-VAE becomes a model and variables of the same function.

PyTorch keeps images and feature maps as [C, H, W], this code as [H, W, C]: kernels are transposed, and the linear
layers at the bottleneck are permuted along their flattened axis as well.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from vae_jax import errors, models

_WRAPPERS = ("model.", "module.", "_orig_mod.")  # Lightning, DataParallel and its kin, torch.compile


def from_pytorch(
    state_dict: Mapping[str, Any],
    data_range: tuple[float, float] = (-1, 1),
    *,
    image_shape: tuple[int, int, int] | None = None,
) -> tuple[models.VAE, dict]:
    """Return (model, variables) that compute what PyTorch-VAE's `VanillaVAE` computes with these weights.

    hidden_dims, latent_dim and channels follow from the shapes. The decoder ends in tanh, as theirs does.

    Args:
        state_dict: arrays or tensors under PyTorch-VAE's key names, also with the prefixes of Lightning ("model."),
            DataParallel ("module.") and torch.compile ("_orig_mod."); or a whole Lightning checkpoint, which is the
            mapping that holds "state_dict".
        data_range: of the images the weights were trained on: (-1, 1), or (0, 1) for PyTorch-VAE since
            December 2021, which pairs tanh with images in [0, 1].
        image_shape: (H, W, C); None takes the images to be square.

    Raises:
        errors.UserError: a key that is missing, unknown or of the wrong shape, an array with values that are not
            finite, or an `image_shape` that does not lead to the bottleneck of the weights.
    """
    weights = _Weights(state_dict)
    hidden_dims = weights.level_widths()
    channels = weights.array("encoder.0.0.weight", (hidden_dims[0], None, 3, 3)).shape[1]
    latent_dim, flat = weights.array("fc_mu.weight", (None, None)).shape
    height, width = _bottleneck(flat, channels, hidden_dims, image_shape)
    scale = 2 ** len(hidden_dims)

    model = models.VAE(
        image_shape=(height * scale, width * scale, channels),
        latent_dim=latent_dim,
        hidden_dims=hidden_dims,
        data_range=data_range,
        output_activation=None if tuple(data_range) == (-1, 1) else "tanh",
    )
    params, batch_stats = _encoder(weights, channels, hidden_dims, latent_dim, (height, width))
    decoder_params, decoder_stats = _decoder(weights, channels, hidden_dims, latent_dim, (height, width))
    weights.refuse_unread()
    return model, {
        "params": {"encoder": params, "decoder": decoder_params},
        "batch_stats": {"encoder": batch_stats, "decoder": decoder_stats},
    }


def _encoder(weights, channels, hidden_dims, latent_dim, size):
    params, batch_stats = {}, {}
    for level, (inputs, outputs) in enumerate(zip((channels, *hidden_dims[:-1]), hidden_dims, strict=True)):
        name = f"down_{level}"
        params[name] = {"conv": weights.convolution(f"encoder.{level}.0", inputs, outputs)}
        params[name]["norm"], batch_stats[name] = weights.batch_norm(f"encoder.{level}.1", outputs)
    params["mean"] = weights.dense_from_map("fc_mu", (hidden_dims[-1], *size), latent_dim)
    params["logvar"] = weights.dense_from_map("fc_var", (hidden_dims[-1], *size), latent_dim)
    return params, batch_stats


def _decoder(weights, channels, hidden_dims, latent_dim, size):
    params = {"input": weights.dense_to_map("decoder_input", latent_dim, (hidden_dims[-1], *size))}
    batch_stats = {}
    widths = (*reversed(hidden_dims), hidden_dims[0])
    for level, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        name = f"up_{level}"
        source = "final_layer" if level == len(hidden_dims) - 1 else f"decoder.{level}"
        params[name] = {"conv": weights.transposed_convolution(f"{source}.0", inputs, outputs)}
        params[name]["norm"], batch_stats[name] = weights.batch_norm(f"{source}.1", outputs)
    params["output"] = weights.convolution("final_layer.3", hidden_dims[0], channels)
    return params, batch_stats


def _bottleneck(flat, channels, hidden_dims, image_shape) -> tuple[int, int]:
    """Return (height, width) of the map of hidden_dims[-1] channels that flattens to `flat` values."""
    area, scale = flat / hidden_dims[-1], 2 ** len(hidden_dims)
    if image_shape is None:
        side = math.isqrt(int(area))
        if side < 1 or side * side != area:
            raise errors.UserError(
                f"fc_mu.weight reads {flat} values, which is no square map of {hidden_dims[-1]} channels: "
                "give image_shape=(height, width, channels)"
            )
        return side, side
    *size, image_channels = image_shape
    height, width = (n // scale for n in size)
    if height * width != area or image_channels != channels or any(n % scale for n in size):
        raise errors.UserError(
            f"image_shape={tuple(image_shape)} does not fit the weights: they take {channels} channels, and a "
            f"height and width that are multiples of {scale} and multiply to {area * scale * scale:g}"
        )
    return height, width


class _Weights:
    """A state dict as float32 arrays by plain key names, which remembers what was read."""

    def __init__(self, state_dict: Mapping[str, Any]):
        state_dict = state_dict.get("state_dict", state_dict)
        arrays = {_plain_name(key): value for key, value in state_dict.items()}
        self._arrays = {k: _to_numpy(v) for k, v in arrays.items() if not k.endswith("num_batches_tracked")}
        self._read: set[str] = set()

    def level_widths(self) -> tuple[int, ...]:
        """Return hidden_dims: the output channels of encoder.0.0, encoder.1.0, ..."""
        widths = []
        while not widths or f"encoder.{len(widths)}.0.weight" in self._arrays:
            widths.append(self.array(f"encoder.{len(widths)}.0.weight", (None, None, 3, 3)).shape[0])
        return tuple(widths)

    def array(self, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Return the array at `key`, whose shape must be `shape` wherever that is not None."""
        if key not in self._arrays:
            raise errors.UserError(f"the state dict has no key {key!r}, which a VanillaVAE has")
        array = self._arrays[key]
        expected = [n if e is None else e for n, e in zip(array.shape, shape, strict=False)]
        if array.ndim != len(shape) or list(array.shape) != expected:
            wanted = ", ".join("*" if n is None else str(n) for n in shape)
            raise errors.UserError(f"{key!r} of the state dict has shape {array.shape}, not ({wanted})")
        if not np.isfinite(array).all():
            raise errors.UserError(
                f"{key!r} of the state dict holds {np.sum(~np.isfinite(array))} values of {array.size} that are not "
                "finite numbers in float32; take the weights of an earlier checkpoint"
            )
        self._read.add(key)
        return array

    def refuse_unread(self) -> None:
        unread = sorted(set(self._arrays) - self._read)
        if unread:
            raise errors.UserError(f"the state dict has a key {unread[0]!r}, which a VanillaVAE has not")

    def convolution(self, name: str, inputs: int, outputs: int) -> dict:
        """OIHW -> HWIO."""
        kernel = self.array(f"{name}.weight", (outputs, inputs, 3, 3))
        return {"kernel": kernel.transpose(2, 3, 1, 0), "bias": self.array(f"{name}.bias", (outputs,))}

    def transposed_convolution(self, name: str, inputs: int, outputs: int) -> dict:
        """IOHW -> HWOI."""
        kernel = self.array(f"{name}.weight", (inputs, outputs, 3, 3))
        return {"kernel": kernel.transpose(2, 3, 1, 0), "bias": self.array(f"{name}.bias", (outputs,))}

    def batch_norm(self, name: str, channels: int) -> tuple[dict, dict]:
        """Return params and running statistics."""

        def read(key: str) -> np.ndarray:
            return self.array(f"{name}.{key}", (channels,))

        params = {"scale": read("weight"), "bias": read("bias")}
        return params, {"norm": {"mean": read("running_mean"), "var": read("running_var")}}

    def dense_from_map(self, name: str, chw: tuple[int, int, int], outputs: int) -> dict:
        """A linear layer that reads a flattened [C, H, W] -> one that reads a flattened [H, W, C]."""
        kernel = self.array(f"{name}.weight", (outputs, math.prod(chw)))
        kernel = kernel.reshape(outputs, *chw).transpose(2, 3, 1, 0).reshape(-1, outputs)
        return {"kernel": kernel, "bias": self.array(f"{name}.bias", (outputs,))}

    def dense_to_map(self, name: str, inputs: int, chw: tuple[int, int, int]) -> dict:
        """A linear layer that writes a flattened [C, H, W] -> one that writes a flattened [H, W, C]."""
        kernel = self.array(f"{name}.weight", (math.prod(chw), inputs))
        bias = self.array(f"{name}.bias", (math.prod(chw),))
        return {
            "kernel": kernel.reshape(*chw, inputs).transpose(3, 1, 2, 0).reshape(inputs, -1),
            "bias": bias.reshape(chw).transpose(1, 2, 0).ravel(),
        }


def _plain_name(key: str) -> str:
    """Return a key without the prefixes that wrappers of a module put before the names of its parameters."""
    while key.startswith(_WRAPPERS):
        key = key.partition(".")[2]
    return key


def _to_numpy(value: Any) -> np.ndarray:
    """Return a copy in float32; a tensor may require gradients, be bfloat16 or live on a GPU."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().float().numpy()
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite, which is refused where it is read
        return np.array(value, np.float32)

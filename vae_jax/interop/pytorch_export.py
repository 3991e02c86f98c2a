"""PyTorch weights out: a model becomes the state dict of PyTorch-VAE's `VanillaVAE` that computes the same function.

`pytorch` reads such weights in; the two are each other's inverse. The layouts are described there.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from vae_jax import errors, models

StateDict = dict[str, np.ndarray]


def to_pytorch(model: models.VAE, variables: Mapping[str, Any]) -> StateDict:
    """Return a state dict for PyTorch-VAE's `VanillaVAE`, as numpy arrays under its key names.

    Load it by `vae.load_state_dict({name: torch.as_tensor(array) for name, array in state_dict.items()})`.

    Args:
        model: a convolutional VAE as PyTorch-VAE has it: BatchNorm, leaky ReLU, Gaussian latents, an output by tanh.
        variables: {"params": ..., "batch_stats": ...}.

    Raises:
        errors.UserError: the model computes a function that `VanillaVAE` cannot.
    """
    _check(model)
    params, statistics = variables["params"], variables["batch_stats"]
    levels = len(model.hidden_dims)
    height, width = (side // 2**levels for side in model.image_shape[:2])
    bottleneck = (height, width, model.hidden_dims[-1])
    encoder, decoder = params["encoder"], params["decoder"]
    state: StateDict = {}
    for level in range(levels):
        name = f"down_{level}"
        _convolution(state, f"encoder.{level}.0", encoder[name]["conv"])
        _batch_norm(state, f"encoder.{level}.1", encoder[name]["norm"], statistics["encoder"][name]["norm"])
        name = f"up_{level}"
        target = "final_layer" if level == levels - 1 else f"decoder.{level}"
        _convolution(state, f"{target}.0", decoder[name]["conv"])
        _batch_norm(state, f"{target}.1", decoder[name]["norm"], statistics["decoder"][name]["norm"])
    _dense_from_map(state, "fc_mu", encoder["mean"], bottleneck)
    _dense_from_map(state, "fc_var", encoder["logvar"], bottleneck)
    _dense_to_map(state, "decoder_input", decoder["input"], bottleneck)
    _convolution(state, "final_layer.3", decoder["output"])
    return state


def _check(model: models.VAE) -> None:
    """Refuse a model that `VanillaVAE` cannot be, by the first attribute that differs."""
    ends_in_tanh = model.output_activation == "tanh" or (
        model.output_activation is None and model.data_range == (-1.0, 1.0) and model.likelihood == "gaussian"
    )
    wanted = {
        "tower": (model.tower, "conv"),
        "norm": (model.norm, "batch"),
        "activation": (model.activation, "leaky_relu"),
        "latents": (model.latents, "gaussian"),
        "encoder": (model.encoder, None),
        "decoder": (model.decoder, None),
        "output": ("tanh" if ends_in_tanh else "another", "tanh"),
    }
    for name, (found, needed) in wanted.items():
        if found != needed:
            raise errors.UserError(f"PyTorch-VAE's VanillaVAE has {name} {needed}, and this model has {found}")
    scale = 2 ** len(model.hidden_dims)
    if any(side % scale for side in model.image_shape[:2]):
        raise errors.UserError(
            f"PyTorch-VAE's VanillaVAE takes images whose sides are multiples of {scale}, not {model.image_shape[:2]}"
        )


def _convolution(state: StateDict, name: str, layer: Mapping[str, Any]) -> None:
    """Write a convolution's kernel, HWIO -> OIHW, and its bias; a transposed one goes from HWOI to IOHW alike."""
    state[f"{name}.weight"] = np.array(layer["kernel"], np.float32).transpose(3, 2, 0, 1).copy()
    state[f"{name}.bias"] = np.array(layer["bias"], np.float32)


def _batch_norm(state: StateDict, name: str, layer: Mapping[str, Any], statistics: Mapping[str, Any]) -> None:
    """Write a BatchNorm's parameters and running statistics."""
    arrays = {
        "weight": layer["scale"],
        "bias": layer["bias"],
        "running_mean": statistics["mean"],
        "running_var": statistics["var"],
    }
    state.update({f"{name}.{key}": np.array(array, np.float32) for key, array in arrays.items()})
    state[f"{name}.num_batches_tracked"] = np.array(0, np.int64)


def _dense_from_map(state: StateDict, name: str, layer: Mapping[str, Any], hwc: tuple[int, int, int]) -> None:
    """Write a linear layer that reads a flattened [H, W, C] as one that reads a flattened [C, H, W]."""
    kernel = np.array(layer["kernel"], np.float32)
    outputs = kernel.shape[1]
    state[f"{name}.weight"] = kernel.reshape(*hwc, outputs).transpose(3, 2, 0, 1).reshape(outputs, math.prod(hwc))
    state[f"{name}.bias"] = np.array(layer["bias"], np.float32)


def _dense_to_map(state: StateDict, name: str, layer: Mapping[str, Any], hwc: tuple[int, int, int]) -> None:
    """Write a linear layer that writes a flattened [H, W, C] as one that writes a flattened [C, H, W]."""
    kernel = np.array(layer["kernel"], np.float32)
    inputs = kernel.shape[0]
    state[f"{name}.weight"] = kernel.reshape(inputs, *hwc).transpose(3, 1, 2, 0).reshape(math.prod(hwc), inputs)
    state[f"{name}.bias"] = np.array(layer["bias"], np.float32).reshape(hwc).transpose(2, 0, 1).ravel()

"""The initial bias of a decoder's output, with which the first predictions are the mean image.

Without it the first predictions are grey. `training.setup` calls the function for a fresh model.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

MEAN_RANGE = (0.001, 0.999)  # the mean of a pixel is clipped to this range, so that its logit is finite


def set_output_bias(model: Any, variables: Mapping[str, Any], images: np.ndarray) -> Mapping[str, Any]:
    """Return the variables with the decoder's output bias set to the logit of the mean image.

    The bias is set for a Bernoulli likelihood with a perceptron's decoder. The variables of every other model are
    returned unchanged.

    Args:
        model: any model.
        variables: the model's fresh variables, {"params": ...}.
        images: training images, uint8 [N, H, W, C].
    """
    if getattr(model, "tower", None) != "mlp" or model.decoder is not None or model.likelihood != "bernoulli":
        return variables
    mean = np.clip(np.mean(images, axis=0, dtype=np.float64) / 255.0, *MEAN_RANGE)
    bias = jnp.asarray(np.log(mean / (1.0 - mean)).reshape(-1), jnp.float32)
    params = variables["params"]
    decoder = {**params["decoder"], "output": {**params["decoder"]["output"], "bias": bias}}
    return {**variables, "params": {**params, "decoder": decoder}}

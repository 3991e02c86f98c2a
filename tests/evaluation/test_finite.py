"""Refusals name what is not finite."""

import numpy as np
import pytest

from vae_jax import errors
from vae_jax.evaluation import finite


def test_weights_are_named():
    variables = {"params": {"encoder": {"kernel": np.ones(3), "bias": np.array([np.inf])}, "decoder": np.ones(2)}}
    with pytest.raises(errors.UserError, match=r"in 1 of 3 arrays \(params/encoder/bias\); use an earlier checkpoint"):
        finite.check_variables(variables)
    finite.check_variables({"params": {"decoder": np.ones(2)}})


def test_images_are_counted_and_the_first_is_named():
    code = np.ones((5, 2))
    finite.check_images("the code", {"a": code, "b": code[:, 0]})
    finite.check_images("the KL", None)
    code[2:4, 1] = np.nan
    with pytest.raises(errors.UserError, match="the code is not finite for 2 of 5 images, the first is image 2"):
        finite.check_images("the code", code)


def test_numbers_are_named_at_any_depth():
    finite.check_numbers({"metrics": {"elbo": -1.0}, "latents": {"verdict": "x", "kl": [0.0, 1.0]}, "n": None})
    with pytest.raises(errors.UserError, match=r"^bound.importance_weighted.bound is not finite"):
        finite.check_numbers({"bound": {"importance_weighted": {"bound": -np.inf}}})
    with pytest.raises(errors.UserError, match=r"^latents.kl is not finite"):
        finite.check_numbers({"latents": {"kl": [0.0, np.nan]}})

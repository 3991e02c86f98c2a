"""The methods as presets: a table from a preset's name to the fields that the method sets.

    python main.py --config configs/digits.py:beta_tc

A preset replaces the sections of `config.objective` and `config.model` that belong to its method. All other fields stay
as the config has them; in particular, the likelihood is the one of the data set, unless the method is a likelihood.
Weights are in nats per image, so the weight that a paper has beside a summed log-likelihood is used as it is. A
likelihood that needs a range of pixels sets `config.data.range` too.
"""

from typing import Any

from vae_jax import errors
from vae_jax.config import Config


def _beta(beta: float = 1.0, warmup_steps: int = 0) -> dict[str, Any]:
    return {"name": "beta", "beta": beta, "warmup_steps": warmup_steps}


ELBO = {"name": "elbo", "rate": _beta(), "penalties": {}}
WAE = {"name": "wae", "latents": {"name": "deterministic"}}

PRESETS: dict[str, dict[str, Any]] = {
    # Functions of the KL.
    "vanilla": ELBO,
    "beta": ELBO | {"rate": _beta(4.0)},
    "capacity": ELBO | {"rate": {"name": "capacity", "gamma": 1000.0, "capacity": 25.0, "capacity_steps": 10_000}},
    "free_bits": ELBO | {"rate": {"name": "free_bits", "nats": 0.5, "beta": 1.0, "warmup_steps": 0}},
    # Terms of the aggregate posterior.
    "beta_tc": ELBO | {"penalties": {"tc": {"name": "total_correlation", "weight": 5.0, "estimator": "stratified"}}},
    "factor": ELBO | {"name": "factor", "options": {"gamma": 10.0}, "critic": {"name": "code"}},
    "dip_i": ELBO | {"penalties": {"dip": {"name": "dip_i", "weight": 10.0, "diagonal": 10.0}}},
    "dip_ii": ELBO | {"penalties": {"dip": {"name": "dip_ii", "weight": 10.0, "diagonal": 1.0}}},
    "info": ELBO | {"rate": _beta(0.0), "penalties": {"mmd": {"name": "mmd_imq", "weight": 100.0}}},
    "wae_mmd": WAE | {"penalties": {"mmd": {"name": "mmd_imq", "weight": 100.0}}},
    "wae_rbf": WAE | {"penalties": {"mmd": {"name": "mmd_rbf", "weight": 100.0}}},
    "swae": WAE | {"penalties": {"swd": {"name": "sliced_wasserstein", "weight": 100.0, "num_projections": 50}}},
    # Several samples of the posterior, or another estimator of the gradient.
    "iwae": {"name": "iwae", "num_samples": 5},
    "miwae": {"name": "miwae", "num_samples": 4, "options": {"num_groups": 4}},
    "piwae": {"name": "piwae", "num_samples": 4, "options": {"num_groups": 4}},
    "ciwae": {"name": "ciwae", "num_samples": 5, "options": {"beta": 0.5}},
    "dreg": {"name": "iwae", "num_samples": 5, "gradient": "dreg"},
    "stl": ELBO | {"gradient": "stl"},
    # Likelihoods.
    "sigma": ELBO | {"reconstruction": {"name": "learned_sigma"}},
    "optimal_sigma": ELBO | {"reconstruction": {"name": "optimal_sigma"}},
    "laplace": ELBO | {"reconstruction": {"name": "laplace", "scale": 0.1}},
    "bernoulli": ELBO | {"reconstruction": {"name": "bernoulli"}, "range": (0.0, 1.0)},
    "continuous_bernoulli": ELBO | {"reconstruction": {"name": "continuous_bernoulli"}, "range": (0.0, 1.0)},
    "discretized_logistic": ELBO | {"reconstruction": {"name": "discretized_logistic"}, "range": (-1.0, 1.0)},
    # Reconstruction losses that are not likelihoods; `scale` is in nats per pixel value.
    "log_cosh": ELBO | {"reconstruction": {"name": "log_cosh", "alpha": 10.0}, "rate": _beta(0.1)},
    "ssim": ELBO | {"reconstruction": {"name": "ssim", "scale": 1.0}},
    "ms_ssim": ELBO | {"reconstruction": {"name": "ms_ssim", "scale": 1.0}},
}


def apply(config: Config, name: str, recipes: tuple[str, ...] = ()) -> Config:
    """Return the config after setting the fields of a preset in it; "" sets none.

    Raises:
        errors.UserError: there is no preset of that name; `recipes` are offered in the message.
    """
    if not name:
        return config
    if name not in PRESETS:
        raise errors.UserError(f"unknown recipe or preset {name!r}; {errors.did_you_mean(name, (*PRESETS, *recipes))}")
    for field, value in PRESETS[name].items():
        if field == "range":
            config.data.range = value
        elif field in ("latents", "prior", "critic"):
            config.model[field].update(value)
        else:
            config.objective[field] = Config(value) if isinstance(value, dict) else value
    return config

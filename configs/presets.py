"""The method zoo on one page: a preset's name -> what it changes in a config's `objective` section."""

from ml_collections import config_dict

from vae_jax import errors
from vae_jax.configuration import nearest

PRESETS: dict[str, dict] = {
    "vanilla": {},
    "bernoulli": {"reconstruction": {"name": "bernoulli"}},
}


def apply(config: config_dict.ConfigDict, name: str, recipes: tuple[str, ...] = ()) -> config_dict.ConfigDict:
    """Return the config with the preset's sections in place of its own; "" changes nothing.

    Raises:
        errors.UserError: there is no such preset, nor such a recipe.
    """
    if not name:
        return config
    if name not in PRESETS:
        raise errors.UserError(f"unknown recipe or preset {name!r}; {nearest(name, (*PRESETS, *recipes))}")
    for field, value in PRESETS[name].items():
        config.objective[field] = config_dict.ConfigDict(value) if isinstance(value, dict) else value
    return config

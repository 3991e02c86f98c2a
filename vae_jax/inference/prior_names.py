"""The names of the densities from which samples are drawn, as `--prior` takes them.

This file does not import jax, so that the command line can check a name quickly. The densities are fitted in
`fitted_priors`.
"""

from vae_jax import errors

KINDS = "standard, gaussian, mixture:COMPONENTS or aggregate"


def parse(name: str) -> tuple[str, int]:
    """Return the kind of a density and its number of components, which is 0 for every kind but "mixture".

    Args:
        name: such as "aggregate" or "mixture:10".

    Raises:
        errors.UserError: the name is unknown.
    """
    kind, colon, number = name.partition(":")
    if kind == "mixture" and number.isdecimal() and int(number) > 0:
        return kind, int(number)
    if kind in ("standard", "gaussian", "aggregate") and not colon:
        return kind, 0
    raise errors.UserError(f"--prior={name} is not a prior; use {KINDS}, such as mixture:10")

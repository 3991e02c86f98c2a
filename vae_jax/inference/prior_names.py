"""The names of the densities that samples may be drawn from, as `--prior` takes them.

This file imports nothing heavy, so that the command line checks a name before it loads jax. The densities are fitted in
`priors`.
"""

from vae_jax import errors

KINDS = "standard, gaussian, mixture:COMPONENTS or aggregate"


def parse(name: str) -> tuple[str, int]:
    """Return the kind of density that a name stands for, and its number of components.

    The number of components is 0 for every kind but "mixture".

    Raises:
        errors.UserError: there is no such density.
    """
    kind, colon, number = name.partition(":")
    if kind == "mixture" and number.isdecimal() and int(number) > 0:
        return kind, int(number)
    if kind in ("standard", "gaussian", "aggregate") and not colon:
        return kind, 0
    raise errors.UserError(f"--prior={name} is not a prior; use {KINDS}, such as mixture:10")

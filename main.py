"""The command, in a checkout: `python main.py --help`. An installed package has the same command as `vae-jax`."""

import sys

from vae_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))

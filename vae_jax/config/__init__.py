"""A run's configuration: its rules, its JSON, upgrades of older runs, the comparison on resume, and what it builds.

The fields and their defaults are in `configs/base.py`; the command line is read in `vae_jax/cli/`.
"""

from ml_collections import config_dict

Config = config_dict.ConfigDict

__all__ = ["Config"]

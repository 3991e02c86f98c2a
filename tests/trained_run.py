"""A small trained run, and images of one's own."""

import numpy as np
import pytest
from PIL import Image

import vae_jax
from vae_jax.configs import base

IMAGES = np.random.default_rng(1).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    root = tmp_path_factory.mktemp("modes")
    np.savez(root / "images.npz", images=IMAGES, label=np.arange(40) % 13, factors=np.arange(80).reshape(40, 2) % 3)
    config = base.get_config()
    config.update_from_flattened_dict(
        {
            "num_steps": 2,
            "data.source": "npz",
            "data.dir": str(root / "images.npz"),
            "data.batch_size": 8,
            "model.latent_dim": 3,
            "model.hidden_dims": (4,),
        }
    )
    vae_jax.train(config, root / "run")
    return root / "run"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Two colour photographs of another size: fitted to the model, which is grey and 8x8."""
    directory = tmp_path_factory.mktemp("own")
    for name, level in (("a", 40), ("b", 200)):
        Image.new("RGB", (20, 16), (level, level, level)).save(directory / f"{name}.png")
    return directory

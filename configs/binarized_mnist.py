"""MNIST with pixels drawn as 0 or 1 at every visit (dynamic binarisation): the nats of papers on binarised MNIST.

    python main.py --config configs/binarized_mnist.py --config.data.dir=DIR
    python main.py --config configs/binarized_mnist.py:mlp --config.data.dir=DIR
    python main.py --config configs/binarized_mnist.py:mlp --config.data.dir=DIR --workdir runs/mlp-k5 \
        --config.objective.name=iwae --config.objective.num_samples=5

DIR holds the four .gz files of MNIST, as for configs/mnist.py. Evaluation draws the pixels under one fixed key.

The recipe `mlp` is the one-layer network of the IWAE paper (Burda et al., 2016), 784-200-200-50 with tanh, trained for
100 epochs in batches of 100 with a cosine schedule. The recipe `iwae2016` is the same network with the schedule of the
paper: batches of 20, and 3,280 epochs in eight stages. Stage i = 0, ..., 7 lasts 3^i epochs, and each stage has the
learning rate of the stage before it times 10^(-1/7). `--config.num_epochs=364` ends after the sixth stage.
"""

from vae_jax.config import Config
from vae_jax.configs import mnist, presets


def get_config(name: str = "") -> Config:
    """Return the config, with a recipe, "mlp" or "iwae2016", or a preset of configs/presets.py if `name` is not ""."""
    config = mnist.get_config()
    config.data.binarize = "dynamic"
    config.model.latent_dim = 50
    recipes = ("mlp", "iwae2016")
    if name not in recipes:
        return presets.apply(config, name, recipes)
    config.num_epochs = 100
    config.log_every = 500
    config.eval_every = 5_000
    config.checkpoint_every = 5_000
    config.image_every = 5_000

    config.data.batch_size = 100

    config.model.name = "mlp"
    config.model.hidden_dims = (200, 200)
    config.model.norm = "none"
    config.model.activation = "tanh"

    config.optimizer.eps = 1e-4  # the paper's
    if name == "iwae2016":
        config.num_epochs = 3_280
        config.data.batch_size = 20
        config.optimizer.schedule = "stages"
    return config

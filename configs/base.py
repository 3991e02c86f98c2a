"""Every field of a run, its default value and its meaning. No other file holds defaults of fields.

A config file starts from `get_config()` and sets the fields that differ; the command line sets fields after that
(`--config.optimizer.learning_rate=1e-3`). Steps are optimiser steps, and losses are in nats per image. The values that
a field may take are checked by `vae_jax/config/rules.py`.
"""

from ml_collections import config_dict

from vae_jax.config import Config


def get_config() -> Config:
    """Return the defaults that all configs share; each config sets `data.source`, which has none."""
    config = Config()

    config.seed = 0  # the only seed: of the initial weights, the order of the data and all noise
    config.num_epochs = 20  # passes over the training split
    config.num_steps = config_dict.placeholder(int)  # the length of the run in steps; if set, num_epochs is not used
    config.log_every = 50  # steps between logged training metrics
    config.eval_every = 1_000  # steps between evaluations on the validation split
    config.checkpoint_every = 1_000  # steps between checkpoints
    config.image_every = 1_000  # steps between pictures of samples and reconstructions
    config.keep = 3  # number of newest checkpoints that are kept; the best checkpoint is kept too
    config.precision = "float32"  # of the layers: float32 | tf32 | bfloat16; parameters and losses are always float32
    config.parallel = "jit"  # how a step runs on several devices: jit (sharded batch) | pmap
    config.steps_per_call = 1  # steps in one compiled call (lax.scan); more than 1 helps on accelerators only
    config.ema_decay = 0.0  # decay per step of the averaged weights; 0 keeps no average
    config.on_nonfinite = "stop"  # what a loss or gradient that is not finite does: stop (the run) | skip (the update)
    config.max_skips = 10  # skip: the run stops after so many skipped updates in a row

    config.data = data = Config()
    data.source = ""  # digits | idx | npz | folder | celeba | cifar | tfds:NAME
    data.dir = ""  # where the data are: a directory, or an .npz or .zip file
    data.cache_dir = ""  # where decoded images are kept; "" is the user's cache directory
    data.layout = "auto"  # folder: what directories mean: auto | splits (train/, val/, test/) | classes | flat
    data.split_file = ""  # folder, npz: a list of "NAME train|valid|test" lines that divides the images
    data.duplicates = "group"  # copies of an image: group (on one side of every split) | keep | drop
    data.value_range = ()  # (low, high), the values of black and white; () is 0 to 255, or the range of the file's type
    data.axes = ""  # npz: the order of the axes, such as NCHW or NTHWC; "" is [N, H, W] or [N, H, W, C]
    data.frames = "first"  # of animations, files of several pages and the axis T: first | all
    data.label_names = ()  # the classes, or attributes, in the order of their labels; `train` fills this in
    data.valid_fraction = 0.1  # share of the training images for validation, where the source has no such split
    data.batch_size = 64  # images in a step, over all devices
    data.image_size = ()  # (height, width) that images are resized to; () keeps their size
    data.crop = "none"  # before resizing: none | center148 | wae140 | square
    data.flip = False  # mirror half of the training images left to right, drawn anew at every visit
    data.range = (0.0, 1.0)  # what pixel values 0 and 255 become: (0, 1) or (-1, 1)
    data.placement = "auto"  # of the training images: device | host | auto (device, if they fit a quarter of it)
    data.binarize = "none"  # none | dynamic (a Bernoulli draw per visit) | threshold (at one half)
    data.dequantize = False  # add uniform noise of one grey level (densities of 8-bit images)

    config.model = model = Config()
    model.name = "conv"  # conv | mlp, or "my_module:MyVAE", which takes the same attributes
    model.image_shape = ()  # (height, width, channels); () follows from the data
    model.latent_dim = 128  # D, the number of latents
    model.hidden_dims = (32, 64, 128, 256, 512)  # channels of each stride-2 level of the encoder; mlp: its widths
    model.latents = Config({"name": "gaussian"})  # gaussian | deterministic (a code without noise)
    model.prior = Config({"name": "standard_normal", "std": 1.0})  # p(z): N(0, std^2 I)
    model.critic = Config({"name": "none", "hidden_dims": (1000,) * 6})  # none | code (factor's)
    model.encoder = ""  # "my_module:MyEncoder": a linen module of your own, images -> features; "" is the tower's
    model.encoder_options = Config()  # its keywords
    model.decoder = ""  # "my_module:MyDecoder": z -> [B, H, W, channels]; "" is the tower's
    model.decoder_options = Config()  # its keywords
    model.norm = "batch"  # batch | group | none
    model.activation = "leaky_relu"  # leaky_relu | relu | gelu | silu | tanh | elu

    config.objective = objective = Config()
    objective.name = "elbo"  # elbo | iwae | miwae | piwae | ciwae | wae | factor, or "my_module:my_loss"
    objective.reconstruction = Config({"name": "gaussian", "sigma": 1.0})
    objective.rate = Config({"name": "beta", "beta": 1.0, "warmup_steps": 0})
    objective.penalties = Config()  # term -> {name, weight, and the keywords of the function}
    objective.num_samples = 1  # K, latent samples per image, for the objectives that take several
    objective.gradient = "standard"  # estimator of the encoder's gradient: standard | stl | dreg
    objective.options = Config()  # other keywords of the objective's function, by name

    config.optimizer = optimizer = Config()
    optimizer.name = "adam"  # adam | adamw | sgd
    optimizer.learning_rate = 1e-3
    optimizer.schedule = "constant"  # constant | exponential (per epoch) | cosine (to 0) | stages (3^i epochs)
    optimizer.decay_per_epoch = 0.95  # exponential: the factor at the end of each epoch, as in PyTorch's ExponentialLR
    optimizer.warmup_steps = 0  # steps in which the rate grows linearly from 0 to the schedule's
    optimizer.weight_decay = 0.0  # decoupled decay, of adamw only
    optimizer.clip_norm = 0.0  # global norm that gradients are clipped to; 0 clips nothing
    optimizer.eps = 1e-8  # eps of Adam and AdamW
    optimizer.critic = Config({"learning_rate": 1e-4, "b1": 0.5, "b2": 0.9})  # Adam of model.critic

    # What `vae_jax.train` was given from Python in place of the fields above, by name; `train` itself fills this in.
    config.given = Config({"objective": "", "model": "", "images": "", "labels": ""})
    return config

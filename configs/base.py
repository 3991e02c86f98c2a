"""Every field of a run, its default, and one line of meaning. The only place where defaults live.

A config file starts from `get_config()` and overrides what differs; the command line overrides that
(`--config.optimizer.learning_rate=1e-3`). Units: steps are optimiser steps, losses are nats per image.
"""

from ml_collections import config_dict

from vae_jax.config import Config


def get_config() -> Config:
    """Return the defaults that all configs share; `data.source` is left for the config to choose."""
    config = Config()

    config.seed = 0  # the one seed: initialisation, data order, noise
    config.num_epochs = 20  # passes over the training split
    config.num_steps = config_dict.placeholder(int)  # if set, wins over num_epochs
    config.log_every = 50  # steps between logged training metrics
    config.eval_every = 1_000  # steps between evaluations on the validation split
    config.checkpoint_every = 1_000  # steps between checkpoints
    config.image_every = 1_000  # steps between pictures of samples and reconstructions
    config.keep = 3  # newest checkpoints kept, beside the best one
    config.precision = "float32"  # compute: float32 | tf32 | bfloat16; parameters and losses stay float32
    config.parallel = "jit"  # how a step runs on several devices: jit (sharded batch) | pmap
    config.steps_per_call = 1  # steps in one dispatch (lax.scan); more than 1 is for accelerators
    config.ema_decay = 0.0  # decay per step of the averaged weights; 0 keeps none
    config.on_nonfinite = "stop"  # a loss or gradient that is not finite: stop | skip the update
    config.max_skips = 10  # skipped updates in a row before the run stops all the same

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
    data.valid_fraction = 0.1  # share of the training images held out where there is no validation split; 0: none
    data.batch_size = 64  # images in a step, over all devices
    data.image_size = ()  # (height, width) to resize to; () keeps the source's own
    data.crop = "none"  # before resizing: none | center148 | wae140 | square
    data.flip = False  # mirror training images left to right, half of the time
    data.range = (0.0, 1.0)  # what pixel values 0 and 255 become: (0, 1) or (-1, 1)
    data.placement = "auto"  # training images live on the: device | host; auto: device if they fit a quarter of it
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
    objective.name = "elbo"
    objective.reconstruction = Config({"name": "gaussian", "sigma": 1.0})
    objective.rate = Config({"name": "beta", "beta": 1.0, "warmup_steps": 0})
    objective.penalties = Config()  # term -> {name, weight, and the function's keywords}
    objective.num_samples = 1  # K, latent samples per image, where the objective takes several
    objective.gradient = "standard"  # estimator of the encoder's gradient: standard | stl | dreg
    objective.options = Config()  # the objective function's other keywords, by name

    config.optimizer = optimizer = Config()
    optimizer.name = "adam"  # adam | adamw | sgd
    optimizer.learning_rate = 1e-3
    optimizer.schedule = "constant"  # constant | exponential (per epoch) | cosine (to 0) | stages (3^i epochs)
    optimizer.decay_per_epoch = 0.95  # exponential: the factor per epoch, in steps as PyTorch's ExponentialLR
    optimizer.warmup_steps = 0  # linear from 0
    optimizer.weight_decay = 0.0  # adamw's decoupled decay
    optimizer.clip_norm = 0.0  # global norm that gradients are clipped to; 0 does not clip
    optimizer.eps = 1e-8  # Adam's epsilon
    optimizer.critic = Config({"learning_rate": 1e-4, "b1": 0.5, "b2": 0.9})  # of model.critic: Adam

    # What `vae_jax.train` was given from Python in place of the fields above, by name; `train` itself fills this in.
    config.given = Config({"objective": "", "model": "", "images": "", "labels": ""})
    return config

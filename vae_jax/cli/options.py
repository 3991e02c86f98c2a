"""What the command line may say in a mode."""

from typing import NamedTuple

NUM_IMAGES = 64  # made or taken where --num does not say


class Options(NamedTuple):
    """The command line's say in a mode."""

    num: int | None = None  # images to make or to take, or rows to show; None is what the mode does by itself
    seed: int = 0
    temperature: float = 1.0  # what the prior's noise is multiplied by, 1 is the prior
    prior: str = "standard"  # standard | gaussian | mixture:COMPONENTS | aggregate
    nearest: bool = False  # show the training images nearest to samples
    interpolation: str = "linear"  # linear | spherical
    readjust_bn: bool = False  # take BatchNorm's statistics anew from the prior's latents
    checkpoint: str = "latest"  # latest | best | STEP
    split: str = "valid"  # of the run's own data: train | valid | test
    input: str = ""  # the user's own images, a folder or .zip, in place of the split
    data_dir: str = ""  # where the data of the run lie now, if not where they lay
    num_samples: int = 100  # evaluate: K of the importance-weighted bound
    num_images: int = 1000  # evaluate: images in what is costly: that bound, the aggregate posterior, features
    features: str = ""  # evaluate: classifier | random | inception[:FILE] | my_module:my_function; "": what there is
    allow_import: bool = False  # may config.json name code of the user's own

    @property
    def num_shown(self) -> int:
        """Images to make or to take."""
        return NUM_IMAGES if self.num is None else self.num

"""The last steps of every source whose images are arrays in memory: size, copies, splits.

Also the data set of arrays that are passed from Python (`from_arrays`). Sources of encoded files take the same steps in
`vae_jax.data.build` and `vae_jax.data.cache`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import axes, dataset, holdout, images, progress, split_list, value_range


def finish(
    name: str,
    splits: Mapping[str, dataset.Split],
    data,
    recipe: images.Recipe,
    label_names: tuple[str, ...] = (),
    *,
    published: bool = False,
) -> dataset.Dataset:
    """Return the data set of splits that are in memory.

    Args:
        name: of the source.
        splits: split -> arrays, images as uint8 [N, H, W, C].
        data: the config section; reads duplicates, split_file and valid_fraction.
        recipe: crop and size.
        label_names: name of each class or attribute.
        published: whether the splits are those of a published data set.

    Raises:
        UserError: as `dataset.make_dataset`.
    """
    splits = {key: _named(key, split) for key, split in splits.items() if len(split["image"])}
    if data.split_file:
        splits = _by_list(Path(data.split_file).expanduser(), splits)
    splits = {key: {**split, "image": images.fit_array(split["image"], recipe)} for key, split in splits.items()}
    if "train" not in splits:
        return dataset.make_dataset(name, splits)  # refuses them
    hold_out = "valid" not in splits
    if hold_out:
        order = holdout.holdout_order(len(splits["train"]["image"]))
        splits["train"] = {key: values[order] for key, values in splits["train"].items()}
    digests = {key: holdout.digests(split["image"]) for key, split in splits.items()}
    for sentence in value_range.describe(*value_range.levels(splits["train"]["image"])):
        progress.say(sentence)
    chosen, said = holdout.select(digests, data.duplicates, hold_out=hold_out, published=published)
    for sentence in said:
        progress.say(sentence)
    splits = {key: holdout.split_rows(split, chosen[key]) for key, split in splits.items()}
    digests = {key: values[chosen[key]] for key, values in digests.items()}
    if hold_out:
        _cut(splits, digests, data)
    return dataset.make_dataset(name, splits, label_names, digests)


def _cut(splits: dict[str, dataset.Split], digests: dict[str, np.ndarray], data) -> None:
    """Make the last training images the validation split."""
    groups = digests["train"] if data.duplicates == "group" else None
    kept = holdout.num_kept(len(digests["train"]), data.valid_fraction, groups)
    train = splits["train"]
    splits["train"], splits["valid"] = ({k: v[part] for k, v in train.items()} for part in _halves(kept))
    digests["train"], digests["valid"] = (digests["train"][part] for part in _halves(kept))


def _halves(middle: int) -> tuple[slice, slice]:
    return slice(None, middle), slice(middle, None)


def _named(key: str, split: dataset.Split) -> dataset.Split:
    """Return the split with names "train/0", "train/1" and so on, if it has none."""
    if "name" in split:
        return split
    return {**split, "name": np.char.add(f"{key}/", np.arange(len(split["image"])).astype(str))}


def _by_list(path: Path, splits: Mapping[str, dataset.Split]) -> dict[str, dataset.Split]:
    """Divide all images anew by the list in `path`."""
    shared = set.intersection(*(set(split) for split in splits.values()))
    shapes = {split["image"].shape[1:] for split in splits.values()}
    if len(shapes) > 1:
        raise errors.UserError(f"the splits differ in shape {sorted(shapes)}, so {path} cannot divide them anew")
    together = {key: np.concatenate([split[key] for split in splits.values()]) for key in sorted(shared)}
    rows, said = split_list.assign(path, together["name"].tolist())
    for sentence in said:
        progress.say(sentence)
    return {key: {name: values[part] for name, values in together.items()} for key, part in rows.items()}


def from_arrays(data, array: np.ndarray, labels: np.ndarray | None = None, factors=None) -> dataset.Dataset:
    """Return the data set of arrays that are passed from Python, with a part of them held out.

    Args:
        data: the config section, all of whose fields mean what they mean for files of arrays.
        array: images, uint8 [N, H, W, C], or as `data.axes` and `data.value_range` say.
        labels: int [N] or [N, A].
        factors: [N, F].

    Raises:
        UserError: as the source "npz" for the same arrays.
    """
    array = np.asarray(array)
    if not data.value_range and not data.axes and (array.dtype != np.uint8 or array.ndim != 4):
        raise errors.UserError(f"images must be a uint8 array [N, H, W, C], not {array.dtype} {array.shape}")
    image = value_range.to_uint8("images", axes.to_nhwc("images", array, data), tuple(data.value_range))
    split = {"image": image}
    for key, values in (("label", labels), ("factors", factors)):
        if values is not None:
            values = np.asarray(values)
            if values.shape[:1] != (len(image),) or values.dtype.kind not in ("biu" if key == "label" else "biuf"):
                raise errors.UserError(
                    f"{key}s must have one row of {'whole ' * (key == 'label')}numbers for each of the "
                    f"{len(image):,} images, not {values.dtype} {values.shape}"
                )
            split[key] = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 and key == "label" else values
    return finish("array", {"train": split}, data, images.Recipe())

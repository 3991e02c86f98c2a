"""A damaged file of any kind is either read or ends in the one-line error.

    pytest -n0 -m long tests/test_fuzz_files.py    900 damaged files and 100 damaged checkpoints

Without `-m long` the counts are a tenth or less. Every run draws the same examples.
"""

import gzip
import io
import json
import pathlib
import shutil
import struct
import zipfile

import jax
import numpy as np
import optax
import pytest
from fuzzing import LONG, times
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import main
from vae_jax import errors, models
from vae_jax.config import build, comparison, serialization
from vae_jax.configs import digits
from vae_jax.data import images, sources, user_images
from vae_jax.runs import checkpoint, restore, workdir
from vae_jax.training import train_state

HOME = pathlib.Path(main.__file__).resolve().parent


def png(size=(9, 8), mode="RGB", form="PNG"):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(buffer, form)
    return buffer.getvalue()


def npz():
    buffer = io.BytesIO()
    np.savez(buffer, images=np.arange(20 * 64, dtype=np.uint8).reshape(20, 8, 8), label=np.arange(20))
    return buffer.getvalue()


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in ("a/1.png", "../../escape.png", "/root.png", "b/2.png"):
            target.writestr(name, png())
    return buffer.getvalue()


def idx(shape):
    data = np.arange(np.prod(shape), dtype=np.uint8).tobytes()
    return b"\0\0\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + data


@st.composite
def damages(draw):
    """A function bytes -> bytes: a few cuts, flips, insertions and words of ones."""
    actions = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["cut", "flip", "insert", "ones", "zeros", "swap"]),
                st.floats(0, 1),
                st.binary(max_size=9),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def damage(data):
        data = bytearray(data)
        for kind, share, extra in actions:
            place = int(share * len(data))
            if kind == "cut":
                del data[place:]
            elif kind == "flip":
                data[place : place + 1] = bytes(byte ^ 0x41 for byte in data[place : place + 1])
            elif kind == "insert":
                data[place:place] = extra
            elif kind == "swap":
                data = data[place:] + data[:place]
            else:
                data[place : place + 4] = (b"\xff" if kind == "ones" else b"\0") * len(data[place : place + 4])
        return bytes(data)

    return damage


def listing(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def data_section(source, path, root):
    config = digits.get_config()
    config.data.update({"source": source, "dir": str(path), "cache_dir": str(root / "cache")})
    return config.data


def read_image(root, damage):
    for form, mode in (("PNG", "RGB"), ("JPEG", "L"), ("GIF", "P"), ("TIFF", "RGB"), ("WEBP", "RGB"), ("BMP", "L")):
        try:
            assert images.decode(damage(png(mode=mode, form=form))).mode in ("L", "RGB")
        except images.Unusable:
            pass


def read_zip(root, damage):
    path = root / "images.zip"
    path.write_bytes(damage(archive()))
    try:
        user_images.load_images(str(path), "none", (8, 8, 1))
    finally:
        assert listing(root) == ["images.zip"]


def read_npz(root, damage):
    path = root / "images.npz"
    path.write_bytes(damage(npz()))
    sources.load(data_section("npz", path, root))


def read_idx(root, damage):
    for index, (name, shape) in enumerate(
        {
            "train-images-idx3": (20, 8, 8),
            "train-labels-idx1": (20,),
            "t10k-images-idx3": (4, 8, 8),
            "t10k-labels-idx1": (4,),
        }.items()
    ):
        data = idx(shape)
        data = gzip.compress(data, mtime=0) if index % 2 else data
        data = damage(data) if index < 2 else data
        (root / f"{name}-ubyte{'.gz' if index % 2 else ''}").write_bytes(data)
    sources.load(data_section("idx", root, root))


def read_config_json(root, damage):
    config = digits.get_config()
    (root / "config.json").write_bytes(damage(json.dumps(serialization.to_json(config)).encode()))
    stored = workdir.read_config(root)
    if stored is not None:
        comparison.contradictions(stored, config)


READERS = {f.__name__: f for f in (read_image, read_zip, read_npz, read_idx, read_config_json)}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("long", [False, LONG], ids=["few", "many"])
def test_damaged_files_are_read_or_refused(tmp_path, name, long, capsys):
    refused = []

    @times(long, 180)
    @given(damage=damages())
    def check(damage):
        root = tmp_path / "root"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        try:
            READERS[name](root, damage)
        except errors.UserError as error:
            assert "\n" not in str(error)
            refused.append(str(error))
        assert not list(tmp_path.parent.glob("escape*"))

    check()
    assert refused or name == "read_image"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint of a tiny model at step 1, and its variables."""
    path = tmp_path_factory.mktemp("trained")
    config = digits.get_config()
    config.model.update({"image_shape": (8, 8, 1), "hidden_dims": (4,), "latent_dim": 2})
    variables = models.init(build.make_model(config), jax.random.key(0))
    state = train_state.create_state(variables, optax.adam(1e-3), jax.random.key(1), ema=False)
    with checkpoint.open_for_training(path, 3) as manager:
        checkpoint.save(manager, state.replace(step=state.step + 1), serialization.to_json(config), 0.5)
    return path, jax.device_get(variables)


@pytest.mark.parametrize("long", [False, LONG], ids=["few", "many"])
def test_damaged_checkpoints_are_right_or_refused(tmp_path, trained, long):
    path, variables = trained
    files = sorted(file for file in (path / "checkpoints").rglob("*") if file.is_file())
    told = []

    @times(long, 100)
    @given(damage=damages(), choice=st.integers(0, len(files) - 1), gone=st.integers(0, 9))
    def check(damage, choice, gone):
        root = tmp_path / "copy"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(path, root)
        file = root / files[choice].relative_to(path)
        content = damage(file.read_bytes())
        file.unlink()
        if gone:
            file.write_bytes(content)
        before = listing(root)
        try:
            _, back, _ = restore.restore(root, say=lambda line: None)
        except errors.UserError as error:
            assert "\n" not in str(error)
            told.append(str(error))
        else:
            for leaf, expected in zip(jax.tree.leaves(back), jax.tree.leaves(variables), strict=True):
                np.testing.assert_array_equal(leaf, expected)
        assert listing(root) == before

    check()
    assert told or not long

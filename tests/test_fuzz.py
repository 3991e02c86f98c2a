"""Anything that comes in either works or ends in the one-line error: configurations, and damaged files of every kind.

    pytest -n0 -m long tests/test_fuzz.py    1,000 configurations, 30 of them trained a step, 1,000 damaged files

Without `-m long` the counts are a tenth or less. Every run draws the same examples.
"""

import functools
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
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

import main
import vae_jax
from configs import digits, presets
from vae_jax import checkpoint, command_line, configuration, errors, models, workdir
from vae_jax.data import images, own, sources
from vae_jax.modes import restored
from vae_jax.training import build, optimizers
from vae_jax.training import state as states

LONG = pytest.param(True, marks=pytest.mark.long)
HOME = pathlib.Path(main.__file__).resolve().parent
FEW = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def times(long, count):
    """Return a decorator: FEW examples of a tenth of `count`, or, `long`, `count` of them."""
    return settings(FEW, max_examples=count if long else max(count // 10, 10))


# Configurations

FIELDS = sorted(name for name in configuration.flatten(digits.get_config()) if name != "num_steps")
NUMBERS = [
    "0",
    "1",
    "-1",
    "2",
    "16",
    "3.5",
    "1e-3",
    "-0.0",
    "1e400",
    "nan",
    "inf",
    "2147483648",
    "99999999999999999999",
]
WORDS = ["", "none", "true", "False", "elbo", "iwae", "factor", "gaussian", "bernoulli", "beta", "adamw", "sgd", "pmap"]
WORDS += [
    "os:system",
    "a:b:c",
    "()",
    "(4,)",
    "4,8",
    "(4,",
    "-1,1",
    "0,1",
    "[1]",
    "bfloat16",
    "skip",
    "group",
    "\n",
    "é☃",
]
VALID = {
    "seed": [1, 2**32 - 1],
    "precision": ["tf32", "bfloat16"],
    "parallel": ["pmap"],
    "steps_per_call": [2],
    "ema_decay": [0.5],
    "on_nonfinite": ["skip"],
    "data.flip": [True],
    "data.placement": ["host", "device"],
    "data.binarize": ["dynamic", "threshold"],
    "data.dequantize": [True],
    "data.range": [[-1.0, 1.0]],
    "model.latent_dim": [1, 3],
    "model.hidden_dims": [[4], [4, 8]],
    "model.norm": ["group", "none"],
    "model.activation": ["relu", "gelu", "tanh"],
    "objective.num_samples": [2, 5],
    "optimizer.name": ["adamw", "sgd"],
    "optimizer.schedule": ["constant", "exponential"],
    "optimizer.warmup_steps": [10],
    "optimizer.clip_norm": [1.0],
}
valid_changes = st.lists(
    st.sampled_from([(name, value) for name, values in VALID.items() for value in values]), max_size=3
)
words = st.one_of(st.sampled_from(NUMBERS + WORDS), st.text(max_size=12))
overrides = st.lists(
    st.one_of(
        st.builds("--config.{}={}".format, st.sampled_from(FIELDS), words),
        st.builds("--config.{}={}".format, st.text("abc._", max_size=9), words),
        st.text(max_size=12).filter(lambda word: "help" not in word and word not in ("-h", "-?")),
    ),
    max_size=2,
)
recipes = st.one_of(st.sampled_from(["", *presets.PRESETS]), st.sampled_from([*presets.PRESETS]), st.text(max_size=8))

leaf_values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
json_values = st.recursive(
    leaf_values,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def damaged_trees(draw):
    """A configuration as JSON, in which up to three fields or sections are replaced, taken away or added."""
    tree = json.loads(json.dumps(configuration.to_json(digits.get_config(draw(st.sampled_from([*presets.PRESETS]))))))
    tree["model"]["image_shape"] = [8, 8, 1]
    for name, value in draw(valid_changes):
        *sections, field = name.split(".")
        functools.reduce(dict.__getitem__, sections, tree)[field] = value
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
        place = tree
        while True:
            name = draw(st.sampled_from(sorted(place)) if place else st.just("new"))
            if not isinstance(place.get(name), dict) or draw(st.integers(0, 4)) == 0:
                break
            place = place[name]
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "remove":
            place.pop(name, None)
        else:
            place[name if action == "replace" else draw(st.text(max_size=8))] = draw(json_values)
    return tree


def build_all(config, trace=True):
    """Everything that a run makes of a configuration before compilation; to `trace`, its state as shapes."""
    configuration.validate(config)
    config = configuration.from_json(json.loads(json.dumps(configuration.to_json(config))))
    with config.unlocked():
        config.model.image_shape = config.model.image_shape or (8, 8, 1)
    model = build.make_model(config, allow_import=False)
    build.make_objective(config, 1000, allow_import=False)
    build.make_eval_objective(config, 1000, allow_import=False)
    tx = optimizers.make_optimizer(config, optimizers.make_schedule(config, 10.0, build.count_steps(config, 1000)))
    if (
        trace
        and sum(config.model.hidden_dims) + config.model.latent_dim < 10**6
        and max(config.model.image_shape) < 10**4
    ):
        jax.eval_shape(
            lambda key: states.create_state(model.init(key, np.zeros((2, *model.image_shape))), tx, key, ema=True),
            jax.random.key(0),
        )
    return config


@pytest.mark.parametrize("long", [False, LONG], ids=["few", "many"])
def test_command_lines_build_or_are_refused(long):
    built = []

    @times(long, 500)
    @given(recipe=recipes, changes=valid_changes, words=overrides, broken=st.booleans())
    def check(recipe, changes, words, broken):
        words = words * broken + [f"--config.{name}={str(value).strip('[]')}" for name, value in changes]
        try:
            parsed = command_line.parse(["main.py", f"--config=configs/digits.py:{recipe}", *words], doc="", home=HOME)
            if parsed.config is not None:
                built.append(build_all(parsed.config, trace=len(built) % 10 == 0))
        except errors.UserError as error:
            assert "\n" not in str(error)

    check()
    print(len(built), "of them built")
    assert len(built) >= (100 if long else 5)


@pytest.mark.parametrize("long", [False, LONG], ids=["few", "many"])
def test_stored_configurations_build_or_are_refused(long):
    built = []

    @times(long, 500)
    @given(tree=damaged_trees())
    def check(tree):
        try:
            config = configuration.from_json(tree)
            built.append(build_all(config, trace=len(built) % 10 == 0))
            configuration.contradictions(config, digits.get_config())
        except errors.UserError as error:
            assert "\n" not in str(error)

    check()
    print(len(built), "of them built")
    assert len(built) >= (100 if long else 5)


@pytest.mark.parametrize(
    "number", [pytest.param(4, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.long)], ids=["few", "many"]
)
def test_valid_configurations_train_a_step(tmp_path, number):
    """So many, as drawn: every one ends in a step, or in an error that is the user's."""
    chosen = []

    @settings(FEW, max_examples=400)
    @given(tree=damaged_trees(), data=st.data())
    def collect(tree, data):
        assume(len(chosen) < number)
        config = configuration.from_json(tree)
        try:
            chosen.append(build_all(config, trace=False))
        except errors.UserError:
            return

    collect()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    ends = []
    for index, config in enumerate(chosen):
        with config.unlocked():
            config.num_steps, config.data.batch_size, config.model.hidden_dims = 1, 16, (4,)
            config.objective.discriminator.hidden_dims = (4,)
        try:
            vae_jax.train(config, tmp_path / str(index), images=pixels)
            ends.append("trained")
        except (errors.UserError, errors.Diverged) as error:
            ends.append(str(error))
    print(ends)
    assert len(ends) == number and ends.count("trained") >= number // 2


# Files


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
        own.load_images(str(path), "none", (8, 8, 1))
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
    (root / "config.json").write_bytes(damage(json.dumps(configuration.to_json(config)).encode()))
    stored = workdir.read_config(root)
    if stored is not None:
        configuration.contradictions(stored, config)


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
    state = states.create_state(variables, optax.adam(1e-3), jax.random.key(1), ema=False)
    with checkpoint.open_for_training(path, 3) as manager:
        checkpoint.save(manager, state.replace(step=state.step + 1), configuration.to_json(config), 0.5)
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
            _, back, _ = restored.restore(root, say=lambda line: None)
        except errors.UserError as error:
            assert "\n" not in str(error)
            told.append(str(error))
        else:
            for leaf, expected in zip(jax.tree.leaves(back), jax.tree.leaves(variables), strict=True):
                np.testing.assert_array_equal(leaf, expected)
        assert listing(root) == before

    check()
    assert told or not long

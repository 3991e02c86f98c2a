"""A stranger's checkpoint whose headers claim absurd sizes: refused in one line, before anything is allocated by them.

In a process of its own whose memory is bounded: what reads such an array dies there, and cannot be caught.
"""

import json
import pathlib
import random
import subprocess
import sys

import jax
import optax
import pytest
import tensorstore

import vae_jax
from vae_jax import errors, models
from vae_jax.config import build, serialization
from vae_jax.configs import digits
from vae_jax.runs import checkpoint, restore
from vae_jax.training import train_state

HOME = pathlib.Path(vae_jax.__file__).parents[1]
HUGE = 10**6
KEY = "params.encoder.mean.kernel/.zarray"
SCRIPT = """
import pathlib, resource, sys
from vae_jax.runs import checkpoint
from vae_jax import errors
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
for workdir in sys.argv[1:]:
    try:
        checkpoint.restore_variables(pathlib.Path(workdir), warn=print)
    except errors.UserError as error:
        print(error)
"""


def save(workdir, **model):
    """Save a tiny model of 8 x 8 images; `model` is what its configuration says of it instead."""
    config = digits.get_config()
    config.model.update({"image_shape": (8, 8, 1), "hidden_dims": (4,), "latent_dim": 2})
    variables = models.init(build.make_model(config), jax.random.key(0))
    state = train_state.create_state(variables, optax.adam(1e-3), jax.random.key(1), ema=False)
    config.model.update(model)
    with checkpoint.open_for_training(workdir, 3) as manager:
        checkpoint.save(manager, state.replace(step=state.step + 1), serialization.to_json(config))
    return workdir


@pytest.fixture
def tamper(tmp_path):
    """Return a function (changes of an array's header) -> the directory of a run that has it so."""

    def make(**changes):
        workdir = save(tmp_path / str(len(list(tmp_path.iterdir()))))
        base = f"file://{workdir}/checkpoints/1/state/"
        store = tensorstore.KvStore.open({"driver": "ocdbt", "base": base}).result()
        store[KEY] = json.dumps(json.loads(store[KEY]) | changes)
        return workdir

    return make


def test_headers_that_claim_the_absurd_are_refused_before_anything_is_allocated(tamper):
    claims = [{"shape": [HUGE, HUGE]}, {"chunks": [HUGE, HUGE]}, {"shape": [HUGE, HUGE], "chunks": [1, HUGE]}]
    workdirs = [str(tamper(**changes)) for changes in claims]
    ended = subprocess.run([sys.executable, "-c", SCRIPT, *workdirs], cwd=HOME, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()
    assert len(said) == 2 * len(claims)
    assert all("is damaged (ValueError: its arrays claim" in line for line in said[::2])
    assert all("every checkpoint" in line for line in said[1::2])


@pytest.mark.parametrize(
    "changes", [{"shape": [-HUGE, 2]}, {"shape": None}, {"dtype": ["f4"]}, {"shape": [64, "2x"]}], ids=str
)
def test_headers_that_make_no_sense_are_damage(tamper, changes):
    with pytest.raises(errors.UserError, match="every checkpoint"):
        checkpoint.restore_variables(tamper(**changes), warn=lambda line: None)


def places(tree, path=()):
    """Yield the path of every node of a JSON tree."""
    yield path
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, child in children:
        yield from places(child, (*path, name))


def replaced(tree, path, value):
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = replaced(tree[path[0]], path[1:], value)
    return copy


def test_metadata_of_another_structure_is_refused_or_of_no_account(tmp_path):
    """Valid JSON, but a list where a mapping should be, and the like: orbax runs into errors of every kind."""
    workdir, chance, refused = save(tmp_path / "run"), random.Random(0), 0
    for file in sorted(workdir.rglob("*")):
        content = file.read_bytes() if file.is_file() else b""
        if not content.startswith(b"{"):
            continue
        tree = json.loads(content)
        for path in [(), *chance.choices(list(places(tree)), k=3)]:
            for value in (None, [], "x"):
                file.write_text(json.dumps(replaced(tree, path, value)))
                try:
                    restore.restore(workdir, say=lambda line: None)
                except errors.UserError as error:
                    assert "\n" not in str(error)
                    refused += 1
        file.write_bytes(content)
    assert refused > 10


@pytest.mark.parametrize("name", ["zarr.json", ".zarray"])
def test_arrays_beside_the_store_are_refused(tmp_path, name):
    """Metadata may say that the arrays are read as plain files, whose headers nobody looked at."""
    workdir = save(tmp_path / "run")
    (workdir / "checkpoints" / "1" / "state" / name).write_text("{}")
    said = []
    with pytest.raises(errors.UserError):
        checkpoint.restore_variables(workdir, warn=said.append)
    assert "another format" in said[0]


@pytest.mark.parametrize(
    "model",
    [
        {"latent_dim": 10**12},
        {"hidden_dims": (10**9,)},
        {"image_shape": (8, 8, 10**9)},
        {"image_shape": (10**6, 10**6, 1)},
        {"latent_dim": 3},
    ],
    ids=str,
)
def test_a_configuration_that_its_parameters_are_not_of_is_refused(tmp_path, model):
    """Sampling would make noise of the configuration's size."""
    with pytest.raises(errors.UserError) as refused:
        restore.restore(save(tmp_path / "run", **model))
    assert "\n" not in str(refused.value)


def test_weights_are_believed(tmp_path):
    assert restore.restore(save(tmp_path / "run")).config.model.latent_dim == 2

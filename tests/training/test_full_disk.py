"""A disk that fills up in the middle of a run and has room again later: RLIMIT_FSIZE, in a process of its own."""

import pathlib
import subprocess
import sys

import pytest

import vae_jax
from vae_jax.runs import checkpoint

pytestmark = pytest.mark.slow  # each is a training in a process of its own

HOME = pathlib.Path(vae_jax.__file__).parents[1]

# Steps 5 to 8 find no room: no file may grow past what an empty one, or the log so far, has.
SCRIPT = """
import resource, sys
import jax, numpy as np
import vae_jax
from vae_jax.configs import base
from vae_jax import errors
from vae_jax.losses import objectives, reconstruction

def set_room(step):
    room = 200 if 5 <= int(step) <= int(sys.argv[2]) else resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

def objective(vae, batch, key, step):
    jax.debug.callback(set_room, step)
    return objectives.elbo_loss(vae, batch, key, step, reconstruction=reconstruction.gaussian)

config = base.get_config()
config.update_from_flattened_dict({
    "num_steps": 12, "log_every": 1, "eval_every": 4, "checkpoint_every": 2, "image_every": 8, "keep": 9,
    "data.source": "array", "data.batch_size": 8, "model.latent_dim": 2, "model.hidden_dims": (4,),
})
images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1)).astype(np.uint8)
try:
    vae_jax.train(config, sys.argv[1], objective, images)
except errors.UserError as error:
    sys.exit(f"main.py: {error}")
"""


def run(workdir, full_until):
    command = [sys.executable, "-c", SCRIPT, str(workdir), str(full_until)]
    return subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=300)


def steps(workdir):
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdigit())


def test_training_goes_on_says_so_and_tries_again(tmp_path):
    ended = run(tmp_path, full_until=8)
    assert ended.returncode == 0 and "Traceback" not in ended.stderr, ended.stderr
    for step in (6, 8):
        (said,) = (line for line in ended.stderr.splitlines() if f"the checkpoint of step {step} could not" in line)
        assert "the last one is that of step 4; training goes on" in said
    assert "metrics could not be written" in ended.stderr and "samples_0000008.png could not" in ended.stderr
    assert steps(tmp_path) == [2, 4, 10, 12]
    assert checkpoint.restore_variables(tmp_path, "4").step == 4
    assert not list((tmp_path / "checkpoints").glob("*tmp*")) and not list((tmp_path / "images").glob(".*"))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [f'"step": {step},' in line for step, line in enumerate(lines[:3], 1)] == [True] * 3
    assert sum('"train"' in line for line in lines) == 12  # the lines kept back came with those after


def test_a_last_checkpoint_without_room_is_an_error_that_names_the_good_one(tmp_path):
    ended = run(tmp_path, full_until=99)
    said = [line for line in ended.stderr.splitlines() if line.startswith("main.py:")]
    assert ended.returncode == 1 and len(said) == 1 and "Traceback" not in ended.stderr, ended.stderr
    assert "the checkpoint of step 12 could not be written" in said[0]
    assert "the last one is that of step 4; make room" in said[0]
    assert steps(tmp_path) == [2, 4]

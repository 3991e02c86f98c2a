"""Whole runs on made images: what they write, how they resume, how they end."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vae_jax
from vae_jax import errors
from vae_jax.configs import base
from vae_jax.losses import objectives, reconstruction
from vae_jax.training import feed, loop

HOME = pathlib.Path(vae_jax.__file__).parents[1]
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1)).astype(np.uint8)


def tiny(**fields):
    config = base.get_config()
    config.update_from_flattened_dict(
        {
            "num_steps": 6,
            "log_every": 2,
            "eval_every": 4,
            "checkpoint_every": 4,
            "image_every": 100,
            "data.source": "digits",
            "data.batch_size": 8,
            "model.latent_dim": 2,
            "model.hidden_dims": (4,),
        }
        | fields
    )
    return config


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def leaves(tree):
    data = (
        jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in jax.tree.leaves(tree)
    )
    return [np.asarray(leaf) for leaf in data]


def assert_same_bits(one, other):
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("whole")
    return workdir, vae_jax.train(tiny(ema_decay=0.9), workdir, images=IMAGES)


def test_a_run_writes_what_a_workdir_holds(finished):
    workdir, state = finished
    assert int(state.step) == 6
    assert sorted(path.name for path in (workdir / "checkpoints").iterdir() if path.is_dir()) == ["4", "6"]
    assert {path.name for path in (workdir / "images").iterdir()} == {
        "samples_0000006.png",
        "reconstructions_0000006.png",
        "samples.gif",
    }
    (latents,) = [json.loads(line) for line in (workdir / "latents.jsonl").read_text().splitlines()]
    assert latents["step"] == 6 and len(latents["kl"]) == state.params["encoder"]["mean"]["bias"].shape[0]
    assert json.loads((workdir / "config.json").read_text())["model"]["image_shape"] == [8, 8, 1]
    train = [line for line in lines(workdir) if line["split"] == "train"]
    assert [line["step"] for line in train] == [2, 4, 6]
    assert {"loss", "elbo", "distortion", "rate", "kl", "grad_norm", "learning_rate"} <= train[0].keys()
    assert [line["step"] for line in lines(workdir) if line["split"] == "eval"] == [4, 6]


def test_the_same_command_again_has_nothing_to_do(finished, capsys):
    workdir, state = finished
    before = lines(workdir)
    assert_same_bits(vae_jax.train(tiny(ema_decay=0.9), workdir, images=IMAGES), state)
    assert lines(workdir) == before
    assert "finished at step 6" in capsys.readouterr().err


@pytest.mark.parametrize("at", [4, 5])
def test_an_interrupted_run_ends_with_the_same_bits(finished, tmp_path, monkeypatch, at):
    """Interrupted at a checkpoint, and between two: by an exception, as by a kill, nothing is saved on the way."""
    calls = []

    class Killed(Exception):
        pass

    add = loop._Window.add

    def counted(self, start, metrics):
        calls.append(start)
        if start + 1 > at:
            raise Killed
        add(self, start, metrics)

    monkeypatch.setattr(loop._Window, "add", counted)
    with pytest.raises(Killed):
        vae_jax.train(tiny(ema_decay=0.9), tmp_path, images=IMAGES)
    monkeypatch.setattr(loop._Window, "add", add)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir() if path.is_dir()) == ["4"]
    resumed = vae_jax.train(tiny(ema_decay=0.9), tmp_path, images=IMAGES)
    workdir, state = finished
    assert_same_bits(resumed, state)
    assert lines(tmp_path)[-1] == lines(workdir)[-1]


@pytest.mark.parametrize("steps_per_call", [1, 2])
def test_resident_and_streamed_images_train_to_the_same_bits(tmp_path, steps_per_call):
    states = {}
    for placement in ("device", "host"):
        config = tiny(
            **{"data.placement": placement, "num_steps": 3, "eval_every": 99, "steps_per_call": steps_per_call}
        )
        states[placement] = vae_jax.train(config, tmp_path / placement, images=IMAGES)
    assert_same_bits(states["device"], states["host"])


def test_calls_are_whole_at_multiples_and_single_elsewhere():
    assert list(feed.call_lengths(0, 7, 3)) == [(0, 3), (3, 3), (6, 1)]
    assert list(feed.call_lengths(4, 9, 3)) == [(4, 1), (5, 1), (6, 3)]


def test_a_process_gathers_the_rows_of_its_own_devices_alone():
    """Of two processes with two devices each; the second holds the last half of a batch of 8."""
    places = {device: (slice(None), slice(2 * device, 2 * device + 2)) for device in (2, 3)}
    sharding = types.SimpleNamespace(addressable_devices_indices_map=lambda shape: places)
    assert list(feed.own_rows(sharding, (1, 8))) == [4, 5, 6, 7]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_checkpoints_and_leaves_with_its_code(tmp_path, capsys, number, code):
    before = signal.getsignal(number)

    def interrupting(vae, batch, key, step):
        jax.debug.callback(lambda s: os.kill(os.getpid(), number) if s == 1 else None, step)
        return objectives.elbo_loss(vae, batch, key, step, reconstruction=reconstruction.gaussian)

    with pytest.raises(errors.Interrupted) as caught:
        vae_jax.train(tiny(num_steps=500), tmp_path, interrupting, IMAGES)
    assert caught.value.code == code
    (saved,) = (path.name for path in (tmp_path / "checkpoints").iterdir() if path.is_dir())
    assert 2 <= int(saved) < 500
    assert f"stopped at step {saved}, checkpointed; the same command goes on" in capsys.readouterr().err
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(("first", "second", "code"), [("SIGTERM", "SIGTERM", 143), ("SIGTERM", "SIGINT", 130)])
def test_a_second_signal_leaves_at_once(first, second, code):
    script = (
        "import os, signal\n"
        "from vae_jax.training import interrupts\n"
        "with interrupts.deferred() as interrupt:\n"
        f"    os.kill(os.getpid(), signal.{first})\n"
        "    print(interrupt.reached(0), flush=True)\n"
        f"    os.kill(os.getpid(), signal.{second})\n"
        "    print('still here', flush=True)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=HOME, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (code, "True\n"), ended.stderr


def poisoned(vae, batch, key, step):
    loss, metrics = objectives.elbo_loss(vae, batch, key, step, reconstruction=reconstruction.gaussian)
    return jnp.where(step == 5, jnp.nan, loss), metrics


def test_a_loss_that_is_not_finite_names_the_step_and_the_last_good_checkpoint(tmp_path):
    with pytest.raises(errors.Diverged, match=r"step 5 is not finite .*last good checkpoint is .*checkpoints/4"):
        vae_jax.train(tiny(), tmp_path, poisoned, IMAGES)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir() if path.is_dir()) == ["4"]


def test_it_can_be_skipped_instead_a_bounded_number_of_times(tmp_path):
    state = vae_jax.train(tiny(on_nonfinite="skip", max_skips=1), tmp_path / "one", poisoned, IMAGES)
    assert int(state.step) == 6
    assert lines(tmp_path / "one")[-2]["skipped"] == 1.0
    with pytest.raises(errors.Diverged, match="step 5"):
        vae_jax.train(tiny(on_nonfinite="skip", max_skips=0), tmp_path / "none", poisoned, IMAGES)


@pytest.mark.parametrize(("bad", "allowed"), [((1, 3, 5), 1), ((2, 3), 1)], ids=["apart", "in a row"])
def test_skips_are_bounded_in_a_row(tmp_path, bad, allowed):
    def poisoned(vae, batch, key, step):
        loss, metrics = objectives.elbo_loss(vae, batch, key, step, reconstruction=reconstruction.gaussian)
        return jnp.where(jnp.isin(step, jnp.array(bad)), jnp.inf, loss), metrics

    config = tiny(on_nonfinite="skip", max_skips=allowed)
    if len(bad) == 3:
        assert int(vae_jax.train(config, tmp_path, poisoned, IMAGES).step) == 6
        assert sum(line["skipped"] for line in lines(tmp_path) if line["split"] == "train") == 3
    else:
        with pytest.raises(errors.Diverged, match="step 3 is not finite"):
            vae_jax.train(config, tmp_path, poisoned, IMAGES)


def test_another_configuration_in_the_workdir_is_refused_by_field(finished):
    workdir, _ = finished
    with pytest.raises(errors.UserError, match="ema_decay is 0.9 there and 0.0 here"):
        vae_jax.train(tiny(), workdir, images=IMAGES)


def test_before_the_first_checkpoint_there_is_nothing_to_contradict(tmp_path):
    def fails(vae, batch, key, step):
        raise errors.OutOfRange("sigma must be above 0, not 0")

    with pytest.raises(errors.UserError, match="sigma must"):
        vae_jax.train(tiny(seed=1), tmp_path, fails, IMAGES)
    assert (tmp_path / "config.json").exists()
    assert int(vae_jax.train(tiny(num_steps=0), tmp_path, images=IMAGES).step) == 0
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 0


def test_more_steps_go_on_and_fewer_are_refused(tmp_path):
    vae_jax.train(tiny(num_steps=2), tmp_path, images=IMAGES)
    assert int(vae_jax.train(tiny(num_steps=3), tmp_path, images=IMAGES).step) == 3
    with pytest.raises(errors.UserError, match="at step 3, past the 1 asked for"):
        vae_jax.train(tiny(num_steps=1), tmp_path, images=IMAGES)


def test_without_a_validation_split_nothing_is_evaluated(tmp_path):
    vae_jax.train(tiny(num_steps=1, **{"data.valid_fraction": 0.0}), tmp_path, images=IMAGES)
    assert {line["split"] for line in lines(tmp_path)} == {"train"}


def test_weights_can_start_from_another_run(finished, tmp_path):
    workdir, state = finished
    started = vae_jax.train(tiny(num_steps=0), tmp_path / "new", images=IMAGES, init_from=workdir)
    assert_same_bits(started.params, state.ema_params)
    assert_same_bits(started.collections, state.collections)
    wider = tiny(num_steps=0, **{"model.latent_dim": 3})
    with pytest.raises(errors.UserError, match="another model: params/decoder"):
        vae_jax.train(wider, tmp_path / "wider", images=IMAGES, init_from=workdir)


@pytest.mark.parametrize(
    ("fields", "images", "message"),
    [
        ({"data.batch_size": 64}, IMAGES, "batch_size=64 is more than the 45 training images"),
        ({"data.batch_size": 12}, IMAGES, "batch_size=12 does not divide among 8 devices; use 8 or 16"),
        ({"model.image_shape": (9, 8, 1)}, IMAGES, r"image_shape=\(9, 8, 1\) but the images are \(8, 8, 1\)"),
        ({}, IMAGES.astype(np.float32), "uint8"),
    ],
)
def test_what_does_not_fit_the_data_is_the_users_mistake(tmp_path, fields, images, message):
    with pytest.raises(errors.UserError, match=message):
        vae_jax.train(tiny(**fields), tmp_path, images=images)


def test_a_second_training_in_a_workdir_is_refused(tmp_path):
    from vae_jax.runs import workdir

    with workdir.locked(workdir.create(tmp_path)):
        with pytest.raises(errors.UserError, match="another run is training"):
            vae_jax.train(tiny(), tmp_path, images=IMAGES)

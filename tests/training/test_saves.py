"""Checkpoints in the background: what waits for them, and what becomes of one that fails."""

import pathlib
import types

import jax.numpy as jnp
import numpy as np
import pytest

import vae_jax
from vae_jax import errors
from vae_jax.configs import base
from vae_jax.runs import checkpoint
from vae_jax.training import loop, saves

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1)).astype(np.uint8)


def test_steps_go_on_while_a_checkpoint_is_written_but_nothing_later_is_looked_at(tmp_path, monkeypatch):
    events = []

    def recorded(owner, name, what):
        function = getattr(owner, name)

        def wrapper(*args):
            events.append((name, what(*args)))
            return function(*args)

        monkeypatch.setattr(owner, name, wrapper)

    recorded(checkpoint, "save", lambda manager, state, *_: int(state.step))
    recorded(checkpoint, "wait", lambda manager: None)
    recorded(loop._Window, "add", lambda window, start, _: start)
    recorded(loop._Window, "_look", lambda window: window._pending[0][0])
    look = loop._Window._look

    def settled_first(window):
        look(window)
        assert not window._saving.goes_on()

    monkeypatch.setattr(loop._Window, "_look", settled_first)
    config = base.get_config()
    changes = {"num_steps": 12, "checkpoint_every": 4, "data.source": "digits", "data.batch_size": 8}
    config.update_from_flattened_dict(changes | {"model.latent_dim": 2, "model.hidden_dims": (4,)})
    vae_jax.train(config, tmp_path, images=IMAGES)
    begun = events.index(("save", 4))
    waited = next(index for index, (name, _) in enumerate(events) if name == "wait" and index > begun + 1)
    between = events[begun + 2 : waited]  # save itself begins with a wait, for the one before it
    assert between[:3] == [("add", 4), ("add", 5), ("add", 6)] and between[-1] == ("_look", 4)
    assert all(name == "add" for name, _ in between[:-1])


class Manager:
    """As much of orbax's as a run asks."""

    def all_steps(self):
        return []

    def latest_step(self):
        return 4


@pytest.fixture
def run(monkeypatch):
    said = []
    monkeypatch.setattr(checkpoint, "save", lambda *_: None)
    return types.SimpleNamespace(
        manager=Manager(),
        config=base.get_config(),
        path=pathlib.Path("run"),
        progress=types.SimpleNamespace(say=said.append),
    ), said


def failing(manager):
    raise errors.NotSaved("OSError: no room")


STATE = types.SimpleNamespace(step=jnp.int32(6))


def test_a_best_that_could_not_be_written_is_not_the_best(run, monkeypatch):
    run, said = run
    saving = saves.Saves(run)
    monkeypatch.setattr(checkpoint, "wait", failing)
    saving.begin(STATE, -1.0, last=False)
    saving.settle()
    assert "the checkpoint of step 6 could not be written (OSError: no room); the last one is that of step 4" in said[0]
    assert "training goes on" in said[0] and saving.is_best(-1.0)
    monkeypatch.setattr(checkpoint, "wait", lambda manager: None)
    saving.settle()  # it was told once
    saving.begin(STATE, -1.0, last=False)
    assert saving.is_best(-1.0)
    saving.settle()
    assert not saving.is_best(-1.0) and saving.is_best(-0.5) and not saving.is_best(float("nan")) and len(said) == 1


def test_a_last_one_that_could_not_be_written_is_an_error(run, monkeypatch):
    run, _ = run
    saving = saves.Saves(run)
    monkeypatch.setattr(checkpoint, "wait", failing)
    saving.begin(STATE, None, last=True)
    with pytest.raises(errors.UserError, match="step 6 .* that of step 4; make room"):
        saving.settle()


def test_the_first_checkpoint_is_read_back_and_no_other(run, monkeypatch):
    run, said = run
    sums, seen = {"step": 1}, []
    monkeypatch.setattr(checkpoint, "save", lambda *_: sums)
    monkeypatch.setattr(checkpoint, "wait", lambda manager: None)
    monkeypatch.setattr(checkpoint, "read_back", lambda *given: seen.append(given))
    saving = saves.Saves(run)
    for last in (False, False, True):
        saving.begin(STATE, None, last=last)
        saving.settle()
    assert seen == [(run.manager, 6, sums)] and not said


def test_success_is_not_reported_of_a_run_whose_checkpoint_reads_otherwise(tmp_path, monkeypatch):
    """The disk keeps other bytes than it was given: the run ends at its first checkpoint, and says so."""
    original = checkpoint.wait

    def altered(manager):
        original(manager)
        for file in (tmp_path / "checkpoints").glob("*/state/**/d/*"):
            file.write_bytes(bytes(file.stat().st_size))

    monkeypatch.setattr(checkpoint, "wait", altered)
    config = base.get_config()
    changes = {"num_steps": 12, "checkpoint_every": 4, "data.source": "digits", "data.batch_size": 8}
    config.update_from_flattened_dict(changes | {"model.latent_dim": 2, "model.hidden_dims": (4,)})
    with pytest.raises(errors.UserError, match="checkpoints/4 was saved but cannot be read back"):
        vae_jax.train(config, tmp_path, images=IMAGES)

"""Whole states in and out, damage noticed, the best one kept."""

import errno

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vae_jax import errors
from vae_jax.runs import checkpoint, stored_step
from vae_jax.training import train_state


def make_state(step, *, width=3, ema=False):
    params = {"encoder": {"kernel": jax.random.normal(jax.random.key(step), (200, width))}}
    variables = {"params": params, "batch_stats": {"mean": jnp.full((width,), float(step))}}
    state = train_state.create_state(variables, optax.adam(1e-3), jax.random.key(7), ema=ema)
    return state.replace(step=jnp.asarray(step, jnp.int32))


def save(workdir, *steps, keep=3, scores=None, **kwargs):
    with checkpoint.open_for_training(workdir, keep) as manager:
        for step in steps:
            score = (scores or {}).get(step)
            checkpoint.save(manager, make_state(step, **kwargs), {"seed": 1, "dims": [4, 8]}, score)
    return workdir


def leaves(tree):
    data = (
        jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in jax.tree.leaves(tree)
    )
    return [np.asarray(leaf) for leaf in data]


def damage(workdir, step, *, truncate=False):
    files = (workdir / "checkpoints" / str(step) / "state").rglob("*")
    largest = max((file for file in files if file.is_file()), key=lambda file: file.stat().st_size)
    data = bytearray(largest.read_bytes())
    if truncate:
        largest.write_bytes(data[: len(data) // 2])
        return
    middle = len(data) // 2
    data[middle : middle + 16] = bytes(byte ^ 0xFF for byte in data[middle : middle + 16])
    largest.write_bytes(data)


def test_a_state_comes_back_bit_for_bit(tmp_path):
    save(tmp_path, 5, ema=True)
    with checkpoint.open_for_training(tmp_path, 3) as manager:
        back = checkpoint.restore_state(manager, make_state(0, ema=True))
    expected = make_state(5, ema=True)
    assert jax.tree.structure(back) == jax.tree.structure(expected)
    for restored, saved in zip(leaves(back), leaves(expected), strict=True):
        assert restored.dtype == saved.dtype
        np.testing.assert_array_equal(restored, saved)


def test_the_next_step_cannot_touch_what_is_being_written(tmp_path):
    """A step is given the state's own buffers, of which on a CPU the writer may hold views."""
    step = jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf * 0 - 1, tree), donate_argnums=0)
    state = make_state(5).replace(key=None)
    state = state.replace(params={"kernel": jax.random.normal(jax.random.key(0), (500, 1000))})
    expected = leaves(jax.tree.map(np.array, state))
    with checkpoint.open_for_training(tmp_path, 3) as manager:
        like = jax.tree.map(jnp.zeros_like, state)
        checkpoint.save(manager, state, {})
        for _ in range(5):
            state = jax.block_until_ready(step(state))
        checkpoint.wait(manager)
        back = checkpoint.restore_state(manager, like)
    for restored, saved in zip(leaves(back), expected, strict=True):
        np.testing.assert_array_equal(restored, saved)


def test_the_newest_and_the_best_are_kept(tmp_path):
    save(tmp_path, *range(1, 7), keep=2, scores={1: -9.0, 2: -1.0, 4: -5.0})
    with checkpoint.open_for_training(tmp_path, 2) as manager:
        assert sorted(manager.all_steps()) == [2, 5, 6]
        assert checkpoint.best_score(manager) == -1.0
        checkpoint.save(manager, make_state(7), {})
        checkpoint.wait(manager)
        assert sorted(manager.all_steps()) == [2, 6, 7]  # reopened, it still knows the best
    assert checkpoint.restore_variables(tmp_path, "best").step == 2
    assert checkpoint.restore_variables(tmp_path, "latest").step == 7
    assert checkpoint.restore_variables(tmp_path, "6").step == 6


def test_variables_alone_come_with_the_configuration(tmp_path):
    save(tmp_path, 3)
    restored = checkpoint.restore_variables(tmp_path)
    np.testing.assert_array_equal(
        restored.variables["params"]["encoder"]["kernel"], make_state(3).params["encoder"]["kernel"]
    )
    np.testing.assert_array_equal(restored.variables["batch_stats"]["mean"], [3.0, 3.0, 3.0])
    assert restored.config == {"seed": 1, "dims": [4, 8]}


def test_averaged_weights_are_preferred(tmp_path):
    state = make_state(1, ema=True)
    state = state.replace(ema_params=jax.tree.map(lambda leaf: leaf + 1, state.params))
    with checkpoint.open_for_training(tmp_path, 1) as manager:
        checkpoint.save(manager, state, {})
    kernel = checkpoint.restore_variables(tmp_path).variables["params"]["encoder"]["kernel"]
    np.testing.assert_array_equal(kernel, state.ema_params["encoder"]["kernel"])


@pytest.mark.parametrize("truncate", [False, True])
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_used(tmp_path, truncate):
    save(tmp_path, 1, 2)
    damage(tmp_path, 2, truncate=truncate)
    said = []
    assert checkpoint.restore_variables(tmp_path, warn=said.append).step == 1
    with checkpoint.open_for_training(tmp_path, 3) as manager:
        assert int(checkpoint.restore_state(manager, make_state(0), said.append).step) == 1
    assert len(said) == 2 and all("checkpoints/2 is damaged" in line for line in said)
    assert (tmp_path / "checkpoints" / "2").exists()
    with pytest.raises(errors.UserError, match="checkpoints/2 is damaged"):
        checkpoint.restore_variables(tmp_path, "2")


def test_an_empty_numbered_directory_is_passed_over(tmp_path):
    save(tmp_path, 1)
    (tmp_path / "checkpoints" / "9").mkdir()
    said = []
    assert checkpoint.restore_variables(tmp_path, warn=said.append).step == 1
    assert "checkpoints/9 is damaged" in said[0]


def test_another_model_is_refused_by_the_name_that_differs(tmp_path):
    save(tmp_path, 1)
    with checkpoint.open_for_training(tmp_path, 3) as manager:
        with pytest.raises(errors.UserError, match=r"another model: batch_stats/mean is \(3,\) there and \(4,\) here"):
            checkpoint.restore_state(manager, make_state(0, width=4))


@pytest.mark.parametrize("which", ["7", "best", "oldest"])
def test_a_checkpoint_that_is_not_there_is_the_users_mistake(tmp_path, which):
    save(tmp_path, 1)
    with pytest.raises(errors.UserError):
        checkpoint.restore_variables(tmp_path, which)


@pytest.mark.parametrize("truncate", [False, True])
def test_a_checkpoint_that_cannot_be_read_back_is_told_at_once(tmp_path, truncate):
    with checkpoint.open_for_training(tmp_path, 3) as manager:
        sums = checkpoint.save(manager, make_state(1, ema=True), {})
        checkpoint.wait(manager)
        checkpoint.read_back(manager, 1, sums)
        assert checkpoint.save(manager, make_state(1), {}) is None  # it is there already
        with pytest.raises(errors.UserError, match="other numbers than were saved"):
            checkpoint.read_back(manager, 1, sums | {"step": 0})
        damage(tmp_path, 1, truncate=truncate)
        with pytest.raises(
            errors.UserError, match=r"checkpoints/1 was saved but cannot be read back .* train in another"
        ):
            checkpoint.read_back(manager, 1, sums)


def raising(error, cause=None):
    def fail(*_):
        raise error from cause

    return fail


OUTSIDE = [
    (PermissionError(errno.EACCES, "Permission denied"), None),
    (OSError(errno.EIO, "Input/output error"), None),
    (MemoryError(), None),
    (ValueError("PERMISSION_DENIED: Error opening file"), None),
    (ValueError("it could not be read"), OSError(errno.EMFILE, "Too many open files")),
]


@pytest.mark.parametrize(("error", "cause"), OUTSIDE, ids=str)
@pytest.mark.parametrize("which", ["latest", "2"])
def test_what_cannot_be_read_now_is_not_called_damaged(tmp_path, monkeypatch, error, cause, which):
    save(tmp_path, 1, 2)
    monkeypatch.setattr(stored_step, "restore_variables", raising(error, cause))
    said = []
    with pytest.raises(errors.UserError, match="checkpoints/2 cannot be read now") as refused:
        checkpoint.restore_variables(tmp_path, which, said.append)
    assert not said and "damaged" not in str(refused.value) and "anew" not in str(refused.value)


def test_a_checkpoint_that_a_training_removes_while_it_is_read_is_not_damage(tmp_path, monkeypatch):
    save(tmp_path, 1)
    original, said = stored_step.restore_variables, []

    def replaced_meanwhile(manager, step):
        if step == 1:
            save(tmp_path, 2, keep=1)
            assert not (tmp_path / "checkpoints" / "1").exists()
        return original(manager, step)

    monkeypatch.setattr(stored_step, "restore_variables", replaced_meanwhile)
    assert checkpoint.restore_variables(tmp_path, warn=said.append).step == 2 and not said


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["latest", "best", "2"])
def test_a_model_of_values_that_are_not_finite_is_refused_by_name(tmp_path, value, which):
    """In the weights and in the statistics; a state that training goes on from may hold such values elsewhere."""
    good, bad = make_state(1), make_state(2)
    kernel = bad.params["encoder"]["kernel"].at[3, 1].set(value).at[5, 2].set(value)
    with checkpoint.open_for_training(tmp_path, 3) as manager:
        checkpoint.save(manager, good, {}, -1.0)
        checkpoint.save(manager, bad.replace(params={"encoder": {"kernel": kernel}}), {}, 0.0)
    with pytest.raises(
        errors.UserError, match="checkpoints/2 holds params/encoder/kernel, of whose 600 values 2 are not"
    ):
        checkpoint.restore_variables(tmp_path, which)
    assert checkpoint.restore_variables(tmp_path, "1").step == 1


def test_a_score_that_is_not_finite_is_none(tmp_path):
    save(tmp_path, 1, 2, scores={1: -5.0, 2: float("nan")})
    with checkpoint.open_for_training(tmp_path, 3) as manager:
        assert checkpoint.best_score(manager) == -5.0
    assert checkpoint.restore_variables(tmp_path, "best").step == 1
    for file in (tmp_path / "checkpoints").rglob("*"):
        assert not file.is_file() or b"NaN" not in file.read_bytes()

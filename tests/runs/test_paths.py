"""A run in a directory of any name: nothing is lost, nothing lands elsewhere, and a URL is refused at once."""

import json
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import main
import vae_jax
from vae_jax import errors
from vae_jax.configs import base
from vae_jax.runs import checkpoint, orbax_path, workdir
from vae_jax.training import train_state

PRINTABLE = "".join(chr(code) for code in range(32, 127) if chr(code) != "/")
MISREAD = "[]*?#%|\\:"
NAMES = {
    "all of ASCII": PRINTABLE,
    "all that orbax takes as it is": "".join(character for character in PRINTABLE if character not in MISREAD),
    "below brackets": "My Project [v2]/runs/celeba",
    "a set of one": "[a]",
    "a glob of everything": "**",
    "an escape": "%2F%20%zz",
    "a bucket": "gs:/bucket",
    "a URL": "file:/tmp",
    "two backslashes": "a\\\\b",
    "leading dash": "-rf",
    "spaces around": " run ",
    "unicode": "é-日本-🙂-\u202e",
    "control characters": "a\nb\tc\x01\x7f",
    "undecodable": "run-\udcff\udcfe",
    "as long as a name can be": "n" * 255,
    "hidden": "..run",
}


def make_state(step):
    params = {"kernel": jax.random.normal(jax.random.key(step), (50, 3))}
    variables = {"params": params, "batch_stats": {"mean": jnp.full(3, float(step))}}
    state = train_state.create_state(variables, optax.sgd(1e-3), jax.random.key(7), ema=False)
    return state.replace(step=jnp.asarray(step, jnp.int32))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_checkpoints_are_kept_in_a_directory_of_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = workdir.create(pathlib.Path(name))
    said = []
    with checkpoint.open_for_training(path, 3) as manager:
        for step, score in ((1, -1.0), (2, -2.0)):
            sums = checkpoint.save(manager, make_state(step), {"seed": step}, score)
            checkpoint.wait(manager)
            checkpoint.read_back(manager, step, sums)
    with checkpoint.open_for_training(path, 3) as manager:
        assert checkpoint.best_score(manager) == -1.0
        assert int(checkpoint.restore_state(manager, make_state(0), said.append).step) == 2
    for which, step in (("latest", 2), ("best", 1), ("2", 2)):
        restored = checkpoint.restore_variables(workdir.existing(pathlib.Path(name)), which, said.append)
        np.testing.assert_array_equal(restored.variables["params"]["kernel"], make_state(step).params["kernel"])
        assert restored.config == {"seed": step}
    assert not said
    assert [entry.name for entry in tmp_path.iterdir()] == [pathlib.Path(name).parts[0]]  # nothing landed elsewhere
    assert sorted(entry.name for entry in (tmp_path / name / "checkpoints").iterdir()) == ["1", "2"]


def test_a_symbolic_link_is_a_name_like_any_other(tmp_path):
    (tmp_path / "kept [here]").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept [here]")
    with checkpoint.open_for_training(workdir.create(tmp_path / "link"), 1) as manager:
        checkpoint.save(manager, make_state(1), {})
    assert checkpoint.restore_variables(tmp_path / "kept [here]").step == 1


def test_a_directory_made_anew_under_the_same_name_is_another_one(tmp_path):
    path = tmp_path / "a[b]"
    for step in (1, 2):
        with checkpoint.open_for_training(workdir.create(path), 1) as manager:
            checkpoint.save(manager, make_state(step), {})
        assert checkpoint.restore_variables(path).step == step
        path.rename(tmp_path / str(step))


def test_messages_name_the_directory_as_its_user_knows_it(tmp_path):
    path = workdir.create(tmp_path / "a[b]")
    with checkpoint.open_for_training(path, 1) as manager:
        checkpoint.save(manager, make_state(1), {})
    (path / "checkpoints" / "1" / "state" / "zarr.json").write_text("{}")
    said = []
    with pytest.raises(errors.UserError) as refused:
        checkpoint.restore_variables(path, warn=said.append)
    assert str(path / "checkpoints") in str(refused.value) and str(path / "checkpoints" / "1") in said[0]
    assert "/proc" not in said[0] + str(refused.value)


def test_where_the_system_names_no_descriptors_such_a_path_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(orbax_path, "_DESCRIPTORS", tmp_path / "none")
    with pytest.raises(errors.UserError, match=r"below .*a#b\[: orbax misreads .*'# \['; choose another"):
        checkpoint.open_for_training(workdir.create(tmp_path / "a#b["), 1)
    checkpoint.open_for_training(workdir.create(tmp_path / "plain"), 1).close()


URLS = {
    "gs://bucket/run": "mount it",
    "s3://bucket/run": "mount it",
    "https://host/run": "mount it",
    "file:///tmp/run": "give /tmp/run",
}


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("words", [[], ["--mode=sample"], ["--init_from=gs://bucket/run"]], ids=str)
def test_a_url_is_refused_and_nothing_is_written(tmp_path, monkeypatch, capsys, url, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.UserError, match=URLS[url]):
        workdir.create(url)
    assert main.main(["main.py", f"--workdir={url}", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "a\0b", "~no-such-user/run", "d/" * 2047 + "d", "n" * 256], ids=range(5))
def test_what_is_no_path_is_refused_in_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for use in (workdir.create, workdir.existing):
        with pytest.raises(errors.UserError, match="^workdir "):
            use(name)


def test_a_path_too_long_for_a_runs_files_is_refused_before_training(tmp_path):
    room = os.pathconf(tmp_path, "PC_PATH_MAX") - len(str(tmp_path)) - workdir.DEEPEST // 2
    deep = tmp_path.joinpath(*["d" * 199] * (room // 200))
    with pytest.raises(errors.UserError, match="too long"):
        workdir.create(deep)


def test_a_whole_run_in_such_a_directory(tmp_path, monkeypatch, capsys):
    """Train, resume after a change of directory, evaluate and sample, by a relative path and an absolute one."""
    monkeypatch.chdir(tmp_path)
    path = pathlib.Path(f"My Project [v2]/{PRINTABLE}")
    config = base.get_config()
    changes = {"num_steps": 2, "data.source": "digits", "data.batch_size": 8}
    config.update_from_flattened_dict(changes | {"model.latent_dim": 2, "model.hidden_dims": (4,)})
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1)).astype(np.uint8)
    vae_jax.train(config, path, images=images)
    config.num_steps = 3
    state = vae_jax.train(config, tmp_path / path, images=images)
    monkeypatch.chdir("/")
    _, variables, _ = vae_jax.restore(tmp_path / path)
    for leaf, expected in zip(jax.tree.leaves(variables["params"]), jax.tree.leaves(state.params), strict=True):
        np.testing.assert_array_equal(leaf, expected)
    assert main.main(["main.py", "--workdir", str(tmp_path / path), "--mode=sample", "--num=2"]) == 0
    assert {"1", "2", "3"} & {entry.name for entry in (tmp_path / path / "checkpoints").iterdir()} == {"2", "3"}
    steps = [json.loads(line)["step"] for line in (tmp_path / path / "metrics.jsonl").read_text().splitlines()]
    assert max(steps) == 3
    assert list((tmp_path / path / "tensorboard").iterdir()) and list((tmp_path / path / "images").iterdir())

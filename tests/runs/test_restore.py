"""A run restored from its directory alone, and what a broken directory or a mistake gets."""

import shutil

import jax
import numpy as np
import pytest

import main
import vae_jax
from vae_jax import cli, errors
from vae_jax.cli import options


def test_a_restored_run_samples_the_same_images_for_the_same_key(workdir):
    model, variables, config = vae_jax.restore(workdir)
    assert config.model.latent_dim == 3
    first = vae_jax.sample(model, variables, jax.random.key(0), 5)
    assert first.shape == (5, 8, 8, 1) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, vae_jax.sample(model, variables, jax.random.key(0), 5))
    assert (first != vae_jax.sample(model, variables, jax.random.key(1), 5)).any()


def test_a_workdir_can_be_moved_and_its_data_too(workdir, tmp_path):
    shutil.copytree(workdir, tmp_path / "moved")
    shutil.copy(workdir.parent / "images.npz", tmp_path / "there.npz")
    cli.run("reconstruct", str(tmp_path / "moved"), options.Reconstruct(data_dir=str(tmp_path / "there.npz"), num=2))
    assert (tmp_path / "moved" / "reconstructions.png").exists()


@pytest.mark.parametrize("mode", sorted(cli.MODES.keys() - {"train"}))
def test_a_workdir_without_a_checkpoint_ends_in_one_line(tmp_path, capsys, mode):
    assert main.main(["main.py", "--workdir", str(tmp_path), "--mode", mode]) == 2
    message = capsys.readouterr().err
    assert "holds no checkpoint" in message and message.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--prior", "mixture", "--mode", "sample"], "is not a prior"),
        (["--prior", "mixture:99", "--mode", "sample"], "cannot be fitted to 36"),
        (["--interpolation", "cubic", "--mode", "interpolate"], "use linear or spherical"),
        (["--checkpoint", "77", "--mode", "sample"], "no checkpoint 77"),
        (["--split", "test", "--mode", "encode"], "no test split"),
        (["--split", "test", "--mode", "arithmetic"], "no test split"),
        (["--input", "/nowhere", "--mode", "arithmetic"], "takes no --input"),
        (["--features", "mine:f", "--mode", "evaluate"], "say --allow_import"),
        (["--features", "resnet", "--mode", "evaluate"], "my_module:my_function"),
        (["--features", "classifier", "--mode", "evaluate"], "no labels to learn"),
        (["--features", "inception", "--mode", "evaluate"], "benchmarks/inception.py"),
        (["--features", "inception:/nowhere.npz", "--mode", "evaluate"], "no Inception weights at /nowhere.npz"),
        (["--input", "/nowhere", "--mode", "reconstruct"], "/nowhere"),
        (["--config.data.dir=/nowhere", "--mode", "evaluate"], "/nowhere"),
    ],
)
def test_mistakes_end_in_one_line(workdir, capsys, words, message):
    assert main.main(["main.py", "--workdir", str(workdir), *words]) == 2
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("main.py:")]
    assert message in said


def test_images_of_another_shape_are_refused(workdir):
    model, variables, _ = vae_jax.restore(workdir)
    with pytest.raises(ValueError, match=r"expected uint8 images \[N, 8, 8, 1\]"):
        vae_jax.encode(model, variables, np.zeros((2, 8, 8, 3), np.uint8))


def test_a_path_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.UserError, match="holds no checkpoint"):
        vae_jax.restore(tmp_path / "file")


@pytest.mark.parametrize("mode", ["report", "compare"])
def test_a_damaged_evaluation_ends_in_one_line(workdir, tmp_path, capsys, mode):
    shutil.copytree(workdir, tmp_path / "run")
    (tmp_path / "run" / "evaluation.json").write_text("{")
    paths = f"{tmp_path}/run,{workdir}" if mode == "compare" else f"{tmp_path}/run"
    assert main.main(["main.py", "--workdir", paths, "--mode", mode]) == 2
    assert "evaluate again" in capsys.readouterr().err

"""Every mode on one small trained run, from its directory alone; and what a broken directory gets."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

import main
import vae_jax
from configs import base
from vae_jax import errors, modes
from vae_jax.evaluation import interventions

IMAGES = np.random.default_rng(1).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    root = tmp_path_factory.mktemp("modes")
    np.savez(root / "images.npz", images=IMAGES, label=np.arange(40), factors=np.arange(80).reshape(40, 2) % 3)
    config = base.get_config()
    config.update_from_flattened_dict(
        {
            "num_steps": 2,
            "data.source": "npz",
            "data.dir": str(root / "images.npz"),
            "data.batch_size": 8,
            "model.latent_dim": 3,
            "model.hidden_dims": (4,),
        }
    )
    vae_jax.train(config, root / "run")
    return root / "run"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two colour photographs of another size: fitted to the model, which is grey and 8x8."""
    directory = tmp_path_factory.mktemp("own")
    for name, level in (("a", 40), ("b", 200)):
        Image.new("RGB", (20, 16), (level, level, level)).save(directory / f"{name}.png")
    return directory


def test_a_restored_run_samples_the_same_images_for_the_same_key(workdir):
    model, variables, config = vae_jax.restore(workdir)
    assert config.model.latent_dim == 3
    first = vae_jax.sample(model, variables, jax.random.key(0), 5)
    assert first.shape == (5, 8, 8, 1) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, vae_jax.sample(model, variables, jax.random.key(0), 5))
    assert (first != vae_jax.sample(model, variables, jax.random.key(1), 5)).any()


def test_sampling_is_the_network_applied_to_noise(workdir):
    model, variables, _ = vae_jax.restore(workdir)
    z = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)  # more than one chunk
    images = vae_jax.sampling.decode(model, variables, z)
    pred = np.asarray(model.apply(variables, z, method="decode"))
    np.testing.assert_array_equal(images, np.round(np.clip(pred, 0, 1) * 255).astype(np.uint8))
    frozen = vae_jax.sample(model, variables, jax.random.key(0), 4, temperature=0.0)
    np.testing.assert_array_equal(frozen, vae_jax.sampling.decode(model, variables, np.zeros((4, 3))))


def test_sample_writes_a_picture_and_its_array(workdir, capsys):
    assert main.main(["main.py", "--workdir", str(workdir), "--mode", "sample", "--num", "9"]) == 0
    assert np.load(workdir / "samples.npy").shape == (9, 8, 8, 1)
    assert Image.open(workdir / "samples.png").size == (3 * 66 + 2, 3 * 66 + 2)
    assert "9 images" in capsys.readouterr().out


def test_reconstruct_takes_the_runs_validation_images_or_ones_own(workdir, folder):
    modes.run("reconstruct", str(workdir), modes.Options(num=3))
    assert np.load(workdir / "reconstructions.npy").shape == (3, 8, 8, 1)
    modes.run("reconstruct", str(workdir), modes.Options(input=str(folder)))
    assert np.load(workdir / "reconstructions.npy").shape == (2, 8, 8, 1)
    sheet = np.asarray(Image.open(workdir / "reconstructions.png"))
    assert (sheet[2:66, 2:66] == 40).all() and (sheet[2:66, 68:132] == 200).all()


def test_interpolations_begin_and_end_at_the_reconstructions(workdir, folder):
    modes.run("reconstruct", str(workdir), modes.Options(input=str(folder)))
    modes.run("interpolate", str(workdir), modes.Options(input=str(folder)))
    rows = np.load(workdir / "interpolations.npy")
    assert rows.shape == (8, 8, 8, 1)
    np.testing.assert_array_equal(rows[[0, -1]], np.load(workdir / "reconstructions.npy"))


def test_encode_writes_posteriors_and_labels_of_the_whole_split(workdir):
    modes.run("encode", str(workdir), modes.Options(split="train"))
    model, variables, config = vae_jax.restore(workdir)
    train = vae_jax.data.load_dataset(config.data).train
    with np.load(workdir / "latents.npz") as latents:
        posterior = model.apply(variables, train["image"].astype(np.float32) / 255, method="encode")
        np.testing.assert_allclose(latents["mean"], posterior.mean, atol=1e-5)
        np.testing.assert_allclose(latents["logvar"], posterior.logvar, atol=1e-5)
        np.testing.assert_array_equal(latents["label"], train["label"])


def test_evaluate_repeats_the_runs_own_numbers_and_says_what_on(workdir):
    assert main.main(["main.py", "--workdir", str(workdir), "--mode", "evaluate"]) == 0
    evaluation = json.loads((workdir / "evaluation.json").read_text())
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["split"] == "eval"][-1]
    assert evaluation["metrics"].keys() == last.keys() - {"step", "split"}
    for name, value in evaluation["metrics"].items():
        assert value == pytest.approx(last[name], rel=1e-5), name
    assert (evaluation["checkpoint"], evaluation["num_images"], evaluation["images"]) == (2, 4, "npz valid")
    assert evaluation["bound"]["elbo"] == evaluation["metrics"]["elbo"]
    weighted = evaluation["bound"]["importance_weighted"]
    assert (weighted["num_samples"], weighted["num_images"]) == (100, 4)
    assert weighted["bound"] > weighted["elbo_of_these_images"]
    assert sum(evaluation["latents"]["kl_per_dimension"]) == pytest.approx(last["kl"], rel=1e-4)
    assert 0 < evaluation["reconstruction"]["mse"] < 1


def test_evaluate_compares_generated_images_by_features_of_ones_own(workdir, tmp_path, monkeypatch):
    (tmp_path / "my_features.py").write_text("def corner(images):\n    return images[:, 2:5, 2:5, 0].reshape(-1, 9)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(interventions, "NUM_TRAIN", 100)
    words = "--mode evaluate --split train --num_images 20 --num_samples 3 --features my_features:corner".split()
    assert main.main(["main.py", "--workdir", str(workdir), *words, "--allow_import"]) == 0
    evaluation = json.loads((workdir / "evaluation.json").read_text())
    assert evaluation["aggregate"]["num_encodings"] == 20
    assert evaluation["disentanglement"]["values_of_factors"] == [3, 3]
    generated = evaluation["generated"]
    assert generated["features"]["name"] == "my_features:corner" and generated["num_images"] == 20
    assert "floor" not in generated  # the validation split has four images
    for images in ("samples", "reconstructions"):
        assert generated[images]["frechet_distance"] > 0 and 0 <= generated[images]["recall"] <= 1


def test_a_workdir_can_be_moved_and_its_data_too(workdir, tmp_path):
    shutil.copytree(workdir, tmp_path / "moved")
    shutil.copy(workdir.parent / "images.npz", tmp_path / "there.npz")
    options = modes.Options(data_dir=str(tmp_path / "there.npz"), num=2)
    modes.run("reconstruct", str(tmp_path / "moved"), options)
    assert (tmp_path / "moved" / "reconstructions.png").exists()


@pytest.mark.parametrize("mode", sorted(modes.MODES))
def test_a_workdir_without_a_checkpoint_ends_in_one_line(tmp_path, capsys, mode):
    assert main.main(["main.py", "--workdir", str(tmp_path), "--mode", mode]) == 2
    message = capsys.readouterr().err
    assert "holds no checkpoint" in message and message.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--checkpoint", "77", "--mode", "sample"], "no checkpoint 77"),
        (["--split", "test", "--mode", "encode"], "no test split"),
        (["--features", "mine:f", "--mode", "evaluate"], "say --allow_import"),
        (["--features", "inception", "--mode", "evaluate"], "my_module:my_function"),
        (["--input", "/nowhere", "--mode", "reconstruct"], "/nowhere"),
        (["--config.data.dir=/nowhere", "--mode", "evaluate"], "/nowhere"),
    ],
)
def test_mistakes_end_in_one_line(workdir, capsys, words, message):
    assert main.main(["main.py", "--workdir", str(workdir), *words]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_images_of_another_shape_are_refused(workdir):
    model, variables, _ = vae_jax.restore(workdir)
    with pytest.raises(ValueError, match=r"expected uint8 images \[N, 8, 8, 1\]"):
        vae_jax.encode(model, variables, np.zeros((2, 8, 8, 3), np.uint8))


def test_a_path_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.UserError, match="holds no checkpoint"):
        vae_jax.restore(tmp_path / "file")

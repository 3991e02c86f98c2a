"""--mode score finds an image that is unlike the images a model was trained on."""

import csv

import numpy as np
import pytest
from PIL import Image

import vae_jax
from vae_jax.cli import main
from vae_jax.configs import base


def stripes(number, rng):
    """Return images of horizontal stripes, uint8 [N, 8, 8, 1], at heights and of brightnesses that vary."""
    images = np.full((number, 8, 8, 1), 30, np.uint8)
    for image, row, level in zip(images, rng.integers(1, 7, number), rng.integers(150, 250, number), strict=True):
        image[row - 1 : row + 1] = level
    return images


@pytest.fixture(scope="module")
def striped(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("striped"), np.random.default_rng(0)
    np.savez(root / "images.npz", images=stripes(400, rng))
    config = base.get_config()
    config.update_from_flattened_dict(
        {
            "num_steps": 400,
            "data.source": "npz",
            "data.dir": str(root / "images.npz"),
            "model.name": "mlp",
            "model.latent_dim": 4,
            "model.hidden_dims": (64,),
            "objective.reconstruction.sigma": 0.1,
            "optimizer.learning_rate": 3e-3,
        }
    )
    vae_jax.train(config, root / "run")
    (root / "photos").mkdir()
    images = stripes(6, np.random.default_rng(1))
    images[4] = images[4].transpose(1, 0, 2)  # a vertical stripe
    for index, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(root / "photos" / f"{index}.png")
    return root


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_an_anomaly_lies_beyond_the_validation_images(striped, capsys):
    run = str(striped / "run")
    assert main.main(["main.py", "--workdir", run, "--mode", "score", "--input", str(striped / "photos")]) == 0
    rows = table(striped / "run" / "scores.csv")
    assert [row["name"] for row in rows] == [f"{index}.png" for index in range(6)]
    for row in rows:
        strange = row["name"] == "4.png"
        assert (float(row["elbo_percentile"]) == 0.0) == strange
        assert (float(row["importance_weighted_percentile"]) == 0.0) == strange
        assert (float(row["reconstruction_error_percentile"]) == 100.0) == strange
    said = capsys.readouterr().out
    assert "elbo of the validation split, percentiles 1, 5, 50, 95, 99: " in said and "scores.csv: 6 images" in said


def test_the_validation_split_is_scored_by_default(striped):
    assert main.main(["main.py", "--workdir", str(striped / "run"), "--mode", "score", "--num_samples", "2"]) == 0
    rows = table(striped / "run" / "scores.csv")
    ranks = np.array([float(row["distortion_percentile"]) for row in rows])
    assert len(rows) == 40 and ranks.mean() == pytest.approx(50.0) and len(set(ranks)) == 40
    order = np.argsort([float(row["distortion"]) for row in rows])
    assert (np.diff(ranks[order]) > 0).all()


def test_without_validation_images_there_are_no_percentiles(workdir, folder, tmp_path, capsys):
    words = ["--workdir", str(workdir), "--mode", "score", "--input", str(folder), "--config.data.dir=/nowhere"]
    assert main.main(["main.py", *words]) == 0
    assert "no percentiles" in capsys.readouterr().out
    rows = table(workdir / "scores.csv")
    assert [row["name"] for row in rows] == ["a.png", "b.png"] and "elbo_percentile" not in rows[0]

"""Posteriors, written with the names and classes of their images."""

import csv

import numpy as np
import pytest
from PIL import Image

import vae_jax
from vae_jax import cli
from vae_jax.cli import images as cli_images
from vae_jax.cli import options, tables
from vae_jax.runs import restore


def test_encode_writes_posteriors_and_labels_of_the_whole_split(workdir, monkeypatch):
    monkeypatch.setattr(cli_images, "CHUNK", 7)
    cli.run("encode", str(workdir), options.Encode(split="train"))
    model, variables, config = vae_jax.restore(workdir)
    train = vae_jax.data.load_dataset(config.data).train
    with np.load(workdir / "latents.npz") as latents:
        posterior = model.apply(variables, train["image"].astype(np.float32) / 255, method="encode")
        np.testing.assert_allclose(latents["mean"], posterior.mean, atol=1e-5)
        np.testing.assert_allclose(latents["logvar"], posterior.logvar, atol=1e-5)
        for name in ("label", "factors", "name"):
            np.testing.assert_array_equal(latents[name], train[name])


@pytest.mark.parametrize("kind", ["npz", "csv"])
def test_names_and_classes_are_in_the_order_of_the_input(workdir, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(cli_images, "CHUNK", 2)
    _name_classes(monkeypatch, ("cat", "dog", "owl"))
    levels = {"dog/b.png": 10, "dog/a.png": 90, "owl/\N{LATIN SMALL LETTER E WITH ACUTE}, x.png": 200, "cat/c.png": 250}
    for name, level in levels.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), level).save(tmp_path / name)
    cli.run("encode", str(workdir), options.Encode(input=str(tmp_path), format=kind))
    names = sorted(levels)
    model, variables, _ = vae_jax.restore(workdir)
    images = np.stack([np.full((8, 8, 1), levels[name], np.uint8) for name in names])
    expected = vae_jax.encode(model, variables, images)
    if kind == "npz":
        with np.load(workdir / "latents.npz") as found:
            assert found["name"].tolist() == names and found["class"].tolist() == ["cat", "dog", "dog", "owl"]
            assert found["label"].tolist() == [0, 1, 1, 2]
            np.testing.assert_allclose(found["mean"], expected.mean, atol=1e-6)
        return
    with open(workdir / "latents.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == names and [row["class"] for row in rows] == ["cat", "dog", "dog", "owl"]
    mean = np.array([[row[f"mean_{d}"] for d in range(3)] for row in rows], np.float32)
    np.testing.assert_allclose(mean, expected.mean, atol=1e-6)


def test_a_table_is_whole_or_not_there(tmp_path):
    def parts():
        yield {"a": np.arange(3)}
        raise RuntimeError("cut short")

    for name in ("table.csv", "table.npz"):
        with pytest.raises(RuntimeError, match="cut short"):
            tables.write(tmp_path / name, parts())
    assert not list(tmp_path.iterdir())


def test_columns_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    whole = {
        "x": rng.normal(size=(9, 2, 3)).astype(np.float32),
        "n": np.arange(9),
        "t": np.array(list("abcdefg") + ["hh", "i"]),
    }
    cut = [{name: values[s : s + 4] for name, values in whole.items()} for s in (0, 4, 8)]
    assert tables.write(tmp_path / "t.npz", iter(cut)) == tables.write(tmp_path / "t.csv", iter(cut)) == 9
    with np.load(tmp_path / "t.npz") as found:
        for name, values in whole.items():
            np.testing.assert_array_equal(found[name], values)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0] == "x_0,x_1,x_2,x_3,x_4,x_5,n,t" and len(lines) == 10
    np.testing.assert_array_equal(np.float32(lines[8].split(",")[:6]), whole["x"][7].ravel())


def _name_classes(monkeypatch, names):
    """Let every restored run have classes of these names, as a run on labelled directories has."""
    restored = restore.restore

    def with_classes(*arguments, **keywords):
        found = restored(*arguments, **keywords)
        with found.config.unlocked():
            found.config.data.label_names = names
        return found

    monkeypatch.setattr(restore, "restore", with_classes)

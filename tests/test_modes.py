"""Every mode on one small trained run, from its directory alone; and what a broken directory gets."""

import json
import shutil
import types

import jax
import numpy as np
import pytest
from PIL import Image

import main
import vae_jax
from configs import base
from vae_jax import errors, modes, posteriors, priors
from vae_jax.evaluation import encodings, interventions
from vae_jax.modes import arithmetic, codes, evaluate, report, restored, subject, traverse

IMAGES = np.random.default_rng(1).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    root = tmp_path_factory.mktemp("modes")
    np.savez(root / "images.npz", images=IMAGES, label=np.arange(40) % 13, factors=np.arange(80).reshape(40, 2) % 3)
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


def test_samples_of_a_fitted_prior_are_drawn_from_the_training_codes(workdir, capsys):
    model, variables, config = vae_jax.restore(workdir)
    codes = vae_jax.encode(model, variables, np.asarray(vae_jax.data.load_dataset(config.data).train["image"]))
    for name in ("aggregate", "mixture:2"):
        modes.run("sample", str(workdir), modes.Options(num=4, prior=name))
        assert "36 training images" in capsys.readouterr().out
        first = np.load(workdir / "samples.npy")
        z = priors.sample(priors.fit(name, codes), jax.random.key(0), 4)
        np.testing.assert_array_equal(first, vae_jax.sampling.decode(model, variables, z))
        modes.run("sample", str(workdir), modes.Options(num=4, prior=name))
        assert "from" in capsys.readouterr().out
        np.testing.assert_array_equal(first, np.load(workdir / "samples.npy"))
    assert (workdir / "priors" / "2-mixture-2.npz").exists()


def test_a_prior_of_ones_own_images_is_fitted_to_those_of_each_call(workdir, folder, tmp_path):
    run = vae_jax.restore(workdir)
    with run.config.unlocked():
        run.config.data.source = "array"  # of which nothing is kept but the model
    for name in "abc":
        Image.new("L", (8, 8), ord(name)).save(tmp_path / f"{name}.png")
    for source, num in ((folder, 2), (tmp_path, 3)):
        fitted = codes.prior("aggregate", 2, run, tmp_path, modes.Options(input=str(source)), print)
        assert len(fitted.means) == num
    assert not (tmp_path / "priors").exists()


def test_batchnorm_can_be_readjusted_to_what_is_sampled(workdir):
    modes.run("sample", str(workdir), modes.Options(num=4))
    before = np.load(workdir / "samples.npy")
    modes.run("sample", str(workdir), modes.Options(num=4, readjust_bn=True))
    assert (before != np.load(workdir / "samples.npy")).any()


def test_samples_are_shown_beside_the_training_images_nearest_to_them(workdir, capsys):
    modes.run("sample", str(workdir), modes.Options(num=5, nearest=True))
    samples, found = np.load(workdir / "samples.npy"), np.load(workdir / "nearest.npy")
    train = np.asarray(vae_jax.data.load_dataset(vae_jax.restore(workdir).config.data).train["image"])
    distance = np.square(samples[:, None].astype(float) - train[None]).sum((2, 3, 4))
    np.testing.assert_array_equal(found, train[distance.argmin(1)])
    assert "36 training images" in capsys.readouterr().out


def test_traversals_move_one_latent_at_a_time_the_largest_kl_first(workdir, folder, capsys):
    modes.run("traverse", str(workdir), modes.Options(input=str(folder)))
    model, variables, config = vae_jax.restore(workdir)
    rows = np.load(workdir / "traversals.npy").reshape(-1, 11, 8, 8, 1)
    images = vae_jax.data.own.load_images(str(folder), "none", (8, 8, 1))["image"]
    start = vae_jax.encode(model, variables, images[:1]).mean[0]
    posterior = vae_jax.encode(model, variables, np.asarray(vae_jax.data.load_dataset(config.data).train["image"]))
    mean, var = posterior.mean.astype(float), np.exp(posterior.logvar.astype(float))
    kl = 0.5 * (mean**2 + var - 1 - np.log(var)).mean(0)
    std = np.sqrt(mean.var(0) + var.mean(0))
    order = [latent for latent in np.argsort(-kl) if mean[:, latent].var() > 0.01] or list(np.argsort(-kl))
    assert len(rows) == len(order)
    for row, latent in zip(rows, order, strict=True):
        z = np.tile(start, (11, 1))
        z[:, latent] = mean[:, latent].mean() + std[latent] * np.linspace(-2.5, 2.5, 11)
        expected = vae_jax.sampling.decode(model, variables, z).astype(int)
        assert np.abs(row - expected).max() <= 1
    assert "of 3 latents are active" in capsys.readouterr().out
    with Image.open(workdir / "traversals.gif") as animation:
        assert animation.n_frames > 2


def test_every_active_latent_is_traversed_unless_a_number_is_said(monkeypatch):
    means = np.random.default_rng(0).normal(size=(50, 130)).astype(np.float32)
    use = codes.usage(posteriors.Gaussian(means, np.zeros_like(means)))
    found = restored.Restored(None, {}, None)
    monkeypatch.setattr(vae_jax.sampling, "encode", lambda *_: posteriors.Gaussian(means[:1], means[:1]))
    monkeypatch.setattr(vae_jax.sampling, "traverse", lambda model, variables, z, latents, values: values)
    for said, shown in (({}, 130), ({"num": 9}, 9)):
        moved, labels = traverse.rows(found, means, use, modes.Options(**said).num)
        assert len(moved) == len(labels) == shown


def test_usage_of_latents_by_hand():
    mean = np.array([[1.0, 0.0, -3.0], [-1.0, 0.1, 3.0]], np.float32)
    var = np.float32([1e-9, 1.0, 0.5])  # the first is the most certain, the last varies most
    use = codes.usage(posteriors.Gaussian(mean, np.log(np.tile(var, (2, 1)))))
    np.testing.assert_allclose(use.kl, [-0.5 * np.log(1e-9), 0.0025, 0.5 * (9.5 - 1 - np.log(0.5))], 1e-4)
    np.testing.assert_allclose(use.std, np.sqrt([1.0, 1.0025, 9.5]), rtol=1e-6)
    assert use.order.tolist() == [0, 2, 1] and use.active.tolist() == [True, False, True]
    exact = codes.usage(posteriors.Gaussian(mean, np.full((2, 3), codes.ZERO_LOGVAR)))
    assert exact.kl is None and exact.order.tolist() == [2, 0, 1]


def test_training_codes_are_those_the_decoder_was_trained_on(workdir):
    run = vae_jax.restore(workdir)
    images = np.asarray(vae_jax.data.load_dataset(run.config.data).train["image"])
    config = run.config.copy_and_resolve_references().unlock()
    config.objective.name, config.data.binarize = "wae", "threshold"
    found = codes.training_codes(run._replace(config=config), images)
    expected = vae_jax.encode(*run[:2], np.where(images >= 128, 255, 0).astype(np.uint8))
    np.testing.assert_array_equal(found.mean, expected.mean)
    assert (found.logvar == codes.ZERO_LOGVAR).all()
    config.objective.options = {"deterministic": False}
    np.testing.assert_array_equal(codes.training_codes(run._replace(config=config), images).logvar, expected.logvar)
    config.data.binarize = "dynamic"
    drawn = codes.training_codes(run._replace(config=config), images)
    assert (drawn.mean != expected.mean).any()


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
    modes.run("interpolate", str(workdir), modes.Options(input=str(folder), interpolation="spherical"))
    arc = np.load(workdir / "interpolations.npy")
    np.testing.assert_array_equal(arc[[0, -1]], rows[[0, -1]])
    for num, pairs in ((None, 16), (18, 18), (3, 3)):
        modes.run("interpolate", str(workdir), modes.Options(split="train", num=num))
        assert len(np.load(workdir / "interpolations.npy")) == 8 * pairs


def test_arithmetic_moves_each_class_to_the_next_by_the_difference_of_their_means(workdir):
    modes.run("arithmetic", str(workdir), modes.Options(num=3, split="train"))
    model, variables, config = vae_jax.restore(workdir)
    train = vae_jax.data.load_dataset(config.data).train
    mean, label = vae_jax.encode(model, variables, np.asarray(train["image"])).mean, np.asarray(train["label"])
    rows = np.load(workdir / "arithmetic.npy").reshape(3, -1, 8, 8, 1)
    classes = np.unique(label)
    for row, a, b in zip(rows, classes, classes[1:], strict=False):
        start, change = mean[label == a][0], mean[label == b].mean(0) - mean[label == a].mean(0)
        z = start + 1.5 * np.linspace(0, 1, 7)[:, None] * change
        expected = vae_jax.sampling.decode(model, variables, z).astype(int)
        assert np.abs(row - expected).max() <= 1


def test_an_attribute_is_given_to_what_lacks_it():
    mean = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0]])
    labels = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 1]])  # nothing lacks the last
    made = arithmetic.changes(mean, labels, np.array([[1, 0, 0], [-1, 1, 0]]), ("Smiling", "Wearing_Hat", "c"))
    assert [change.name for change in made] == ["+ Smiling", "+ Wearing Hat"]
    assert [change.starts.tolist() for change in made] == [[False, True], [True, False]]
    np.testing.assert_allclose([change.direction for change in made], [[3.0, 3.0], [0.0, 3.0]])
    assert arithmetic.changes(mean, np.zeros(3, int), np.zeros(2, int), ()) == []


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


def test_a_part_of_a_split_is_a_random_one_in_whole_batches(workdir):
    whole = subject.load(str(workdir), modes.Options(split="train"), print)
    batches = list(whole.inputs(20))
    assert [len(batch) for batch in batches] == [8, 8, 4]
    rows = subject.choose(36, 20)
    assert (rows != np.arange(20)).any() and len(set(rows)) == 20
    np.testing.assert_array_equal(np.concatenate(batches), np.concatenate(list(whole.inputs()))[rows])


def test_more_images_are_advised_only_where_more_would_be_taken(monkeypatch):
    mean = 100.0 * np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    encoded, key = encodings.Encodings(mean, np.zeros_like(mean), {}), types.SimpleNamespace(key=jax.random.key(0))
    for most, advice in ((50, "(--num_images, --split)"), (40, "(no more are taken)")):
        monkeypatch.setattr(evaluate, "MAX_AGGREGATE", most)
        assert evaluate._aggregate(key, encoded, modes.Options())["note"].endswith(advice)


def test_a_report_says_how_many_of_the_active_latents_it_shows(monkeypatch):
    means = np.random.default_rng(0).normal(size=(50, 12)).astype(np.float32)
    found = restored.Restored(None, {}, None)
    monkeypatch.setattr(vae_jax.sampling, "encode", lambda *_: posteriors.Gaussian(means[:1], means[:1]))
    monkeypatch.setattr(vae_jax.sampling, "traverse", lambda *_: np.zeros((8, 11, 4, 4, 1), np.uint8))
    parts = report._traversals(found, means, posteriors.Gaussian(means, np.zeros_like(means)))
    assert "the first 8 of 12 active ones" in parts[-1]


def test_evaluate_compares_generated_images_by_features_of_ones_own(workdir, tmp_path, monkeypatch):
    (tmp_path / "my_features.py").write_text("def corner(images):\n    return images[:, 2:5, 2:5, 0].reshape(-1, 9)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(interventions, "NUM_TRAIN", 100)
    words = "--mode evaluate --split train --num_images 20 --num_samples 3 --features my_features:corner".split()
    words += ["--prior", "gaussian"]
    assert main.main(["main.py", "--workdir", str(workdir), *words, "--allow_import"]) == 0
    evaluation = json.loads((workdir / "evaluation.json").read_text())
    assert evaluation["aggregate"]["num_encodings"] == 20
    assert evaluation["disentanglement"]["values_of_factors"] == [3, 3]
    generated = evaluation["generated"]
    assert generated["features"]["name"] == "my_features:corner" and generated["num_images"] == 20
    assert "floor" not in generated  # the validation split has four images
    assert generated["samples of gaussian"]["frechet_distance"] != generated["samples"]["frechet_distance"]
    for images in ("samples", "samples of gaussian", "reconstructions"):
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
        (["--prior", "mixture", "--mode", "sample"], "is not a prior"),
        (["--prior", "mixture:99", "--mode", "sample"], "cannot be fitted to 36"),
        (["--interpolation", "cubic", "--mode", "interpolate"], "linear or spherical"),
        (["--checkpoint", "77", "--mode", "sample"], "no checkpoint 77"),
        (["--split", "test", "--mode", "encode"], "no test split"),
        (["--split", "test", "--mode", "arithmetic"], "no test split"),
        (["--input", "/nowhere", "--mode", "arithmetic"], "of labels"),
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


def test_report_is_one_file_with_everything_in_it(workdir, capsys):
    modes.run("evaluate", str(workdir), modes.Options())
    assert main.main(["main.py", "--workdir", str(workdir), "--mode", "report"]) == 0
    document = (workdir / "report.html").read_text()
    for section in ("Evaluation", "Training", "Latents over training", "Samples", "Reconstructions", "Latents", "Run"):
        assert f"<h2>{section}</h2>" in document
    assert "<h2>Labels</h2>" in document and "<h3>Bounds of log p(x), nats per image</h3>" in document
    assert document.count("data:image/png") == 7 and document.count("data:image/gif") == 1
    assert f"{json.loads((workdir / 'evaluation.json').read_text())['metrics']['elbo']:.6g}" in document
    without_namespace = document.replace("http://www.w3.org/2000/svg", "")
    assert "http" not in without_namespace and "<script" not in document


def test_a_report_without_the_data_says_what_is_missing(workdir, tmp_path, capsys):
    shutil.copytree(workdir, tmp_path / "moved")
    modes.run("report", str(tmp_path / "moved"), modes.Options(data_dir="/nowhere"))
    assert "left out" in capsys.readouterr().out
    document = (tmp_path / "moved" / "report.html").read_text()
    assert "<h2>Samples</h2>" in document and "<h2>Reconstructions</h2>" not in document


def test_compare_sets_runs_beside_each_other(workdir, tmp_path, capsys):
    shutil.copytree(workdir, tmp_path / "a")
    shutil.copytree(workdir, tmp_path / "b")
    config = json.loads((tmp_path / "b" / "config.json").read_text())
    config["objective"]["rate"]["beta"] = 4.0
    (tmp_path / "b" / "config.json").write_text(json.dumps(config))
    with open(tmp_path / "b" / "metrics.jsonl", "a") as lines:
        lines.write(json.dumps({"step": 9, "split": "eval", "loss": 1.5, "elbo": -2.5, "kl": 1.0, "distortion": 1.5}))
    assert main.main(["main.py", "--workdir", f"{tmp_path}/a,{tmp_path}/b", "--mode", "compare"]) == 0
    said = capsys.readouterr().out.split("wrote")[0]
    rows = [line.split() for line in said.splitlines()]
    assert rows[0] == ["a", "b"]
    assert ["objective.rate.beta", "1.0000", "4.0000"] in rows
    assert ["last", "evaluation:", "elbo"] == next(row for row in rows if "-2.5000" in row)[:3]
    assert not [row for row in rows if row[0] == "model.latent_dim" or "units" in row]
    assert max(map(len, said.splitlines())) < 120
    markdown = (tmp_path / "comparison.md").read_text()
    assert "| objective.rate.beta | 1.0000 | 4.0000 |" in markdown
    assert (tmp_path / "comparison.svg").read_text().count("elbo of the validation split") == 2
    assert main.main(["main.py", "--workdir", f"{tmp_path}/a", "--mode", "compare"]) == 2
    assert "takes two runs" in capsys.readouterr().err


def test_compare_draws_what_was_evaluated_and_says_what_was_not(workdir, tmp_path, capsys):
    for name in ("a", "b", "never"):
        shutil.copytree(workdir, tmp_path / name)
    (tmp_path / "never" / "metrics.jsonl").write_text("")  # as without a validation split
    modes.run("compare", f"{tmp_path}/a,{tmp_path}/b,{tmp_path}/never", modes.Options())
    drawing = (tmp_path / "comparison.svg").read_text()
    assert "elbo of the validation split" in drawing and "never" not in drawing
    assert "never evaluated while training: never" in capsys.readouterr().out


@pytest.mark.parametrize("mode", ["report", "compare"])
def test_a_damaged_evaluation_ends_in_one_line(workdir, tmp_path, capsys, mode):
    shutil.copytree(workdir, tmp_path / "run")
    (tmp_path / "run" / "evaluation.json").write_text("{")
    paths = f"{tmp_path}/run,{workdir}" if mode == "compare" else f"{tmp_path}/run"
    assert main.main(["main.py", "--workdir", paths, "--mode", mode]) == 2
    assert "evaluate again" in capsys.readouterr().err

"""The report: one page with everything that is known of a run, small whatever the images."""

import json
import shutil

import numpy as np
import pytest

import main
import vae_jax
from vae_jax import cli, distributions
from vae_jax.cli import options, report
from vae_jax.cli.sections import latents, latents_over_training, reported_run, training
from vae_jax.report import charts, page
from vae_jax.runs import restore


@pytest.fixture
def reported(workdir):
    """The run of the fixture, without its images."""
    step, restored = restore.restore_step(workdir, say=lambda _: None)
    return reported_run.ReportedRun(workdir, step, restored, [], None, options.Report(), lambda _: None)


def test_report_is_one_file_with_everything_in_it(workdir, capsys):
    cli.run("evaluate", str(workdir), options.Evaluate())
    assert main.main(["main.py", "--workdir", str(workdir), "--mode", "report"]) == 0
    document = (workdir / "report.html").read_text()
    for section in ("Evaluation", "Training", "Latents over training", "Samples", "Reconstructions", "Latents", "Run"):
        assert f"<h2>{section}</h2>" in document
    assert "<h2>Labels</h2>" in document and "<h3>Bounds of log p(x), nats per image</h3>" in document
    # Two sheets of samples, neighbours, two sheets of reconstructions, three latents, and four labels that images have.
    assert document.count("data:image/png") == 5 + 3 + 4 and document.count("data:image/gif") == 1
    assert f"{json.loads((workdir / 'evaluation.json').read_text())['metrics']['elbo']:.6g}" in document
    assert "http:" not in document and "https:" not in document and "stored with losses" not in document


def test_a_report_without_the_data_says_what_is_missing(workdir, tmp_path, capsys):
    shutil.copytree(workdir, tmp_path / "moved")
    cli.run("report", str(tmp_path / "moved"), options.Report(data_dir="/nowhere"))
    assert "left out" in capsys.readouterr().out
    document = (tmp_path / "moved" / "report.html").read_text()
    assert "<h2>Samples</h2>" in document and "<h2>Reconstructions</h2>" not in document


def test_a_report_says_how_many_of_the_active_latents_it_shows(monkeypatch):
    means = np.random.default_rng(0).normal(size=(50, 12)).astype(np.float32)
    posterior = distributions.Gaussian(means, np.zeros_like(means))
    monkeypatch.setattr(vae_jax.inference.sampling, "mode_of", lambda *_: means[:1])
    monkeypatch.setattr(vae_jax.inference.sampling, "traverse", lambda *_: np.zeros((8, 11, 4, 4, 1), np.uint8))
    images = reported_run.ReportedImages({"image": means}, means, posterior)
    use = vae_jax.inference.codes.usage(posterior, distributions.Gaussian(np.zeros(12), np.zeros(12)))
    shown = latents.traversals(restore.RestoredRun(None, {}, None), images, use)
    assert "the first 8 of 12 active latents" in shown.caption and len(shown.rows) == 8


def test_the_curves_are_those_of_metrics_jsonl(reported):
    lines = [
        {"step": 1, "split": "train", "loss": 3.5, "kl": 1.0},
        {"step": 2, "split": "train", "loss": None, "kl": 1.5},
        {"step": 2, "split": "eval", "loss": 3.0, "kl": None, "distortion": 2.0},
        {"step": 3, "split": "eval", "loss": 2.5, "kl": 0.5, "distortion": 2.25},
    ]
    (row,) = training.section(reported._replace(metrics=lines)).parts
    drawn = {chart.title: chart.figure["data"] for chart in row.parts}
    assert list(drawn) == ["loss", "distortion", "kl", "distortion against rate, over training"]
    assert [(list(t["x"]), list(t["y"])) for t in drawn["loss"]] == [([1, 2], [3.5, None]), ([2, 3], [3.0, 2.5])]
    (course,) = drawn["distortion against rate, over training"]
    assert (list(course["x"]), list(course["y"])) == ([0.5], [2.25])
    assert training.section(reported).parts == []


def test_only_the_largest_of_many_latents_are_drawn_and_the_title_says_so(reported, tmp_path):
    kl = np.random.default_rng(0).permutation(100).astype(float)
    (tmp_path / "latents.jsonl").write_text(json.dumps({"step": 5, "kl": kl.tolist()}))
    (chart,) = latents_over_training.section(reported._replace(directory=tmp_path)).parts
    assert chart.title == "KL of each latent (the 64 largest of 100)"
    assert sorted(trace["y"][0] for trace in chart.figure["data"]) == list(range(36, 100))


def test_a_section_of_ones_own_is_a_function_in_a_list(workdir, monkeypatch):
    def usage(run):
        chart = charts.bars([3.0, 1.0], ["code 0", "code 1"], title="use", x_label="code", y_label="images")
        return page.Section("Codebook", [page.Text(f"of step {run.step}"), chart])

    monkeypatch.setattr(report, "SECTIONS", (usage,))
    report.run(str(workdir), options.Report(), lambda _: None)
    document = (workdir / "report.html").read_text()
    assert "<h2>Codebook</h2>" in document and "of step 2" in document and "<h2>Samples</h2>" not in document


def test_a_report_of_large_images_stays_below_ten_megabytes(workdir, tmp_path, monkeypatch):
    """Noise of 512x512, the images that compress worst, in every picture that the report has."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 512, 512, 3)).astype(np.uint8)

    def generated(*shape):
        return np.resize(noise, (*shape, 512, 512, 3))

    sampling = vae_jax.inference.sampling
    monkeypatch.setattr(sampling, "sample", lambda model, variables, key, num, **_: generated(num))
    monkeypatch.setattr(sampling, "reconstruct", lambda model, variables, images: generated(len(images)))
    monkeypatch.setattr(sampling, "interpolate", lambda model, variables, first, second: generated(len(first), 8))
    monkeypatch.setattr(sampling, "traverse", lambda model, variables, z, chosen, values: generated(*values.shape))
    codes = distributions.Gaussian(*np.random.default_rng(0).normal(size=(2, 12, 3)).astype(np.float32))
    images = reported_run.ReportedImages({"image": generated(32), "label": np.zeros(32)}, generated(12), codes)
    monkeypatch.setattr(report, "load_images", lambda *_: images)
    monkeypatch.setattr(sampling, "mode_of", lambda *_: codes.mean)
    monkeypatch.setattr(vae_jax.inference.stored_priors, "prior", lambda *_: None)
    monkeypatch.setattr(vae_jax.cli.arithmetic, "rows", lambda *_: (generated(8, 7), [f"+ {n}" for n in range(8)]))
    shutil.copytree(workdir, tmp_path / "run")
    frames = [vae_jax.report.pictures.grid(generated(64)[:, ::4, ::4]) for _ in range(2)]
    vae_jax.report.pictures.save_gif(tmp_path / "run" / "images" / "samples.gif", frames, 100)
    said = []
    report.run(str(tmp_path / "run"), options.Report(), said.append)
    document = tmp_path / "run" / "report.html"
    assert 3e6 < document.stat().st_size < 10e6, said
    assert "stored with losses" in document.read_text()

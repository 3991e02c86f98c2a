"""One page with everything in it."""

import json
import shutil

import numpy as np

import main
import vae_jax
from vae_jax import cli, distributions
from vae_jax.cli import report
from vae_jax.runs import restore


def test_report_is_one_file_with_everything_in_it(workdir, capsys):
    cli.run("evaluate", str(workdir), cli.Options())
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
    cli.run("report", str(tmp_path / "moved"), cli.Options(data_dir="/nowhere"))
    assert "left out" in capsys.readouterr().out
    document = (tmp_path / "moved" / "report.html").read_text()
    assert "<h2>Samples</h2>" in document and "<h2>Reconstructions</h2>" not in document


def test_a_report_says_how_many_of_the_active_latents_it_shows(monkeypatch):
    means = np.random.default_rng(0).normal(size=(50, 12)).astype(np.float32)
    found = restore.RestoredRun(None, {}, None)
    monkeypatch.setattr(vae_jax.inference.sampling, "encode", lambda *_: distributions.Gaussian(means[:1], means[:1]))
    monkeypatch.setattr(vae_jax.inference.sampling, "traverse", lambda *_: np.zeros((8, 11, 4, 4, 1), np.uint8))
    parts = report._traversals(found, means, distributions.Gaussian(means, np.zeros_like(means)))
    assert "the first 8 of 12 active ones" in parts[-1]

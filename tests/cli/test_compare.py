"""Runs side by side."""

import json
import re
import shutil

import pytest

import main
from vae_jax import cli
from vae_jax.cli import options


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
    document = (tmp_path / "comparison.html").read_text()
    assert "<h3>elbo of the validation split</h3>" in document and "objective.rate.beta" in document
    assert main.main(["main.py", "--workdir", f"{tmp_path}/a", "--mode", "compare"]) == 2
    assert "takes two runs" in capsys.readouterr().err


def test_compare_draws_what_was_evaluated_and_says_what_was_not(workdir, tmp_path, capsys):
    for name in ("a", "b", "never"):
        shutil.copytree(workdir, tmp_path / name)
    (tmp_path / "never" / "metrics.jsonl").write_text("")  # as without a validation split
    cli.run("compare", f"{tmp_path}/a,{tmp_path}/b,{tmp_path}/never", options.Compare())
    document = (tmp_path / "comparison.html").read_text()
    figures = [json.loads(text) for text in re.findall(r'<script type="application/json">(.+?)</script>', document)]
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    elbos = [line["elbo"] for line in lines if line["split"] == "eval"]
    assert [trace["name"] for trace in figures[0]["data"]] == ["a", "b"]
    assert figures[0]["data"][0]["y"] == pytest.approx(elbos, rel=1e-6)
    assert [trace["name"] for trace in figures[1]["data"]] == ["a", "b"]
    note = "never evaluated while training: never"
    assert note in capsys.readouterr().out and note in document

"""Runs side by side."""

import json
import shutil

import main
from vae_jax import cli


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
    cli.run("compare", f"{tmp_path}/a,{tmp_path}/b,{tmp_path}/never", cli.Options())
    drawing = (tmp_path / "comparison.svg").read_text()
    assert "elbo of the validation split" in drawing and "never" not in drawing
    assert "never evaluated while training: never" in capsys.readouterr().out

"""evaluation.json, by independent ways to its numbers."""

import json
import shutil

import jax
import numpy as np
import pytest

import main
from vae_jax.evaluation import interventions
from vae_jax.runs import restore


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


def test_a_model_that_is_not_finite_is_one_line_and_no_file(workdir, tmp_path, monkeypatch, capsys):
    broken = tmp_path / "run"
    shutil.copytree(workdir, broken)
    (broken / "evaluation.json").unlink(missing_ok=True)
    restored = restore.restore_step

    def with_nan(*arguments, **keywords):
        step, found = restored(*arguments, **keywords)
        return step, found._replace(variables=jax.tree.map(lambda leaf: leaf * np.nan, found.variables))

    monkeypatch.setattr(restore, "restore_step", with_nan)
    assert main.main(["main.py", "--workdir", str(broken), "--mode", "evaluate"]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "the model holds values that are not finite" in last
    assert not (broken / "evaluation.json").exists()


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

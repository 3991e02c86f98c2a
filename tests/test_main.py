"""The command line end to end: exit codes, one line for a mistake, the documented defaults."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

import main

HOME = pathlib.Path(main.__file__).resolve().parent
TINY = [
    "--config.num_steps=2",
    "--config.data.batch_size=16",
    "--config.model.hidden_dims=4",
    "--config.model.latent_dim=2",
]


def run(*words):
    return main.main(["main.py", *words])


def test_digits_train_and_resume_from_the_command_line(tmp_path, capsys):
    workdir = tmp_path / "run"
    assert run("--workdir", str(workdir), *TINY) == 0
    said = capsys.readouterr().err
    assert "parameters" in said and "beta 0.3" in said and "finished 2 steps" in said
    assert run("--workdir", str(workdir), *TINY, "--config.num_steps=3") == 0
    assert "resuming" in capsys.readouterr().err
    assert json.loads((workdir / "config.json").read_text())["num_steps"] == 3
    assert run("--workdir", str(workdir), *TINY, "--config.model.latent_dim=5") == 2
    assert "model.latent_dim is 2 there and 5 here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config.data.batch_size=0"], "config.data.batch_size must be"),
        (["--config.data.batch_size=99999"], "more than the 1618 training images"),
        (["--config.optimizer.learning_rate=-1"], "config.optimizer.learning_rate must be"),
        (["--config.model.hidden_dims=()"], "config.model.hidden_dims must be"),
        (["--config.precision=float64"], "must be one of float32"),
        (["--config.objective.name=elbow"], "did you mean elbo"),
        (["--config.objective.rate.name=bta"], "did you mean beta"),
        (["--config.data.source=digit"], "digits"),
        (["--config.data.source=idx", "--config.data.dir=/nowhere"], "/nowhere"),
        (["--config", "configs/folder.py", "--config.data.dir=/nowhere"], "/nowhere"),
        (["--config.optimizer.weight_decay=0.1"], "weight_decay is adamw's"),
        (["--config.model.name=resnet"], "resnet"),
        (["--config.model.activation=swoosh"], "swoosh"),
        (["--config.data.range=-1,1"], "range"),
        (["--init_from=/nowhere"], "/nowhere does not exist"),
    ],
)
def test_mistakes_end_in_one_line_and_exit_code_2(tmp_path, capsys, words, message):
    assert run("--workdir", str(tmp_path / "run"), *words) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("main.py:")]
    assert len(said) == 1 and message in said[0]


def test_a_workdir_that_cannot_be_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert run("--workdir", str(tmp_path / "file"), *TINY) == 2
    assert "is a file" in capsys.readouterr().err
    assert run("--workdir", str(tmp_path / "file" / "below"), *TINY) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_broken_config_json_is_refused(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{")
    assert run("--workdir", str(tmp_path), *TINY) == 2
    assert "cannot be read as JSON" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_exits_with_3(tmp_path, capsys):
    words = [*TINY, "--config.optimizer.name=sgd", "--config.optimizer.learning_rate=1e30", "--config.num_steps=20"]
    assert run("--workdir", str(tmp_path), *words) == 3
    assert "is not finite" in capsys.readouterr().err


HEAVY = ("jax", "optax", "orbax", "tensorboardX", "tensorflow_datasets", "sklearn", "scipy", "torch", "tensorflow")


def imported_by(*words, cache):
    """Run main.py in a process of its own and return which of HEAVY it imported."""
    script = """
import json, sys, main
heavy, words = json.loads(sys.argv[1])
try:
    code = main.main(["main.py", *words])
except SystemExit as end:
    code = end.code
print(json.dumps([code, [name for name in heavy if name in sys.modules]]))
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}  # main.py sets some
    result = subprocess.run(
        [sys.executable, "-c", script, json.dumps([HEAVY, words])],
        cwd=HOME,
        env={**kept, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(result.stdout.splitlines()[-1])
    assert code == 0
    return modules


def test_a_mode_imports_what_it_uses_and_a_second_run_compiles_nothing(tmp_path):
    assert imported_by("--help", cache=tmp_path) == []
    first, second = (["--workdir", str(tmp_path / name)] for name in ("first", "second"))
    assert imported_by(*first, *TINY, cache=tmp_path) == ["jax", "optax", "orbax", "tensorboardX"]
    compiled = sorted(path.name for path in (tmp_path / "vae_jax" / "compiled").iterdir())
    assert len(compiled) > 10
    imported_by(*second, *TINY, cache=tmp_path)
    assert sorted(path.name for path in (tmp_path / "vae_jax" / "compiled").iterdir()) == compiled
    assert imported_by(*first, "--mode", "sample", cache=tmp_path) == ["jax", "orbax"]

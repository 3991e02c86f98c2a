"""docs/networks.md, run as printed: its modules, its two runs, and its recipes with stand-ins of the trackers."""

import json
import pathlib
import re
import shlex
import sys
import types

import numpy as np
import pytest

import main
import vae_jax

PAGE = (pathlib.Path(main.__file__).parent / "docs" / "networks.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(COMMANDS,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
NUM_STEPS = 2


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty directory with the page's my_module.py, in which training stops after two steps."""
    (tmp_path / "my_module.py").write_text(PYTHON[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_module", raising=False)
    train = vae_jax.train

    def briefly(config, *arguments, **keywords):
        config.num_steps, config.model.hidden_dims = NUM_STEPS, (4,)
        return train(config, *arguments, **keywords)

    monkeypatch.setitem(vars(vae_jax), "train", briefly)
    yield tmp_path
    sys.modules.pop("my_module", None)


def test_from_python(directory):
    names: dict = {}
    exec(compile(PYTHON[1], "my_run.py", "exec"), names)
    assert names["images"].shape == (16, 8, 8, 1) and names["images"].dtype == np.uint8
    kernel = names["variables"]["params"]["encoder"]["Conv_0"]["kernel"]
    assert kernel.shape == (3, 3, 1, 64)


def test_from_a_config(directory, capsys):
    training, sampling = (shlex.split(line)[1:] for line in COMMANDS.splitlines())
    assert main.main(["vae-jax", *training, f"--config.num_steps={NUM_STEPS}"]) == 0
    assert json.loads((directory / "runs/config/config.json").read_text())["model"]["encoder_options"] == {"width": 64}
    sampling.remove("--allow_import")
    assert main.main(["vae-jax", *sampling]) == 2
    assert "--allow_import" in capsys.readouterr().err
    assert main.main(["vae-jax", *sampling, "--allow_import"]) == 0
    assert np.load(directory / "runs/config/samples.npy").shape == (64, 8, 8, 1)


class Recorder:
    """What the trackers have in common: numbers by (name, step), and whether the run was ended."""

    def __init__(self):
        self.values, self.config, self.ended = {}, None, False

    def log(self, metrics, step=None):
        assert isinstance(step, int) and all(isinstance(value, float) for value in metrics.values())
        self.values |= {(name, step): value for name, value in metrics.items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended = True


def wandb(recorder):
    """`init(project, config)` returns a run, which is a context and has `log(data, step)`."""

    def init(*, project, config):
        json.dumps(config)
        recorder.config = config
        return recorder

    return types.SimpleNamespace(init=init)


def mlflow(recorder):
    """`start_run()` is a context; `log_dict(dictionary, artifact_file)` and `log_metrics(metrics, step)`."""

    def log_dict(dictionary, artifact_file):
        assert artifact_file.endswith(".json")
        json.dumps(dictionary)
        recorder.config = dictionary

    return types.SimpleNamespace(start_run=lambda: recorder, log_dict=log_dict, log_metrics=recorder.log)


def trackio(recorder):
    """`init(project, config)`, `log(metrics, step)` and `finish()`."""
    module = wandb(recorder)
    module.log, module.finish = recorder.log, lambda: recorder.__exit__()
    return module


@pytest.mark.parametrize("tracker", [wandb, mlflow, trackio])
def test_a_recipe_of_a_tracker(tracker, directory, monkeypatch):
    name, recorder = tracker.__name__, Recorder()
    monkeypatch.setitem(sys.modules, name, tracker(recorder))
    (block,) = [block for block in PYTHON if block.startswith(f"import {name}\n")]
    exec(compile(block, f"{name}.py", "exec"), {})
    assert recorder.ended and recorder.config["data"]["source"] == "digits"
    lines = [json.loads(line) for line in (directory / "runs" / name / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        assert recorder.values[f"{line['split']}/loss", line["step"]] == pytest.approx(line["loss"])
    assert {line["split"] for line in lines} == {"train", "eval"}

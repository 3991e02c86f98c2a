"""Config files are found, loaded and overridden, and a file that fails is told by its line."""

import os
import pathlib
import subprocess
import sys

import pytest

from vae_jax import errors
from vae_jax.cli import config_file

HOME = pathlib.Path(__file__).resolve().parents[2]


def load(given="configs/digits.py", *words):
    return config_file.override(config_file.load(*config_file.split_recipe(given)), list(words))


@pytest.mark.parametrize("given", ["celeba", "celeba.py", "configs/celeba.py", "configs/celeba", "./configs/celeba.py"])
def test_a_bundled_config_is_found_from_anywhere(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_file.find(given).read_text() == (HOME / "configs" / "celeba.py").read_text()


def test_a_file_at_the_path_wins_over_a_bundled_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    for place in (tmp_path / "configs" / "celeba.py", tmp_path / "a:b.py"):
        place.write_text("from ml_collections import config_dict\nget_config = config_dict.ConfigDict\n")
    assert len(load("configs/celeba.py")) == len(load("a:b.py")) == 0
    assert load("celeba").data.source == "celeba"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load("~/configs/celeba.py")) == 0


def test_a_package_called_configs_is_the_users_own(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "__init__.py").write_text("mine = True\n")
    (tmp_path / "mine.py").write_text(
        "import configs\nfrom vae_jax.configs import base\nassert configs.mine\nget_config = base.get_config\n"
    )
    script = (
        f"import sys; sys.path.append({str(HOME)!r})\n"
        "from vae_jax.cli import config_file\n"
        "before = list(sys.path)\n"
        "print(config_file.load('mine.py', '').seed)\n"
        "assert sys.path == before\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert said.stdout == "0\n", said.stderr


def test_overrides_are_typed():
    config = load(
        "digits",
        "--config.num_steps=5",
        "--config.model.hidden_dims=8,16",
        "--config.data.flip",
        "--config.ema_decay=0",
    )
    assert config.num_steps == 5
    assert config.model.hidden_dims == (8, 16)
    assert config.data.flip is True
    assert isinstance(config.ema_decay, float)


def test_keywords_of_ones_own_network_are_added_by_flags():
    words = ("width=64", "scale=0.5", "act=silu", "dims=(4, 8)", "bias=False")
    options = load("digits", *(f"--config.model.encoder_options.{word}" for word in words)).model.encoder_options
    assert options.to_dict() == {"width": 64, "scale": 0.5, "act": "silu", "dims": (4, 8), "bias": False}
    assert not load("digits").model.encoder_options
    with pytest.raises(errors.UserError, match="is not a field"):
        load("digits", "--config.model.encoder_options.=1")


@pytest.mark.parametrize(
    ("given", "words", "message"),
    [
        ("configs/nope.py", [], r"no config file configs/nope.py; .*: binarized_mnist, celeba, .*mnist$"),
        ("configs/presets.py", [], "defines no get_config"),
        ("configs/digits.py:bernouli", [], "did you mean bernoulli"),
        ("celeba:head2020", [], "did you mean head2021"),
        ("digits", ["--config.optimizer.learning_rat=1"], "did you mean optimizer.learning_rate"),
        ("digits", ["--config.data.batch_size=abc"], "config.data.batch_size=abc: invalid literal"),
        ("digits", ["--config.data.batch_size=1.5"], "config.data.batch_size=1.5: invalid literal"),
    ],
)
def test_mistakes_end_in_one_line(given, words, message):
    with pytest.raises(errors.UserError, match=message) as caught:
        load(given, *words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os\n1 / 0\n", r"mine.py, line 2: ZeroDivisionError: division by zero"),
        ("import nowhere_to_be_found\n", r"mine.py, line 1: ModuleNotFoundError"),
        ("def get_config():\n    return missing\n", r"mine.py, line 2: NameError"),
        ("def get_config(:\n", r"mine.py: SyntaxError: .*line 1"),
        ("def get_config():\n    return {'seed': 1}\n", r"mine.py: get_config\(\) must return a ConfigDict, not \{"),
        ("x = 1\n", "defines no get_config"),
    ],
)
def test_a_file_that_fails_is_told_by_its_line(tmp_path, text, message):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(errors.UserError, match=message):
        load(str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    ("recipe", "epochs", "batch_size", "span", "kld_weight"),
    [("readme2020", 50, 144, (-1.0, 1.0), 8.847e-4), ("head2021", 100, 64, (0.0, 1.0), 2.5e-4)],
)
def test_celebas_recipes_are_those_of_its_history(recipe, epochs, batch_size, span, kld_weight):
    config = load(f"configs/celeba.py:{recipe}")
    assert (config.num_epochs, config.data.batch_size, config.data.range) == (epochs, batch_size, span)
    assert config.objective.rate.beta == pytest.approx(kld_weight * 64 * 64 * 3 / 2)
    assert (config.data.image_size, config.data.crop, config.data.flip) == ((64, 64), "center148", True)
    optimizer = config.optimizer
    assert (optimizer.name, optimizer.learning_rate, optimizer.schedule) == ("adam", 5e-3, "exponential")
    assert optimizer.eps == pytest.approx(6.144e-5)  # 1e-8 P / 2
    assert (optimizer.decay_per_epoch, optimizer.weight_decay, optimizer.clip_norm) == (0.95, 0.0, 0.0)
    assert (config.model.latent_dim, config.model.hidden_dims) == (128, (32, 64, 128, 256, 512))
    if recipe == "readme2020":  # the default
        assert load("configs/celeba.py").to_dict() == config.to_dict()

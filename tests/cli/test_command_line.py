import pathlib

import pytest

from vae_jax import errors
from vae_jax.cli import command_line

HOME = pathlib.Path(__file__).resolve().parents[2]


def parse(*words):
    return command_line.parse(["main.py", *words], doc="", home=HOME)


def test_defaults_are_digits_into_runs_digits():
    arguments = parse()
    assert (arguments.mode, arguments.workdir) == ("train", "runs/digits")
    assert arguments.config.data.source == "digits"


@pytest.mark.parametrize(
    ("words", "workdir", "batch_size"),
    [
        (["--config", "configs/celeba.py"], "runs/celeba", 144),
        (["--config=configs/celeba.py:head2021"], "runs/celeba-head2021", 64),
        (["--config", "configs/celeba.py", "--config.data.batch_size", "7"], "runs/celeba", 7),
    ],
)
def test_config_recipe_and_overrides(words, workdir, batch_size):
    arguments = parse(*words)
    assert arguments.workdir == workdir
    assert arguments.config.data.batch_size == batch_size


def test_overrides_are_typed():
    config = parse(
        "--config.num_steps=5", "--config.model.hidden_dims=8,16", "--config.data.flip", "--config.ema_decay=0"
    ).config
    assert config.num_steps == 5
    assert config.model.hidden_dims == (8, 16)
    assert config.data.flip is True
    assert isinstance(config.ema_decay, float)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "configs/nope.py"], r"no config file configs/nope.py; there are configs/binarized_mnist.py"),
        (["--config", "configs/digits.py:bernouli"], "did you mean bernoulli"),
        (["--config", "configs/celeba.py:head2020"], "did you mean head2021"),
        (["--mode", "sampel"], "did you mean sample"),
        (["--config.optimizer.learning_rat=1"], "did you mean optimizer.learning_rate"),
        (["--config.data.batch_size=abc"], "config.data.batch_size=abc: invalid literal"),
        (["--config.data.batch_size=1.5"], "config.data.batch_size=1.5: invalid literal"),
        (["--wrkdir=x"], "did you mean --workdir"),
        (["stray"], "stray is not a flag"),
        (["--num=0", "--mode=sample"], "num"),
        (["--temperature=-1", "--mode=sample"], "temperature"),
        (["--temperature=nan", "--mode=sample"], "--temperature=nan is not a finite number"),
        (["--mode=sample", "--split=dev"], "use train, valid or test"),
        (["--mode=sample", "--config.seed=3"], "only --config.data.dir"),
    ],
)
def test_mistakes_end_in_one_line(words, message):
    with pytest.raises(errors.UserError, match=message) as caught:
        parse(*words)
    assert "\n" not in str(caught.value)


def test_help_leaves_with_zero(capsys):
    with pytest.raises(SystemExit) as caught:
        parse("--help")
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert "--init_from" in said and "absl" not in said


def test_other_modes_take_their_options():
    arguments = parse("--workdir", "runs/x", "--mode", "sample", "--num", "3", "--config.data.dir=/d")
    assert arguments.config is None
    assert arguments.options.num == 3
    assert arguments.options.data_dir == "/d"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os\n1 / 0\n", r"mine.py, line 2: ZeroDivisionError: division by zero"),
        ("import nowhere_to_be_found\n", r"mine.py, line 1: ModuleNotFoundError"),
        ("def get_config():\n    return missing\n", r"mine.py, line 2: NameError"),
        ("def get_config(:\n", r"mine.py: SyntaxError: .*line 1"),
        ("def get_config():\n    return {'seed': 1}\n", r"mine.py: get_config\(\) must return a ConfigDict, not \{"),
    ],
)
def test_a_file_that_fails_is_told_by_its_line(tmp_path, text, message):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(errors.UserError, match=message):
        parse("--config", str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    ("recipe", "epochs", "batch_size", "span", "kld_weight"),
    [("readme2020", 50, 144, (-1.0, 1.0), 8.847e-4), ("head2021", 100, 64, (0.0, 1.0), 2.5e-4)],
)
def test_celebas_recipes_are_those_of_its_history(recipe, epochs, batch_size, span, kld_weight):
    config = parse("--config", f"configs/celeba.py:{recipe}").config
    assert (config.num_epochs, config.data.batch_size, config.data.range) == (epochs, batch_size, span)
    assert config.objective.rate.beta == pytest.approx(kld_weight * 64 * 64 * 3 / 2)
    assert (config.data.image_size, config.data.crop, config.data.flip) == ((64, 64), "center148", True)
    optimizer = config.optimizer
    assert (optimizer.name, optimizer.learning_rate, optimizer.schedule) == ("adam", 5e-3, "exponential")
    assert optimizer.eps == pytest.approx(6.144e-5)  # 1e-8 P / 2
    assert (optimizer.decay_per_epoch, optimizer.weight_decay, optimizer.clip_norm) == (0.95, 0.0, 0.0)
    assert (config.model.latent_dim, config.model.hidden_dims) == (128, (32, 64, 128, 256, 512))
    if recipe == "readme2020":  # the default
        assert parse("--config", "configs/celeba.py").config.to_dict() == config.to_dict()


def test_a_file_without_get_config_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text("x = 1\n")
    with pytest.raises(errors.UserError, match="defines no get_config"):
        parse("--config", str(tmp_path / "mine.py"))

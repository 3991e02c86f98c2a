"""Words become a mode with its own options, and everything else is refused in one line."""

import pytest

from vae_jax import errors
from vae_jax.cli import options, parse


def test_defaults_are_digits_into_runs_digits():
    command = parse.parse([])
    assert (command.mode, command.workdir) == ("train", "runs/digits")
    assert command.options.config.data.source == "digits"


@pytest.mark.parametrize(
    ("words", "workdir", "batch_size"),
    [
        (["--config", "configs/celeba.py"], "runs/celeba", 144),
        (["--config=celeba:head2021"], "runs/celeba-head2021", 64),
        (["--config", "configs/celeba.py", "--config.data.batch_size", "7"], "runs/celeba", 7),
    ],
)
def test_config_recipe_and_overrides(words, workdir, batch_size):
    command = parse.parse(words)
    assert command.workdir == workdir
    assert command.options.config.data.batch_size == batch_size


def test_other_modes_take_their_options():
    words = "--workdir runs/x --mode sample --num 3 --nearest --config.data.dir=/d --temperature=.5 --prior mixture:4"
    expected = options.Sample(num=3, nearest=True, data_dir="/d", temperature=0.5, prior="mixture:4")
    assert parse.parse(words.split()) == parse.Command("sample", "runs/x", expected)
    assert parse.parse(["--mode=sample", "--nonearest", "--config.data.dir", "/d"]).options == options.Sample(
        data_dir="/d"
    )
    assert parse.parse(["--config", "celeba:head2021", "--mode", "encode"]).workdir == "runs/celeba-head2021"


@pytest.mark.parametrize("mode", sorted(options.MODES))
def test_a_mode_refuses_every_flag_of_another_mode_and_names_its_own(mode):
    known = {name: field for other in options.MODES for name, field in options.flags_of(other).items()}
    taken = options.flags_of(mode)
    for name in known.keys() - taken.keys() - ({"config.data.dir"} if mode == "train" else set()):
        for words in ([f"--{name}=x"], [f"--{name}", "x"], [f"--{name}"], [f"-{name}=3"]):
            with pytest.raises(errors.UserError, match=f"--mode {mode} takes no --{name}; it takes ") as caught:
                parse.parse(["--mode", mode, *words])
            assert "\n" not in str(caught.value) and all(f"--{flag}" in str(caught.value) for flag in taken)


@pytest.mark.parametrize("mode", sorted(options.MODES.keys() - {"train"}))
@pytest.mark.parametrize("word", ["--config.seed=3", "--config.data.batch_size=8", "--noconfig.data.flip"])
def test_a_config_field_is_refused_by_every_mode_but_training(mode, word):
    with pytest.raises(errors.UserError, match=rf"--mode {mode} takes no --(no)?config\."):
        parse.parse(["--mode", mode, word])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--mode sampel", "did you mean sample"),
        ("--mode", "is not a mode"),
        ("--wrkdir=x", "did you mean --workdir"),
        ("--mode=sample --nmu 3", "did you mean --num"),
        ("stray", "stray is not a flag"),
        ("--mode=sample --num=0", "--num=0: must be a whole number, 1 or more"),
        ("--mode=sample --num=1.5", "--num=1.5: must be a whole number"),
        ("--mode=sample --num", "num"),
        ("--mode=sample --seed=-1", "--seed=-1: must be a whole number, 0 or more"),
        ("--mode=report --seed=99999999999", "2\\*\\*32"),
        ("--mode=sample --temperature=-1", "must be a finite number, 0 or more"),
        ("--mode=report --temperature=nan", "--temperature=nan: must be a finite number"),
        ("--mode=evaluate --temperature=inf", "--temperature=inf: must be a finite number"),
        ("--mode=encode --split=dev", "--split=dev: use train, valid or test"),
        ("--mode=sample --prior=nonsense", "--prior=nonsense is not a prior"),
        ("--mode=evaluate --prior=mixture:0", "--prior=mixture:0 is not a prior"),
        ("--mode=interpolate --interpolation=cubic", "--interpolation=cubic: use linear or spherical"),
        ("--mode=evaluate --features=resnet", "--features=resnet: use classifier"),
        ("--mode=evaluate --features=mine:", "--features=mine:: use classifier"),
        ("--mode=encode --checkpoint=newest", "--checkpoint=newest: use latest, best, or a step"),
        ("--mode=encode --input=", "--input=: a value is missing"),
        ("--mode=encode --workdir=", "--workdir=: a value is missing"),
        ("--mode=encode --workdir=runs/a --config=celeba", "leave --config out"),
    ],
)
def test_mistakes_end_in_one_line(words, message):
    with pytest.raises(errors.UserError, match=message) as caught:
        parse.parse(words.split())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ["--workdir=~/w"],
        ["--workdir", "~/w", "--mode", "sample"],
        ["--init_from=~/w"],
        ["--mode=sample", "--input=~/w"],
        ["--mode=encode", "--input", "~/w"],
        ["--mode=encode", "--config.data.dir=~/w"],
        ["--config.data.dir=~/w"],
        ["--config.data.dir", "~/w"],
        ["--config.data.cache_dir=~/w"],
        ["--mode=evaluate", "--features=inception:~/w"],
    ],
)
def test_a_tilde_is_the_home_directory_wherever_a_path_is_given(words, monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    command = parse.parse(words)
    assert "/somewhere/w" in str(command) and "~" not in str(command)


def test_the_paths_of_interpolations_are_those_that_there_are():
    from vae_jax.inference import paths

    for name in paths.PATHS:
        assert parse.parse(["--mode=interpolate", f"--interpolation={name}"]).options.interpolation == name

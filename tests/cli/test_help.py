"""--help of the command, and of each mode: the flags that the mode takes, and no others."""

import re

import pytest

from vae_jax.cli import help, main, options


def listed(text):
    return set(re.findall(r"^  --(\S+)$", text, re.MULTILINE))


@pytest.mark.parametrize("mode", sorted(options.MODES))
@pytest.mark.parametrize(
    "words", [["--mode", "{}", "--help"], ["-h", "--mode={}"], ["--mode", "{}", "--help", "--num"]]
)
def test_a_modes_help_lists_the_flags_that_the_mode_takes(mode, words, capsys):
    assert main.main(["vae-jax", *[word.format(mode) for word in words]]) == 0
    said = capsys.readouterr().out
    own = options.flags_of(mode).keys() | {"mode", "workdir", "config"}
    assert listed(said) == own | ({"config.FIELD"} if mode == "train" else set())
    assert said.startswith(f"vae-jax --mode {mode}\n")


def test_the_overview_has_every_mode_and_the_flags_of_training(capsys):
    assert main.main(["somewhere/main.py", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {mode}\n" in said for mode in options.MODES)
    assert "init_from" in listed(said) and "num" not in listed(said)
    assert "main.py --mode sample --help" in said and "absl" not in said
    assert max(map(len, said.splitlines())) <= 100


def test_every_flag_has_a_meaning_and_its_default_is_said():
    for mode in options.MODES:
        for name, field in options.flags_of(mode).items():
            assert field.metadata["meaning"].endswith("."), (mode, name)
    text = " ".join(help.text("main.py", ["--mode=sample"]).split())
    assert "How many images are made. Default: 64. --seed The seed of the noise. Default: 0." in text
    assert "1 is the prior. Default: 1. --prior" in text and "(" not in text


def test_help_of_an_unknown_mode_is_a_mistake(capsys):
    assert main.main(["main.py", "--mode", "sampel", "--help"]) == 2
    assert "did you mean sample" in capsys.readouterr().err

"""docs/losses.md against the code: its table, and its page on a penalty of one's own, word for word."""

import json
import pathlib
import re

import pytest

import main
from vae_jax.configs import presets
from vae_jax.losses import penalties

PAGE = (pathlib.Path(main.__file__).parent / "docs" / "losses.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE))


def settings(preset):
    """What a preset changes beside the plain ELBO, as `field=value` in the order it is written in."""

    def flatten(tree, prefix=""):
        for name, value in tree.items():
            if isinstance(value, dict) and value:
                yield from flatten(value, f"{prefix}{name}.")
            elif value != {}:
                yield f"{prefix}{name}", value

    plain = dict(flatten(presets.ELBO))
    changed = [(name, value) for name, value in flatten(presets.PRESETS[preset]) if plain.get(name) != value]
    return ", ".join(f"`{name}={str(value).replace(' ', '')}`" for name, value in changed)


def test_the_table_has_every_preset_with_the_numbers_it_sets():
    assert ROWS == {name: settings(name) for name in presets.PRESETS}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The page's two files, in a directory of one's own."""
    penalty, config = blocks("python")[:2]
    (tmp_path / "my_penalties.py").write_text(penalty)
    (tmp_path / "my_config.py").write_text(config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


TINY = ["--config.num_steps=2", "--config.model.hidden_dims=4", "--config.data.batch_size=16"]


def test_the_page_on_a_penalty_of_ones_own_trains(own, capsys):
    command = blocks("bash")[0].splitlines()[0].split()[1:]
    assert main.main([*command, *TINY]) == 0
    lines = [json.loads(line) for line in (own / "runs/my_config/metrics.jsonl").read_text().splitlines()]
    assert all(line["kurtosis"] > 0 for line in lines)
    wrong = [*command, *TINY, "--workdir", "runs/wrong"]
    (own / "my_config.py").write_text((own / "my_config.py").read_text().replace("target=", "traget="))
    assert main.main(wrong) == 2
    assert "kurtosis takes no traget; it takes target" in capsys.readouterr().err

    workdir = ["main.py", "--workdir", "runs/my_config"]
    assert main.main([*workdir, "--mode", "sample", "--num", "2"]) == 0
    assert main.main([*workdir, "--mode", "evaluate"]) == 2
    said = capsys.readouterr().err
    assert "my_penalties:kurtosis" in said and "--allow_import" in said
    assert main.main([*workdir, "--mode", "evaluate", "--allow_import"]) == 0
    assert json.loads((own / "runs/my_config/evaluation.json").read_text())["metrics"]["kurtosis"] > 0


def test_every_penalty_is_on_the_page_or_in_a_preset():
    used = {term["name"] for preset in presets.PRESETS.values() for term in preset.get("penalties", {}).values()}
    assert {name for name in penalties.PENALTIES if name not in used and f"`{name}`" not in PAGE} == set()

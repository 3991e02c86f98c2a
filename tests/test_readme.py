"""What the README shows, run: its Python blocks, on a run of a few steps."""

import pathlib
import re
import sys

import pytest

import main
import vae_jax

README = pathlib.Path(main.__file__).with_name("README.md").read_text()


def python_blocks():
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def digits_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(pathlib.Path(main.__file__).parent))
    words = ["--config.num_steps=2", "--config.model.hidden_dims=4", "--workdir", "runs/digits"]
    assert main.main(["main.py", *words]) == 0


def test_the_python_blocks_run_as_printed(digits_run, monkeypatch):
    train = vae_jax.train

    def briefly(config, *args, **kwargs):
        config.num_steps = 1
        config.model.hidden_dims = (4,)
        return train(config, *args, **kwargs)

    monkeypatch.setattr(sys.modules["vae_jax"], "train", briefly, raising=False)
    blocks = python_blocks()
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_every_file_it_links_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (pathlib.Path(main.__file__).parent / target).exists(), target

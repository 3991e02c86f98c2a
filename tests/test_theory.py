"""docs/theory.md: every function it names exists, and its table is what the code computes."""

import pathlib
import pkgutil
import re

import pytest

from vae_jax.configs import celeba

PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "theory.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(vae_jax\.[^`]*)`", PAGE)))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_on_the_page_is_in_the_code(name):
    assert re.fullmatch(r"\w+(\.\w+)+", name), f"{name!r} is more than a dotted name"
    pkgutil.resolve_name(name)


def test_the_page_names_the_functions():
    assert len(NAMES) >= 40


def test_the_table_of_kld_weights():
    rows = re.findall(r"^\| (\d+) x (\d+) x (\d+) \| (\d+) \| (\S+) \| (\S+) \| (\S+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for *shape, pixels, weight, beta, sigma in rows:
        height, width, channels = map(int, shape)
        expected = celeba.beta_from_kld_weight(float(weight), (height, width, channels))
        assert int(pixels) == height * width * channels
        assert float(beta) == pytest.approx(expected, abs=5e-4)
        assert float(sigma) == pytest.approx(expected**0.5, abs=6e-4)

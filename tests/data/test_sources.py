"""Names, and what the config section may hold."""

import subprocess
import sys
from pathlib import Path

import pytest

from vae_jax import data as data_room
from vae_jax import errors
from vae_jax.data import sources


@pytest.mark.parametrize(
    "overrides, words",
    [
        ({"source": "celebA"}, "did you mean celeba"),
        ({"source": ""}, "known are digits, idx, npz, cifar, folder, celeba, tfds:NAME"),
        ({"source": "tfds:"}, "known are"),
        ({"source": "digits", "crop": "centre148"}, "did you mean center148"),
        ({"source": "digits", "image_size": (64,)}, r"give \(height, width\)"),
        ({"source": "digits", "image_size": (0, 64)}, r"give \(height, width\)"),
        ({"source": "digits", "image_size": (64.0, 64)}, r"give \(height, width\)"),
        ({"source": "digits", "image_size": (10**9, 64)}, r"from 1 to 4096"),
    ],
)
def test_mistakes_name_what_is_known(data_config, overrides, words):
    with pytest.raises(errors.UserError, match=words):
        sources.load(data_config(**overrides))


def test_the_rooms_public_names():
    for name in data_room.__all__:
        assert callable(getattr(data_room, name)) or name == "Split"
    with pytest.raises(AttributeError):
        data_room.nonsuch  # noqa: B018


def test_decoding_processes_do_not_wait_for_jax():
    code = (
        "import sys; from vae_jax.data import workers;"
        "print(sorted({'jax', 'tensorflow_datasets', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]", done.stderr

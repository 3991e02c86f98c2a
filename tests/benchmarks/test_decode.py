"""Made JPEGs are decoded as the library does it, and half-size decoding is told apart. Nothing here is timed."""

import numpy as np

from benchmarks import decode
from vae_jax.data import stores


def test_draft_differs_a_little_and_only_in_the_decoding(tmp_path):
    decode.make_jpegs(tmp_path, 3)
    store = stores.open_path(tmp_path)
    names = [member.name for member in store.members]
    data = store.read(names[0])[0]
    assert decode.whole(data).shape == decode.draft(data).shape == (64, 64, 3)
    mean, largest = decode.draft_difference(store, names)
    assert 0 < mean < 5 and mean < largest < 60
    shifted = np.abs(decode.whole(data)[:, 1:].astype(int) - decode.draft(data)[:, :-1]).mean()
    assert shifted > 3 * mean  # the crop is in the same place


def test_a_build_is_of_all_images(tmp_path, capsys):
    decode.make_jpegs(tmp_path, 3)
    assert decode.build_cache(tmp_path, 3) > 0

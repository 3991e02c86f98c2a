"""Ctrl-C and SIGTERM while images are decoded: stopped soon, kept, continued, no traceback."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from vae_jax import errors
from vae_jax.data import interrupts, sources, workers

HOME = Path(__file__).parents[2]
N = 300

SLOW = """
import sys, time
from ml_collections import config_dict
from vae_jax.data import images, sources, workers
workers._BYTES_PER_WORKER = 1 if sys.argv[3] == "processes" else 2**40
workers.num_cores = lambda: 2
def report(done, total):
    if done % 10 == 0:
        print(done, flush=True)
    time.sleep(0.02)
fields = dict(source="folder", dir=sys.argv[1], cache_dir=sys.argv[2], image_size=(), crop="none", layout="auto",
              split_file="", duplicates="keep", value_range=(), axes="", frames="first", valid_fraction=0.1)
sources.load(config_dict.ConfigDict(fields), report=report)
"""


@pytest.fixture
def tree(tmp_path, encode):
    root = tmp_path / "tree"
    root.mkdir()
    rng = np.random.default_rng(0)
    for i in range(N):
        (root / f"{i:03d}.png").write_bytes(encode(rng.integers(0, 256, (8, 8), np.uint8)))
    (root / "010.png").write_bytes(b"junk")
    return root


def start(tree, config, how):
    command = [sys.executable, "-c", SLOW, str(tree), config.cache_dir, how]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HOME, start_new_session=True
    )
    assert process.stdout.readline() == "10\n"
    return process


def everything(data):
    return np.concatenate([data.train["image"], data.valid["image"]])


@pytest.mark.parametrize("how", ["alone", "processes"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_decoding_stops_and_continues(tree, data_config, tmp_path, capsys, how, number):
    config = data_config(source="folder", dir=str(tree), duplicates="keep")
    process = start(tree, config, how)
    began = time.monotonic()
    os.killpg(process.pid, number)  # as a terminal or a scheduler does: the whole group
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert process.returncode == 128 + number
    assert "Traceback" not in err and "the same command continues from there" in err
    (partial,) = Path(config.cache_dir).iterdir()
    assert partial.name.endswith(".partial")
    decoded = []
    data = sources.load(config, report=lambda done, total: decoded.append(done))
    assert 10 < decoded[0] < N and decoded[-1] == N  # continues after what was kept
    assert "continuing an interrupted decoding" in capsys.readouterr().err
    (whole,) = Path(config.cache_dir).iterdir()
    fresh = sources.load(data_config(source="folder", dir=str(tree), duplicates="keep", cache_dir=str(tmp_path / "c")))
    np.testing.assert_array_equal(everything(data), everything(fresh))
    np.testing.assert_array_equal(data.valid["name"], fresh.valid["name"])
    assert "skipped 1 of 300 images: 010.png" in capsys.readouterr().err


def test_a_second_signal_leaves_at_once(tree, data_config):
    process = start(tree, data_config(source="folder", dir=str(tree)), "processes")
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in err


def test_workers_of_a_killed_process_end_without_a_traceback(tree, data_config):
    process = start(tree, data_config(source="folder", dir=str(tree)), "processes")
    os.kill(process.pid, signal.SIGKILL)
    _, err = process.communicate(timeout=30)  # returns when the workers have closed stderr too
    assert "Traceback" not in err


def test_a_damaged_partial_build_starts_anew(tree, data_config):
    config = data_config(source="folder", dir=str(tree), duplicates="keep")
    process = start(tree, config, "alone")
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=30)
    (partial,) = Path(config.cache_dir).iterdir()
    (partial / "partial.json").write_text("{")
    assert len(everything(sources.load(config))) == N - 1
    assert len(list(Path(config.cache_dir).iterdir())) == 1


def test_a_colour_image_after_the_continuation_widens_what_was_kept(tree, data_config, encode, tmp_path):
    order = np.random.default_rng(0).permutation(N)
    (tree / f"{order[-1]:03d}.png").write_bytes(encode(np.full((8, 8, 3), [9, 8, 7], np.uint8)))
    config = data_config(source="folder", dir=str(tree), duplicates="keep")
    process = start(tree, config, "alone")
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=30)
    data = sources.load(config)
    config.cache_dir = str(tmp_path / "fresh")
    np.testing.assert_array_equal(everything(data), everything(sources.load(config)))
    assert data.image_shape == (8, 8, 3)


def test_handlers_come_back(tree, data_config):
    mine = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        signal.signal(signal.SIGTERM, handler := lambda number, frame: None)
        with interrupts.noticed() as check:
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(errors.Interrupted) as stopped:
                check()
        assert stopped.value.code == 143 and signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, mine)


def test_other_threads_decode_too(tree, data_config):
    found = []
    config = data_config(source="folder", dir=str(tree), duplicates="keep")
    thread = threading.Thread(target=lambda: found.append(sources.load(config)))
    thread.start()
    thread.join(60)
    assert len(everything(found[0])) == N - 1


def test_waiting_for_a_worker_is_interrupted(tree, monkeypatch):
    from vae_jax.data import images, stores

    monkeypatch.setattr(workers, "_BYTES_PER_WORKER", 1)
    monkeypatch.setattr(workers, "num_cores", lambda: 2)
    monkeypatch.setattr(workers._Worker, "answer", lambda self, names: self._process.wait(60))  # a hanging worker
    store = stores.Directory(tree)

    def check():
        raise errors.Interrupted(signal.SIGINT)

    began = time.monotonic()
    with pytest.raises(errors.Interrupted):
        with workers.decoding(store, [m.name for m in store.members], images.Recipe(), 10**6, check) as stream:
            assert next(stream) is None
    assert time.monotonic() - began < 5

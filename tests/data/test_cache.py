"""Decode once: hits, interruptions, damage and two builders at once."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import numpy as np
import pytest

from vae_jax import errors
from vae_jax.data import build_locks, cache, progress, rows, sources, workers

N = 12


@pytest.fixture
def tree(tmp_path, encode):
    root = tmp_path / "tree"
    root.mkdir()
    for i in range(N):
        (root / f"{i:02d}.png").write_bytes(encode(np.full((4, 4), i, np.uint8)))
    return root


@pytest.fixture
def decodes(monkeypatch):
    """Count the images decoded in this process."""
    calls = []
    original = workers.decode_one

    def counted(*args):
        calls.append(args[1])
        return original(*args)

    monkeypatch.setattr(workers, "decode_one", counted)
    return calls


def numbers(data):
    return np.concatenate([data.train["image"], data.valid["image"]])[:, 0, 0, 0].tolist()


ORDER = np.random.default_rng(0).permutation(N).tolist()


def entries(config):
    return sorted(p.name for p in Path(config.cache_dir).iterdir())


def test_another_share_for_validation_decodes_nothing_anew(tree, data_config, decodes):
    for share, held_out in ((0.1, 1), (0.5, 6), (0.0, 0)):
        data = sources.load(data_config(source="folder", dir=str(tree), valid_fraction=share))
        assert data.train["image"][:, 0, 0, 0].tolist() == ORDER[: N - held_out]
        valid = [] if data.valid is None else data.valid["image"][:, 0, 0, 0].tolist()
        assert valid == ORDER[N - held_out :]
    assert len(decodes) == N


def test_a_second_load_decodes_nothing(tree, data_config, decodes):
    config = data_config(source="folder", dir=str(tree))
    for _ in range(2):
        assert numbers(sources.load(config)) == ORDER
    assert len(decodes) == N
    assert len(entries(config)) == 1


def test_everything_that_shapes_the_pixels_is_in_the_key(tree, data_config, decodes, encode, monkeypatch):
    def changed(**overrides):
        decodes.clear()
        sources.load(data_config(source="folder", dir=str(tree), **overrides))
        return len(decodes) > 0

    assert changed() and not changed()
    assert changed(image_size=(2, 2)) and changed(crop="square")
    os.utime(tree / "03.png", ns=(1, 1))
    assert changed() and not changed()
    (tree / "04.png").write_bytes(encode(np.full((4, 4), 200, np.uint8)))
    assert changed()
    (tree / "05.png").unlink()
    assert changed()
    monkeypatch.setattr(cache, "_VERSION", -1)
    assert changed()


def test_processes_decode_what_one_process_does(tree, data_config, monkeypatch, encode):
    (tree / "03.png").write_bytes(b"junk")
    for i in range(150):
        (tree / f"more{i:03d}.png").write_bytes(encode(np.full((4, 4, 3), i, np.uint8)))
    config = data_config(source="folder", dir=str(tree), image_size=(4, 4))
    alone = sources.load(config)
    monkeypatch.setattr(workers, "_BYTES_PER_WORKER", 1)
    monkeypatch.setattr(workers, "num_cores", lambda: 2)
    monkeypatch.setattr(workers, "decode_one", None)  # must happen elsewhere
    config.cache_dir += "_processes"
    together = sources.load(config)
    np.testing.assert_array_equal(together.train["image"], alone.train["image"])
    np.testing.assert_array_equal(together.valid["image"], alone.valid["image"])


def test_a_dead_decoding_process_is_a_fault_and_leaves_nothing(tree, data_config, monkeypatch):
    monkeypatch.setattr(workers, "_BYTES_PER_WORKER", 1)
    monkeypatch.setattr(workers, "num_cores", lambda: 2)
    monkeypatch.setattr(workers, "_CHUNK_LARGE", 1)
    original = workers._Worker.answer

    def shot(self, names):
        self._process.kill()
        return original(self, names)

    monkeypatch.setattr(workers._Worker, "answer", shot)
    config = data_config(source="folder", dir=str(tree))
    with pytest.raises(RuntimeError, match="ended early"):
        sources.load(config)
    assert entries(config) == []


def test_an_interrupted_build_leaves_nothing_and_starts_clean(tree, data_config):
    config = data_config(source="folder", dir=str(tree))

    def interrupt(done, total):
        if done == N // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sources.load(config, report=interrupt)
    assert entries(config) == []
    assert numbers(sources.load(config)) == ORDER


SLOW = """
import sys, time
from ml_collections import config_dict
from vae_jax.data import sources
def report(done, total):
    print(done, flush=True)
    time.sleep(60 if done > 4 else 0)
sources.load(config_dict.ConfigDict(dict(source="folder", dir=sys.argv[1], cache_dir=sys.argv[2], image_size=(),
             layout="auto", split_file="", duplicates="group", value_range=(),
             axes="", frames="first", crop="none", valid_fraction=0.1)), report=report)
"""


def test_what_a_killed_build_leaves_is_never_used_and_swept_later(tree, data_config):
    config = data_config(source="folder", dir=str(tree))
    command = [sys.executable, "-c", SLOW, str(tree), config.cache_dir]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    for _ in range(5):
        process.stdout.readline()
    (half,) = entries(config)
    assert half.startswith(build_locks.PREFIX)
    build_locks.remove_abandoned(Path(config.cache_dir))
    assert entries(config) == [half]  # its builder lives
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert numbers(sources.load(config)) == ORDER
    assert half not in entries(config) and len(entries(config)) == 1


def test_damage_is_noticed_and_repaired(tree, data_config, decodes):
    config = data_config(source="folder", dir=str(tree))
    sources.load(config)
    (entry,) = Path(config.cache_dir).iterdir()
    size = (entry / "images.npy").stat().st_size
    os.truncate(entry / "images.npy", size - 5)
    assert numbers(sources.load(config)) == ORDER
    (entry / "meta.json").write_text("{")
    assert numbers(sources.load(config)) == ORDER
    assert len(decodes) == 3 * N and len(entries(config)) == 1


def _load_at_the_gate(tree, cache_dir, gate, out):
    from ml_collections import config_dict

    fields = {"source": "folder", "dir": tree, "cache_dir": cache_dir, "image_size": (), "crop": "none"}
    fields |= {"layout": "auto", "split_file": "", "duplicates": "group", "value_range": (), "axes": ""}
    fields |= {"frames": "first", "valid_fraction": 0.1}

    def report(done, total):
        if done == 2:
            gate.wait(30)  # both are half way, each in its own directory

    out.put(numbers(sources.load(config_dict.ConfigDict(fields), report=report)))


def test_two_runs_at_once_build_one_whole_cache(tree, data_config):
    config = data_config(source="folder", dir=str(tree))
    context = multiprocessing.get_context("spawn")
    gate, out = context.Barrier(2), context.Queue()
    runs = [context.Process(target=_load_at_the_gate, args=(str(tree), config.cache_dir, gate, out)) for _ in range(2)]
    for run in runs:
        run.start()
    assert [out.get(timeout=60) for _ in runs] == [ORDER, ORDER]
    for run in runs:
        run.join()
    assert len(entries(config)) == 1


def test_the_loser_of_a_race_keeps_the_winners_arrays(tree, data_config):
    config = data_config(source="folder", dir=str(tree))
    won = []

    def other_run_finishes_first(done, total):
        if done == N and not won:
            won.append(True)
            won.append(os.stat(*self_built()).st_ino)

    def self_built():
        sources.load(config, report=lambda done, total: None)
        return [p for p in Path(config.cache_dir).iterdir() if not p.name.startswith(build_locks.PREFIX)]

    assert numbers(sources.load(config, report=other_run_finishes_first)) == ORDER
    (entry,) = Path(config.cache_dir).iterdir()
    assert entry.stat().st_ino == won[1]


def test_claims_of_the_living_are_respected(tmp_path):
    with build_locks.private_directory(tmp_path) as directory:
        build_locks.remove_abandoned(tmp_path)
        assert directory.is_dir()
        kept = tmp_path / "kept"
        shutil.copytree(directory.parent, tmp_path / f"{build_locks.PREFIX}dead")
        os.rename(directory, kept)
    assert kept.is_dir()
    build_locks.remove_abandoned(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_claim_swept_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    swept = []
    original = filelock.FileLock.acquire

    def late(self, *args, **kwargs):
        if not swept:
            swept.append(True)
            build_locks.remove_abandoned(tmp_path)
            shutil.rmtree(Path(self.lock_file).parent)  # by a sweep that came before there was a lock file
        return original(self, *args, **kwargs)

    monkeypatch.setattr(filelock.FileLock, "acquire", late)
    with build_locks.private_directory(tmp_path) as directory:
        assert directory.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_the_users(tree, tmp_path, data_config):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.UserError, match="--config.data.cache_dir"):
        sources.load(data_config(source="folder", dir=str(tree), cache_dir=str(tmp_path / "file" / "below")))


def test_a_cache_that_would_not_fit_is_refused_before_it_is_written(tmp_path, monkeypatch):
    with rows.ImageRows(tmp_path / "images.npy", 10**12) as out:
        with pytest.raises(errors.UserError, match="GB are free"):
            out.append("a", np.zeros((64, 64, 3), np.uint8))


def test_the_default_is_the_users_cache(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.cache_root("") == Path("/somewhere/vae_jax/data")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_root("") == Path.home() / ".cache/vae_jax/data"


def test_progress_tells_tenths_to_a_log_and_rewrites_a_terminal(monkeypatch):
    class Stream:
        def __init__(self, tty):
            self.tty, self.text = tty, ""

        def isatty(self):
            return self.tty

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    for tty in (False, True):
        clock = iter(np.arange(0, 500, 0.5))
        monkeypatch.setattr(time, "monotonic", lambda clock=clock: next(clock))
        stream = Stream(tty)
        with progress.Bar("decoding", stream=stream) as bar:
            for done in range(1, 201):
                bar(done, 200)
        assert "200 of 200 (100%" in stream.text
        assert stream.text.count("\n") == (1 if tty else 10)
        assert stream.text.count("\r") == (199 if tty else 0)

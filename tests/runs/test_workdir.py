"""The files of a run's directory, and the lock that admits one training."""

import errno
import fcntl
import json
import subprocess
import sys

import pytest

from vae_jax import errors
from vae_jax.runs import workdir

HOLD = """
import pathlib, sys, time
from vae_jax.runs import workdir
with workdir.locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_training_at_a_time(tmp_path):
    with workdir.locked(tmp_path):
        with pytest.raises(errors.UserError, match="another run is training"), workdir.locked(tmp_path):
            pass
    with workdir.locked(tmp_path):
        pass


def test_a_lock_ends_with_the_process_that_is_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(errors.UserError, match="another run"), workdir.locked(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with workdir.locked(tmp_path):
            pass


@pytest.mark.parametrize(
    "reason", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL], ids=errno.errorcode.get
)
def test_a_file_system_without_locks_is_not_another_run(tmp_path, monkeypatch, capsys, reason):
    def flock(*_):
        raise OSError(reason, "not here")

    monkeypatch.setattr(fcntl, "flock", flock)
    with workdir.locked(tmp_path):
        (said,) = capsys.readouterr().err.splitlines()
    assert "has no locks (not here)" in said and str(tmp_path) in said


def test_a_lock_of_another_user_is_named(tmp_path, monkeypatch):
    def acquire(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(workdir.filelock.FileLock, "acquire", acquire)
    with pytest.raises(errors.UserError, match=r"\.lock cannot be opened \(Permission denied\); remove"):
        with workdir.locked(tmp_path):
            pass


def test_json_that_is_written_can_be_read_by_anyone(tmp_path):
    tree = {"a": float("nan"), "b": [float("inf"), (1.5, -float("inf"))], "c": {"d": True, "e": "NaN", "f": 3}}

    def refuse(word):
        raise AssertionError(word)

    workdir.write_json(tmp_path / "x.json", tree)
    read = json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse)
    assert read == {"a": None, "b": [None, [1.5, None]], "c": {"d": True, "e": "NaN", "f": 3}}

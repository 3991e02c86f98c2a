"""Output that cannot be written leaves the work done: the files are there, and the exit code is that of the work."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HOME = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def runs(workdir, tmp_path):
    for name in ("a", "b" * 40):
        shutil.copytree(workdir, tmp_path / name, ignore=shutil.ignore_patterns("*.npy", "*.png"))
    with open(tmp_path / "a" / "metrics.jsonl", "a") as file:
        file.write('{"step": 9, "split": "eval", "loss": 1.5}\n')
    return tmp_path


def compare(runs, shell, **environment):
    """Run --mode compare below a shell line, in which $C is the command, and return the finished process."""
    command = f"{sys.executable} {HOME}/main.py --mode compare --workdir {','.join(map(str, sorted(runs.iterdir())))}"
    kept = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    shell = f"set -o pipefail; {shell.replace('$C', command)}"
    result = subprocess.run(["bash", "-c", shell], env={**kept, **environment}, capture_output=True)
    assert (runs / "comparison.md").stat().st_size and (runs / "comparison.html").stat().st_size
    assert b"Traceback" not in result.stderr and b"Exception ignored" not in result.stderr, result.stderr
    return result


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("$C | true", b""),
        ("$C > /dev/full", b"could not be written"),
        ("$C > /dev/full 2>&1", b""),
        ("$C >&- 2>&- <&-", b""),
        ("$C 2>&-", b""),
    ],
)
def test_the_files_are_written_whatever_becomes_of_the_output(runs, shell, said):
    result = compare(runs, shell)
    assert result.returncode == 0 and said in result.stderr


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_a_terminal_of_ascii_shows_other_characters_escaped(runs, environment):
    result = compare(runs, "$C", **environment)
    assert result.returncode == 0 and b"bbb\\u2026" in result.stdout  # a name cut short, with an ellipsis


def test_no_file_takes_the_number_of_a_closed_descriptor(tmp_path):
    script = (
        "import os\nfrom vae_jax.cli import output\n"
        "with output.tolerant():\n"
        f"    file = open({str(tmp_path / 'precious')!r}, 'w')\n"
        "    print('to stdout')\n    os.write(1, b'from a library')\n    os.write(2, b'likewise')\n    file.close()\n"
    )
    command = f'{sys.executable} -c "$S" <&- >&- 2>&-'
    assert subprocess.run(["bash", "-c", command], cwd=HOME, env={**os.environ, "S": script}).returncode == 0
    assert (tmp_path / "precious").read_bytes() == b""


def test_help_into_a_full_device_says_so():
    result = subprocess.run(
        f"{sys.executable} main.py --help > /dev/full", shell=True, cwd=HOME, stderr=subprocess.PIPE, text=True
    )
    assert result.returncode == 0 and result.stderr.count("\n") == 1 and "No space left" in result.stderr

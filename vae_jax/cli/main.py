"""The command: words in, exit code out. A checkout's `main.py` and the installed command `vae-jax` both call `main`."""

import errno
import os
import pathlib
import sys

from vae_jax import cli, errors
from vae_jax.cli import help, output, parse, signals
from vae_jax.devices import host_memory, startup

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        argv: the program's name and its arguments; None is the arguments of this process.

    Returns:
        0; 2 for a mistake of the user's, told in one line; 3 for a training that diverged; 128 + N for signal N.
        A fault of this code is raised.
    """
    argv = sys.argv if argv is None else argv
    program, words = pathlib.Path(argv[0]).name, argv[1:]
    with output.tolerant(), signals.raising():
        return _exit_code(program, words)


def _exit_code(program: str, words: list[str]) -> int:
    """Run the command, turn the errors that are no faults of this code into one line each, and return the exit code."""
    try:
        _run(program, words)
    except errors.UserError as error:
        return _end(program, str(error), 2)
    except errors.Diverged as error:
        return _end(program, f"diverged: {error}", 3)
    except signals.Stopped as error:
        return _end(program, "stopped before the end; every file that was written is whole", error.exit_code)
    except errors.Interrupted as error:  # of a training, which has said where it stopped
        return error.exit_code
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        return _end(program, f"no room to write ({error}); make some and run the same command again", 2)
    return 0


def _run(program: str, words: list[str]) -> None:
    if help.wanted(words):
        print(help.text(program, words))
        return
    command = parse.parse(words)
    startup.keep_compiled_programs(_cache_directory() / "compiled")
    host_memory.keep_freed_pages()
    cli.run(command.mode, command.workdir, command.options)


def _end(program: str, line: str, code: int) -> int:
    print(f"{program}: {line}", file=sys.stderr)
    return code


def _cache_directory() -> pathlib.Path:
    """Return this project's directory under the user's cache directory."""
    root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(root) / "vae_jax"

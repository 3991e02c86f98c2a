"""The command: words in, exit code out. A checkout's `main.py` and the installed command `vae-jax` both call `main`."""

import errno
import os
import pathlib
import sys

from vae_jax import cli, errors
from vae_jax.cli import help, parse
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
    try:
        if help.wanted(words):
            print(help.text(program, words))
            return 0
        command = parse.parse(words)
        startup.keep_compiled_programs(_cache_directory() / "compiled")
        host_memory.keep_freed_pages()
        cli.run(command.mode, command.workdir, command.options)
    except errors.UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except errors.Diverged as error:
        print(f"{program}: diverged: {error}", file=sys.stderr)
        return 3
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        print(f"{program}: no room to write ({error}); make some and run the same command again", file=sys.stderr)
        return 2
    return 0


def _cache_directory() -> pathlib.Path:
    """Return this project's directory under the user's cache directory."""
    root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(root) / "vae_jax"

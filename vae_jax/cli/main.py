"""The command: words in, exit code out. A checkout's `main.py` and the installed command `vae-jax` both call `main`."""

import errno
import os
import pathlib
import sys

from vae_jax import cli, errors
from vae_jax.cli import help, output, parse, signals
from vae_jax.devices import host_memory, out_of_memory, startup
from vae_jax.runs import workdir

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
    except Exception as error:
        if not out_of_memory.is_out_of_memory(error):
            raise
        return _end(program, _memory_line(words, error), 2)
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


def _memory_line(words: list[str], error: BaseException) -> str:
    """Return one line about a failed allocation, with the run's batch size and image size, and what to make smaller."""
    command = parse.parse(words)
    asked = getattr(command.options, "config", None)
    stored = workdir.read_config(workdir.absolute(command.workdir))
    config = asked or stored
    line = f"out of memory ({(str(error) or type(error).__name__).splitlines()[0]})"
    if config is None:
        return line
    shape = tuple((stored or config).model.image_shape) or tuple(config.data.image_size)
    size = f"images of {'x'.join(map(str, shape))}" if shape else "images of their own size (config.data.image_size=())"
    remedy = "use fewer images with --num or --num_images where the mode takes it, or a device with more memory"
    if command.mode == "train":
        remedy = "use a smaller --config.data.batch_size, or a smaller --config.data.image_size"
    return f"{line} with {size} in batches of {config.data.batch_size}; {remedy}"


def _cache_directory() -> pathlib.Path:
    """Return this project's directory under the user's cache directory."""
    root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(root) / "vae_jax"

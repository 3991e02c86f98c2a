"""Train a VAE, or use a trained one: flags, and one call per mode.

    python main.py                                                     train on digits, into runs/digits
    python main.py --config configs/celeba.py --workdir runs/celeba    train on CelebA
    python main.py --config configs/celeba.py:head2021 --config.optimizer.learning_rate=1e-3
    python main.py --workdir runs/celeba --mode sample --num 100

The same command again goes on where a run stopped. A trained workdir describes itself: every mode but
train needs --workdir alone.
"""

import errno
import pathlib
import sys

from vae_jax import cli, errors
from vae_jax.cli import command_line
from vae_jax.devices import host_memory, startup


def main(argv: list[str]) -> int:
    """Parse, run one mode, and return the exit code: 0, 2 (a user's mistake), 3 (the run diverged)."""
    try:
        arguments = command_line.parse(argv, doc=__doc__, home=pathlib.Path(__file__).resolve().parent)
        startup.keep_compiled_programs(command_line.cache_directory() / "compiled")
        host_memory.keep_freed_pages()
        if arguments.mode == "train":
            from vae_jax.devices import processes
            from vae_jax.training import loop

            processes.join(*arguments.processes)
            began = startup.command_began()
            loop.train(arguments.config, arguments.workdir, init_from=arguments.init_from, began=began)
        else:
            cli.run(arguments.mode, arguments.workdir, arguments.options)
    except errors.UserError as error:
        print(f"main.py: {error}", file=sys.stderr)
        return 2
    except errors.Diverged as error:
        print(f"main.py: diverged: {error}", file=sys.stderr)
        return 3
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        print(f"main.py: no room to write ({error}); make some and run the same command again", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

"""--mode train: start a training, or continue it."""

from vae_jax.cli.options import Train
from vae_jax.devices import processes, startup
from vae_jax.training import loop


def run(path: str, options: Train) -> None:
    """Join the other processes, if there are any, and train in the directory `path`."""
    began = startup.command_began()
    processes.join(options.coordinator, options.num_processes, options.process_id)
    loop.train(
        options.config,
        path,
        init_from=options.init_from,
        accept_new_data=options.accept_new_data,
        began=began,
    )

"""Two configurations compared: the one a workdir's run was started with, and the one that should continue the run.

`training/setup.py` refuses to resume a run where `contradictions` names a field.
"""

from vae_jax.config import Config, serialization

# A run may be resumed with other values of these fields; every other field shapes the result.
MAY_CHANGE = (
    "num_epochs",
    "num_steps",
    "log_every",
    "eval_every",
    "checkpoint_every",
    "image_every",
    "keep",
    "max_skips",
    "data.dir",
    "data.cache_dir",
    "data.label_names",
    "data.placement",
)

# Fields whose default has changed: the old default, and the new one. An older run that is asked to go on with the new
# default goes on with the old one.
CHANGED_DEFAULTS = {
    "data.duplicates": ("keep", "group"),
    "optimizer.eps": (1e-8, 1e-8 * 64 * 64 * 3 / 2),  # of the CelebA recipes
}


def keep_old_defaults(stored: Config, asked: Config) -> tuple[Config, list[str]]:
    """Return the configuration that a run goes on with under newer code, and a line for each old default that it keeps.

    Without this, the command that started a run would no longer continue the run once a default has changed.
    """
    flat_stored, flat_asked = serialization.flatten(stored), serialization.flatten(asked)
    kept = {
        name: old
        for name, (old, new) in CHANGED_DEFAULTS.items()
        if flat_stored.get(name) == old and flat_asked.get(name) == new
    }
    config = asked.copy_and_resolve_references().unlock()
    config.update_from_flattened_dict(kept)
    lines = [
        f"config.{name} stays {old}, which this run was started with; the default is now {flat_asked[name]}"
        for name, old in kept.items()
    ]
    return config.lock(), lines


def contradictions(stored: Config, asked: Config) -> list[str]:
    """Return one line for each field whose value differs between the two configurations.

    The fields of MAY_CHANGE are left out, and those of `config.given`, which `given.check_same` compares.
    """
    old, new = (
        {
            name: value
            for name, value in serialization.flatten(serialization.to_json(config)).items()
            if name not in MAY_CHANGE and not name.startswith("given.")
        }
        for config in (stored, asked)
    )
    absent = "(absent)"
    return [
        f"{name} is {old.get(name, absent)} there and {new.get(name, absent)} here"
        for name in sorted(old.keys() | new.keys())
        if old.get(name, absent) != new.get(name, absent)
    ]

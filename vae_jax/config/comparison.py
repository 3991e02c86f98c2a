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


def contradictions(stored: Config, asked: Config) -> list[str]:
    """Return one line for each field, MAY_CHANGE apart, whose value differs between the two configurations."""
    old, new = (
        {
            name: value
            for name, value in serialization.flatten(serialization.to_json(config)).items()
            if name not in MAY_CHANGE
        }
        for config in (stored, asked)
    )
    absent = "(absent)"
    return [
        f"{name} is {old.get(name, absent)} there and {new.get(name, absent)} here"
        for name in sorted(old.keys() | new.keys())
        if old.get(name, absent) != new.get(name, absent)
    ]

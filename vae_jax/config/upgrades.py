"""What today's code reads where an older version of the code stored a run's configuration.

Whoever adds, moves or replaces a field of `configs/base.py` adds a line or a function here, so that older runs still
restore, resume, sample and evaluate as the code that made them. `serialization.from_run` is the only caller.
"""

from collections.abc import Callable
from typing import Any

Tree = dict[str, Any]

# A field that was added: its dotted name, and the value that older runs were made with.
ADDED: dict[str, Any] = {
    "data.valid_fraction": 0.1,
    "model.latents": {"name": "gaussian"},
    "model.prior": {"name": "standard_normal", "std": 1.0},
    "model.critic": {"name": "none", "hidden_dims": [1000] * 6},
    "optimizer.critic": {"learning_rate": 1e-4, "b1": 0.5, "b2": 0.9},
    "given": {"objective": "", "model": "", "images": "", "labels": ""},
    "data.layout": "auto",
    "data.split_file": "",
    "data.duplicates": "keep",
    "data.value_range": [],
    "data.axes": "",
    "data.frames": "first",
}


def upgrade(tree: Tree) -> Tree:
    """Return the configuration with today's fields; what cannot be a configuration is left to `rules.validate`."""
    for dotted, value in ADDED.items():
        section, _, field = dotted.rpartition(".")
        if not section:
            tree = {field: value} | tree
        elif isinstance(tree.get(section), dict) and field not in tree[section]:
            tree = tree | {section: tree[section] | {field: value}}
    for step in STEPS:
        if all(isinstance(tree.get(name), dict) for name in ("model", "objective", "optimizer")):
            tree = tree | step(tree["model"], tree["objective"], tree["optimizer"])
    return tree


def _critic(model: Tree, objective: Tree, optimizer: Tree) -> Tree:
    """FactorVAE's discriminator was a section of the objective; now a critic is part of the model."""
    old = objective.get("discriminator")
    if not isinstance(old, dict):
        return {}
    name = "code" if objective.get("name") == "factor" else "none"
    critic = model["critic"] | {"name": name, "hidden_dims": old.get("hidden_dims")}
    learning = optimizer["critic"] | {"learning_rate": old.get("learning_rate")}
    objective = {field: value for field, value in objective.items() if field != "discriminator"}
    return {"model": model | {"critic": critic}, "objective": objective, "optimizer": optimizer | {"critic": learning}}


def _deterministic_codes(model: Tree, objective: Tree, optimizer: Tree) -> Tree:
    """Whether a WAE's codes have noise was an option of the objective; now the model says so."""
    options = objective.get("options")
    if objective.get("name") != "wae" or not isinstance(options, dict) or model["latents"]["name"] != "gaussian":
        return {}
    name = "deterministic" if options.get("deterministic", True) else "gaussian"
    options = {field: value for field, value in options.items() if field != "deterministic"}
    return {"model": model | {"latents": {"name": name}}, "objective": objective | {"options": options}}


def _prior_std(model: Tree, objective: Tree, optimizer: Tree) -> Tree:
    """The prior's standard deviation was a keyword of penalties alone; now the model has the prior."""
    penalties = objective.get("penalties")
    if not isinstance(penalties, dict) or not any("prior_std" in p for p in penalties.values() if isinstance(p, dict)):
        return {}
    stds = [p["prior_std"] for p in penalties.values() if isinstance(p, dict) and "prior_std" in p]
    kept = {
        name: {field: value for field, value in p.items() if field != "prior_std"} if isinstance(p, dict) else p
        for name, p in penalties.items()
    }
    return {
        "model": model | {"prior": model["prior"] | {"std": stds[0]}},
        "objective": objective | {"penalties": kept},
    }


STEPS: tuple[Callable[[Tree, Tree, Tree], Tree], ...] = (_critic, _deterministic_codes, _prior_std)

"""What today's code reads where older code stored a run's configuration.

A change of `configs/base.py` that older runs lack gets an entry in UPGRADES, so that those runs restore, sample,
evaluate and resume as the code that made them. `serialization.from_run` is the only caller.
"""

from collections.abc import Callable
from typing import Any

Tree = dict[str, Any]
Upgrade = Callable[[Tree], Tree]


def added(dotted: str, value: Any) -> Upgrade:
    """Return the upgrade for a field that was added: runs that lack the field were made with `value`.

    Args:
        dotted: the field's name, such as "data.valid_fraction". Sections that are missing are added too.
        value: as JSON gives it, lists in place of tuples.
    """
    *sections, field = dotted.split(".")

    def apply(tree: Tree) -> Tree:
        tree, section = _copied(tree, sections)
        section.setdefault(field, value)
        return tree

    return apply


def moved(old: str, new: str) -> Upgrade:
    """Return the upgrade for a field or section that has moved from one dotted name to another."""
    *old_sections, old_field = old.split(".")
    *new_sections, new_field = new.split(".")

    def apply(tree: Tree) -> Tree:
        if field_of(tree, old) is None:
            return tree
        tree, section = _copied(tree, old_sections)
        value = section.pop(old_field)
        tree, section = _copied(tree, new_sections)
        section[new_field] = value
        return tree

    return apply


def critic_name(tree: Tree) -> Tree:
    """Name the model's critic by the objective, where `objective.discriminator` was there for every objective."""
    if field_of(tree, "objective.discriminator") is None:
        return tree
    tree, objective = _copied(tree, ["objective"])
    del objective["discriminator"]
    return added("model.critic.name", "code" if objective.get("name") == "factor" else "none")(tree)


def deterministic_latents(tree: Tree) -> Tree:
    """Name the latents of a WAE, whose objective had the option `deterministic`, true unless set."""
    if field_of(tree, "objective.name") != "wae" or field_of(tree, "model.latents") is not None:
        return tree
    tree, options = _copied(tree, ["objective", "options"])
    return added("model.latents.name", "deterministic" if options.pop("deterministic", True) else "gaussian")(tree)


def prior_std(tree: Tree) -> Tree:
    """Take the prior's standard deviation from the penalties, whose keyword `prior_std` it was."""
    penalties = field_of(tree, "objective.penalties") or {}
    for name in [name for name, penalty in penalties.items() if "prior_std" in penalty]:
        tree = moved(f"objective.penalties.{name}.prior_std", "model.prior.std")(tree)
    return tree


# Applied in this order, the oldest change first. An entry is `added`, `moved`, or a function of its own from the whole
# configuration to the whole configuration. Each returns a configuration that is up to date unchanged, and changes no
# dict in place.
UPGRADES: tuple[Upgrade, ...] = (
    added("data.valid_fraction", 0.1),
    moved("objective.discriminator.hidden_dims", "model.critic.hidden_dims"),
    moved("objective.discriminator.learning_rate", "optimizer.critic.learning_rate"),
    critic_name,
    added("optimizer.critic.b1", 0.5),
    added("optimizer.critic.b2", 0.9),
    deterministic_latents,
    added("model.latents.name", "gaussian"),
    prior_std,
    added("model.prior.name", "standard_normal"),
    added("model.prior.std", 1.0),
    added("model.encoder", ""),
    added("model.encoder_options", {}),
    added("model.decoder", ""),
    added("model.decoder_options", {}),
    added("data.label_names", []),
    added("data.layout", "auto"),
    added("data.split_file", ""),
    added("data.duplicates", "keep"),
    added("data.value_range", []),
    added("data.axes", ""),
    added("data.frames", "first"),
    added("given", dict.fromkeys(("objective", "model", "images", "labels"), "unrecorded")),
)


def upgrade(tree: Tree) -> Tree:
    """Return a run's stored configuration with today's fields.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: the tree is not a configuration of any version.
    """
    if not isinstance(tree, dict):
        raise TypeError(f"{type(tree).__name__} in place of an object")
    for apply in UPGRADES:
        tree = apply(tree)
    return tree


def field_of(tree: Tree, dotted: str) -> Any:
    """Return a field or section by its dotted name, None where the tree lacks the field."""
    value: Any = tree
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _copied(tree: Tree, sections: list[str]) -> tuple[Tree, Tree]:
    """Return the tree and one of its sections; both, and the sections between the two, are copies."""
    tree = section = dict(tree)
    for name in sections:
        section[name] = dict(section.get(name, {}))
        section = section[name]
    return tree, section

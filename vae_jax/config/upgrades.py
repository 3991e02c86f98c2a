"""What today's code reads where an older version of the code stored a run's configuration.

Whoever adds, moves or replaces a field of `configs/base.py` adds a line to the table here, so that older runs still
restore, resume, sample and evaluate as the code that made them. `serialization.from_run` is the only caller.
"""

from typing import Any

Tree = dict[str, Any]

# A field that was added: its dotted name, and the value that older runs were made with.
ADDED: dict[str, Any] = {"data.valid_fraction": 0.1}


def upgrade(tree: Tree) -> Tree:
    """Return the configuration with today's fields; what cannot be a configuration is left to `rules.validate`."""
    for dotted, value in ADDED.items():
        section, _, field = dotted.rpartition(".")
        if isinstance(tree.get(section), dict) and field not in tree[section]:
            tree = tree | {section: tree[section] | {field: value}}
    return tree

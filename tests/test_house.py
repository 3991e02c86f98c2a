"""What docs/architecture.md says of the rooms: imports run downwards, and some libraries have one room."""

import ast
import graphlib
import pathlib

import pytest

import vae_jax

HOME = pathlib.Path(vae_jax.__file__).parent
# The configs are a part of the package only so that an installed package has them; they are above all rooms.
FILES = [file for file in HOME.rglob("*.py") if HOME / "configs" not in file.parents]
ROOMS = {".".join(file.relative_to(HOME.parent).with_suffix("").parts): file for file in FILES}


def imports(file):
    """Names of all modules that a file imports, those of its functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_no_room_imports_itself_by_way_of_others():
    below = {room: imports(file) & ROOMS.keys() - {room} for room, file in ROOMS.items()}
    order = list(graphlib.TopologicalSorter(below).static_order())  # raises CycleError, which names the circle
    assert order.index("vae_jax.distributions.pixels") < order.index("vae_jax.training.loop")
    assert len(order) == len(ROOMS) > 50


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("configs", set()),
        ("vae_jax.configs", set()),  # a configuration is handed down, so that a user's own is as good as a bundled one
        ("orbax", {"vae_jax.runs.checkpoint", "vae_jax.runs.stored_step"}),
        ("tensorflow", set()),
        ("torch", set()),
    ],
)
def test_a_library_has_its_room(library, rooms):
    found = {
        room for room, file in ROOMS.items() if any(f"{name}.".startswith(f"{library}.") for name in imports(file))
    }
    assert found == rooms


def test_flax_is_the_models():
    found = {room for room, file in ROOMS.items() if any(name.startswith("flax.linen") for name in imports(file))}
    assert found and all(room.startswith("vae_jax.models.") for room in found)

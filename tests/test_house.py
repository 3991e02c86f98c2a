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


# A room may import the rooms before it, and no others.
ORDER = (
    "errors",
    "random",
    "limits",
    "data",
    "distributions",
    "losses",
    "models",
    "interop",
    "config",
    "runs",
    "devices",
    "report",
    "inference",
    "evaluation",
    "training",
    "cli",
)
HANDFUL = 5


def room_of(module):
    return (module.split(".") + [""])[1]


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


def test_the_order_names_every_room():
    assert len(set(ORDER)) == len(ORDER)
    assert {room_of(module) for module in ROOMS} == {"__init__", *ORDER}


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_rooms_before_it(room):
    allowed = {*ORDER[: ORDER.index(room) + 1]}
    upwards = {
        f"{module} imports {name}"
        for module, file in ROOMS.items()
        for name in imports(file)
        if room_of(module) == room and name.startswith("vae_jax.") and room_of(name) in {*ORDER} - allowed
    }
    assert not upwards


def test_no_more_than_a_handful_of_files_lie_loose():
    loose = {file.name for file in HOME.glob("*.py")} - {"__init__.py"}
    assert len(loose) <= HANDFUL, sorted(loose)


@pytest.mark.parametrize("room", [room for room in ORDER if (HOME / room).is_dir()])
def test_a_room_says_what_is_in_it(room):
    said = ast.get_docstring(ast.parse((HOME / room / "__init__.py").read_text()))
    assert said and len(said.split()) >= 10


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

"""What is installed: every import declared, no package `configs`, and a wheel that works outside the checkout."""

import ast
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

import vae_jax

HOME = pathlib.Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
OWN = {"vae_jax", "benchmarks", "main", "tests", "fuzzing", "pytorch_twin", "made_images"}
# Distributions of modules that need not be installed where this test runs.
MODULES = {"tensorflow": "tensorflow-cpu", "torch": "torch"}


def imported(*places):
    """Top-level names of all modules that the Python files of these places import, those of functions too."""
    names = set()
    for place in places:
        for file in [HOME / place] if place.endswith(".py") else (HOME / place).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - OWN


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(requirements):
    return {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


@pytest.mark.parametrize(
    ("places", "extras"),
    [
        (("vae_jax", "configs", "main.py"), ("hdf5",)),
        (("benchmarks",), ("parity",)),
        (("tests",), ("test", "parity", "hdf5")),
    ],
)
def test_every_import_is_declared(places, extras):
    declared = distributions(PROJECT["dependencies"])
    declared |= distributions(sum((PROJECT["optional-dependencies"][extra] for extra in extras), []))
    providers = importlib.metadata.packages_distributions()
    found = imported(*places)
    assert {"jax", "numpy"} <= found
    missing = {
        module
        for module in found
        if not declared & {normal(name) for name in providers.get(module, [MODULES.get(module, module)])}
    }
    assert not missing


def test_the_version_is_the_same_everywhere():
    citation = (HOME / "CITATION.cff").read_text()
    assert re.search(r"^version: (\S+)$", citation, re.MULTILINE)[1] == vae_jax.__version__
    assert vae_jax.__version__ in (HOME / "CHANGELOG.md").read_text()


def test_the_workflows_run_what_ci_runs():
    checks = {file.name for file in (HOME / ".ci").iterdir()} - {"run", "environment"}
    everything = (HOME / ".ci" / "run").read_text()
    assert all(re.search(rf"\b{check}\b", everything) for check in checks)
    workflows = "".join(file.read_text() for file in (HOME / ".github" / "workflows").glob("*.yml"))
    assert set(re.findall(r"\.ci/(\w+)", workflows)) == checks


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, by way of the source archive and of a copy: a build leaves files, which the next build may take up."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for room in ("configs", "vae_jax"):
        shutil.copytree(HOME / room, source / room, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "MANIFEST.in", "README.md", "pyproject.toml"):
        shutil.copy(HOME / name, source)
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source], check=True)
    (file,) = out.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return a function that runs a command in a directory, with the wheel installed and the checkout out of reach."""
    site = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "PYTHON"))}
    environment = {**kept, "PYTHONPATH": str(site), "PATH": f"{site}/bin:{os.environ['PATH']}"}

    def run(*command, cwd, **options):
        result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    said = run(sys.executable, "-c", "import vae_jax; print(vae_jax.__file__)", cwd=site)
    assert pathlib.Path(said.strip()).is_relative_to(site)
    return run


TINY = ("--config.num_steps=2", "--config.data.batch_size=16", "--config.model.hidden_dims=4")


@pytest.mark.slow
def test_a_wheel_holds_the_package_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"vae_jax", f"vae_jax-{vae_jax.__version__}.dist-info"}
    source = {
        str(file.relative_to(HOME)) for file in (HOME / "vae_jax").rglob("*") if file.suffix in (".py", ".html", ".j2")
    }
    configs = {f"vae_jax/configs/{file.name}" for file in (HOME / "configs").glob("*.py")}
    assert source | configs | {"vae_jax/py.typed"} <= set(names)


@pytest.mark.slow
def test_the_command_trains_and_samples_in_an_empty_directory(installed, tmp_path):
    installed("vae-jax", "--config", "digits", *TINY, cwd=tmp_path)
    assert json.loads((tmp_path / "runs" / "digits" / "config.json").read_text())["data"]["source"] == "digits"
    installed("vae-jax", "--workdir", "runs/digits", "--mode", "sample", "--num", "4", cwd=tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"runs"}


@pytest.mark.slow
def test_a_package_configs_of_the_users_own_is_theirs_and_ours_is_ours(installed, tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "__init__.py").write_text("WHOSE = 'mine'\n")
    (tmp_path / "configs" / "base.py").write_text("WHOSE = 'mine'\n")
    (tmp_path / "configs" / "own.py").write_text(
        "from vae_jax.configs import digits\n\n"
        "def get_config(name=''):\n    config = digits.get_config(name)\n    config.seed = 5\n    return config\n"
    )
    installed("vae-jax", "--config", "digits", *TINY, cwd=tmp_path)
    installed("vae-jax", "--config", "configs/own.py", *TINY, cwd=tmp_path)
    seeds = [json.loads((tmp_path / "runs" / name / "config.json").read_text())["seed"] for name in ("digits", "own")]
    assert seeds == [0, 5]
    theirs = "import vae_jax.configs.base, configs.base; print(configs.base.WHOSE, vae_jax.configs.base.__name__)"
    assert installed(sys.executable, "-c", theirs, cwd=tmp_path).split() == ["mine", "vae_jax.configs.base"]


@pytest.mark.slow
def test_it_works_in_a_notebook(installed, tmp_path):
    """A kernel's arguments are not ours, its __main__ has no file, and an event loop is running already."""
    cell = """
import asyncio, sys
sys.argv = ["ipykernel_launcher.py", "-f", "kernel.json"]

async def cell():
    import jax, vae_jax
    from vae_jax.configs import digits
    config = digits.get_config()
    config.update_from_flattened_dict({"num_steps": 2, "data.batch_size": 16, "model.hidden_dims": (4,)})
    vae_jax.train(config, "runs/mine")
    model, variables, _ = vae_jax.restore("runs/mine")
    print(vae_jax.sample(model, variables, jax.random.key(0), 4).shape)

asyncio.run(cell())
"""
    assert installed(sys.executable, "-", cwd=tmp_path, input=cell).splitlines()[-1] == "(4, 8, 8, 1)"

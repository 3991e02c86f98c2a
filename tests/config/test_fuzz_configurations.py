"""Any configuration either builds or ends in the one-line error.

    pytest -n0 -m long tests/test_fuzz_configurations.py    1,000 configurations, 30 of them trained a step

Without `-m long` the counts are a tenth or less. Every run draws the same examples.
"""

import functools
import json

import jax
import numpy as np
import pytest
from fuzzing import FEW, LONG, times
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import vae_jax
from vae_jax import errors
from vae_jax.cli import parse
from vae_jax.config import build, comparison, rules, serialization
from vae_jax.configs import digits, presets
from vae_jax.training import optimizers, train_state

FIELDS = sorted(name for name in serialization.flatten(digits.get_config()) if name != "num_steps")
NUMBERS = [
    "0",
    "1",
    "-1",
    "2",
    "16",
    "3.5",
    "1e-3",
    "-0.0",
    "1e400",
    "nan",
    "inf",
    "2147483648",
    "99999999999999999999",
]
WORDS = ["", "none", "true", "False", "elbo", "iwae", "factor", "gaussian", "bernoulli", "beta", "adamw", "sgd", "pmap"]
WORDS += [
    "os:system",
    "a:b:c",
    "()",
    "(4,)",
    "4,8",
    "(4,",
    "-1,1",
    "0,1",
    "[1]",
    "bfloat16",
    "skip",
    "group",
    "\n",
    "é☃",
]
VALID = {
    "seed": [1, 2**32 - 1],
    "precision": ["tf32", "bfloat16"],
    "parallel": ["pmap"],
    "steps_per_call": [2],
    "ema_decay": [0.5],
    "on_nonfinite": ["skip"],
    "data.flip": [True],
    "data.placement": ["host", "device"],
    "data.binarize": ["dynamic", "threshold"],
    "data.dequantize": [True],
    "data.range": [[-1.0, 1.0]],
    "model.latent_dim": [1, 3],
    "model.hidden_dims": [[4], [4, 8]],
    "model.norm": ["group", "none"],
    "model.activation": ["relu", "gelu", "tanh"],
    "objective.num_samples": [2, 5],
    "optimizer.name": ["adamw", "sgd"],
    "optimizer.schedule": ["constant", "exponential"],
    "optimizer.warmup_steps": [10],
    "optimizer.clip_norm": [1.0],
}
valid_changes = st.lists(
    st.sampled_from([(name, value) for name, values in VALID.items() for value in values]), max_size=3
)
words = st.one_of(st.sampled_from(NUMBERS + WORDS), st.text(max_size=12))
overrides = st.lists(
    st.one_of(
        st.builds("--config.{}={}".format, st.sampled_from(FIELDS), words),
        st.builds("--config.{}={}".format, st.text("abc._", max_size=9), words),
        st.text(max_size=12).filter(lambda word: "help" not in word and word not in ("-h", "-?")),
    ),
    max_size=2,
)
recipes = st.one_of(st.sampled_from(["", *presets.PRESETS]), st.sampled_from([*presets.PRESETS]), st.text(max_size=8))

leaf_values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
json_values = st.recursive(
    leaf_values,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def damaged_trees(draw):
    """A configuration as JSON, in which up to three fields or sections are replaced, taken away or added."""
    tree = json.loads(json.dumps(serialization.to_json(digits.get_config(draw(st.sampled_from([*presets.PRESETS]))))))
    tree["model"]["image_shape"] = [8, 8, 1]
    for name, value in draw(valid_changes):
        *sections, field = name.split(".")
        functools.reduce(dict.__getitem__, sections, tree)[field] = value
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
        place = tree
        while True:
            name = draw(st.sampled_from(sorted(place)) if place else st.just("new"))
            if not isinstance(place.get(name), dict) or draw(st.integers(0, 4)) == 0:
                break
            place = place[name]
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "remove":
            place.pop(name, None)
        else:
            place[name if action == "replace" else draw(st.text(max_size=8))] = draw(json_values)
    return tree


def build_all(config, trace=True):
    """Everything that a run makes of a configuration before compilation; to `trace`, its state as shapes."""
    rules.validate(config)
    config = serialization.from_json(json.loads(json.dumps(serialization.to_json(config))))
    with config.unlocked():
        config.model.image_shape = config.model.image_shape or (8, 8, 1)
    model = build.make_model(config, allow_import=False)
    build.make_objective(config, 1000, allow_import=False)
    build.make_eval_objective(config, 1000, allow_import=False)
    schedule = optimizers.make_schedule(config, 10.0, build.count_steps(config, 1000))
    tx = optimizers.make_optimizer(config, schedule, model.players)
    if (
        trace
        and sum(config.model.hidden_dims) + config.model.latent_dim < 10**6
        and max(config.model.image_shape) < 10**4
    ):
        jax.eval_shape(
            lambda key: train_state.create_state(model.init(key, np.zeros((2, *model.image_shape))), tx, key, ema=True),
            jax.random.key(0),
        )
    return config


@pytest.mark.parametrize("long", [False, LONG], ids=["few", "many"])
def test_command_lines_build_or_are_refused(long):
    built = []

    @times(long, 500)
    @given(recipe=recipes, changes=valid_changes, words=overrides, broken=st.booleans())
    def check(recipe, changes, words, broken):
        words = words * broken + [f"--config.{name}={str(value).strip('[]')}" for name, value in changes]
        try:
            parsed = parse.parse([f"--config=configs/digits.py:{recipe}", *words])
            if parsed.mode == "train":
                built.append(build_all(parsed.options.config, trace=len(built) % 10 == 0))
        except errors.UserError as error:
            assert "\n" not in str(error)

    check()
    print(len(built), "of them built")
    assert len(built) >= (100 if long else 5)


@pytest.mark.parametrize("long", [False, LONG], ids=["few", "many"])
def test_stored_configurations_build_or_are_refused(long):
    built = []

    @times(long, 500)
    @given(tree=damaged_trees())
    def check(tree):
        try:
            config = serialization.from_json(tree)
            built.append(build_all(config, trace=len(built) % 10 == 0))
            comparison.contradictions(config, digits.get_config())
        except errors.UserError as error:
            assert "\n" not in str(error)

    check()
    print(len(built), "of them built")
    assert len(built) >= (100 if long else 5)


@pytest.mark.parametrize(
    "number", [pytest.param(4, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.long)], ids=["few", "many"]
)
def test_valid_configurations_train_a_step(tmp_path, number):
    """So many, as drawn: every one ends in a step, or in an error that is the user's."""
    chosen = []

    @settings(FEW, max_examples=400)
    @given(tree=damaged_trees(), data=st.data())
    def collect(tree, data):
        assume(len(chosen) < number)
        config = serialization.from_json(tree)
        try:
            chosen.append(build_all(config, trace=False))
        except errors.UserError:
            return

    collect()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    ends = []
    for index, config in enumerate(chosen):
        with config.unlocked():
            config.num_steps, config.data.batch_size, config.model.hidden_dims = 1, 16, (4,)
            config.model.critic.hidden_dims = (4,)
        try:
            vae_jax.train(config, tmp_path / str(index), images=pixels)
            ends.append("trained")
        except (errors.UserError, errors.Diverged) as error:
            ends.append(str(error))
    print(ends)
    assert len(ends) == number and ends.count("trained") >= number // 2

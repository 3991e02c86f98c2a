"""The training loop: steps, metrics, evaluations, pictures and checkpoints, from a configuration into a directory.

`train` is the function that users and the command line call. A run is put together in `setup`; a single step is in
`train_step`.
"""

import contextlib
import functools
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from vae_jax import devices, errors
from vae_jax.config import Config, comparison, given, rules, serialization
from vae_jax.devices import processes
from vae_jax.evaluation import elbo
from vae_jax.runs import checkpoint, orbax_noise, workdir
from vae_jax.training import feed, interrupts, optimizers, run_data, saves, setup, sheets, train_state

RUN_AHEAD = 2  # number of calls that are dispatched before the loop waits for a result
RUN_AHEAD_OF_SAVE = 64  # the number while a checkpoint is written, because waiting for a result also waits for the save


def train(
    config: Config,
    workdir_path: str | os.PathLike[str],
    objective: Callable[..., Any] | None = None,
    images: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    *,
    model: Any = None,
    on_metrics: setup.OnMetrics | None = None,
    init_from: str | os.PathLike[str] | None = None,
    accept_new_data: bool = False,
    began: float | None = None,
) -> train_state.TrainState:
    """Train a model in a directory, or continue a run that is already there, and return the final state.

    Args:
        config: a whole configuration, such as the files in `configs` return.
        workdir_path: the directory of the run, in which all files are written.
        objective: (vae, batch, key, step) -> (loss, metrics), in place of `config.objective`.
        images: uint8 [N, H, W, C] in place of the data of `config.data`; `config.data.valid_fraction` is held out.
        labels: int [N] or [N, A], labels of the images.
        model: a `models.VAE` or another module with `encode` and `decode`, in place of `config.model`.
        on_metrics: called with (step, split, metrics) whenever metrics are written; split is "train" or "eval".
        init_from: the directory of another run, whose weights a new run starts from.
        accept_new_data: whether a run continues if its data have changed; no image that was held out is trained on.
        began: the start of the program on the clock of `time.monotonic`, for the printed time to the first step; None
            is the start of this call.

    Returns:
        The state after the last step.

    Raises:
        errors.UserError: the configuration, the data set, the directory or a checkpoint cannot be used.
        errors.Diverged: a loss or a gradient is not finite, under `config.on_nonfinite`.
        errors.Interrupted: the process received SIGINT or SIGTERM; the state is checkpointed.
    """
    began = time.monotonic() if began is None else began
    config = config.copy_and_resolve_references().lock()
    if images is not None:
        config.data.source = "array"
    given.record(config, objective=objective, model=model, images=images, labels=labels)
    rules.validate(config)
    path = workdir.create(workdir_path)
    with (
        processes.locked(path),
        interrupts.deferred() as interrupt,
        orbax_noise.quiet(),
        contextlib.ExitStack() as closing,
        processes.leaving_when_others_die(),
    ):
        stored, lines = workdir.read_config(path), []
        if stored is not None:
            config, lines = comparison.keep_old_defaults(stored, config)
            setup.check_same_run(stored, config, path)
        dataset = run_data.load(config, images, labels)
        begun = setup.has_checkpoint(path)
        dataset = run_data.as_before(dataset, path, begun=begun, accept_new_data=accept_new_data, say=print)
        config = setup.resolve(config, dataset)
        mesh = devices.make_mesh()
        devices.check_devices(config.parallel, config.data.batch_size, mesh)
        run, state = setup.open_run(
            config,
            path,
            dataset,
            mesh,
            objective=objective,
            model=model,
            init_from=init_from,
            on_metrics=on_metrics,
        )
        closing.callback(checkpoint.close, run.manager)
        closing.callback(setup.tolerantly, run, "the last metrics", run.writer.close)
        closing.callback(run.progress.end)
        if stored is not None:
            step, num_data = int(run.runner.plain(state).step), len(dataset.train["image"])
            lines += filter(None, [optimizers.describe_jump(stored, config, step, num_data)])
        for line in lines:
            run.progress.say(line)
        if processes.leads():
            workdir.write_json(path / "config.json", serialization.to_json(config))
        return _loop(run, state, interrupt, began)


def _due(before: int, after: int, every: int) -> bool:
    return after // every > before // every


def _loop(
    run: setup.Run, state: train_state.TrainState, interrupt: interrupts.Interrupt, began: float
) -> train_state.TrainState:
    config, num_steps = run.config, run.num_steps
    step = first = int(run.runner.plain(state).step)
    saving = saves.Saves(run)
    window, stopping = _Window(run, saving), False
    if first == num_steps and run.manager.all_steps():
        run.progress.say(f"finished at step {step}; nothing left to train")
        return run.runner.plain(state)
    with feed.open_feed(config, run.dataset.train["image"], run.runner.raw_sharding, first, num_steps) as calls:
        for number, (start, count, raw) in enumerate(calls):
            state, metrics = run.runner.call(state, raw())
            step = start + count
            stopping = interrupt.reached(number)
            window.add(start, metrics)
            if start == first:
                jax.block_until_ready(metrics)
                run.progress.say(f"first step after {time.monotonic() - began:.1f} s")
                if not first:
                    settings = serialization.flatten(serialization.to_json(config))
                    setup.tolerantly(run, "the configuration for TensorBoard", run.writer.write_config, settings)
                run.progress.begin(step)
            last = step == num_steps or stopping
            if last or _due(start, step, config.log_every):
                window.log(step)
            score = None
            if run.dataset.valid is not None and (step == num_steps or _due(start, step, config.eval_every)):
                window.check()
                score = _evaluate(run, run.runner.plain(state), step)
            if step == num_steps or _due(start, step, config.image_every):
                window.check()
                sheets.draw(run, run.runner.plain(state), step)
            if last or saving.is_best(score) or _due(start, step, config.checkpoint_every):
                window.check()
                saving.begin(run.runner.plain(state), score, last=last)
            if stopping:
                break
    if first == num_steps:
        saving.begin(run.runner.plain(state), None, last=True)
    saving.settle()
    if first < step == num_steps:
        sheets.animate(run)
    if stopping:
        run.progress.say(f"stopped at step {step}, checkpointed; the same command goes on from there")
        raise errors.Interrupted(interrupt.signal or signal.SIGTERM)
    run.progress.say(f"finished {step} steps; checkpoints, pictures and metrics are in {run.path}")
    return run.runner.plain(state)


class _Window:
    """The metrics of the calls since the last log, which stay on the device until the loop waits for them."""

    def __init__(self, run: setup.Run, saving: saves.Saves):
        self._run, self._saving = run, saving
        self._pending: list[tuple[int, Any]] = []  # dispatched calls, for which the loop has not waited
        self._done: list[Any] = []
        self._skips = 0

    def add(self, start: int, metrics: Any) -> None:
        """Add the metrics of a call that begins at the step `start`."""
        self._pending.append((start, metrics))
        while len(self._pending) > (RUN_AHEAD_OF_SAVE if self._saving.goes_on() else RUN_AHEAD):
            self._look()

    def check(self) -> None:
        """Wait for all calls so far, and raise errors.Diverged if one was not finite."""
        while self._pending:
            self._look()

    def log(self, step: int) -> None:
        """Write the means of the metrics since the last log."""
        self.check()
        means = {name: float(np.mean(np.concatenate([m[name] for m in self._done]))) for name in self._done[0]}
        means["skipped"] = sum(float(np.sum(~m["finite"])) for m in self._done)
        del means["finite"]
        setup.write_metrics(self._run, step, "train", means)
        self._run.progress.update(step, means)
        self._done.clear()

    def _look(self) -> None:
        self._saving.settle()
        start, metrics = self._pending.pop(0)
        metrics = jax.device_get(metrics)
        self._done.append(metrics)
        for offset, finite in enumerate(metrics["finite"]):
            self._skips = 0 if finite else self._skips + 1
            allowed = self._run.config.max_skips if self._run.config.on_nonfinite == "skip" else 0
            if self._skips > allowed:
                raise errors.Diverged(_divergence(self._run, start + offset, metrics, offset))


def _divergence(run: setup.Run, step: int, metrics: Any, offset: int) -> str:
    good = run.manager.latest_step()
    kept = (
        f"the last good checkpoint is {run.path / 'checkpoints' / str(good)}"
        if good is not None
        else "no checkpoint was written yet"
    )
    return (
        f"step {step} is not finite (loss {metrics['loss'][offset]:g}, "
        f"gradient norm {metrics['grad_norm'][offset]:g}); {kept}; "
        "try a lower config.optimizer.learning_rate or config.optimizer.clip_norm"
    )


def _evaluate(run: setup.Run, state: train_state.TrainState, step: int) -> float:
    variables = train_state.inference_variables(state)
    assert run.dataset.valid is not None, "the loop evaluates runs with a validation split alone"
    images = run.dataset.valid["image"]
    put = functools.partial(devices.put_batch, mesh=run.mesh)
    metrics = elbo.evaluate(run.eval_step, variables, images, run.config.data.batch_size, run.keys["eval"], step, put)
    setup.write_metrics(run, step, "eval", metrics)
    numbers = "  ".join(
        f"{name} {metrics[name]:.2f}" for name in ("loss", "elbo", "distortion", "kl") if name in metrics
    )
    run.progress.say(f"eval at step {step}: {numbers}")
    return elbo.score(metrics)

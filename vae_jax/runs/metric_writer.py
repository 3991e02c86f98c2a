"""What a run measures, on disk: metrics.jsonl, latents.jsonl and TensorBoard's files.

This is the only file that imports TensorBoard's library. The line on the terminal is in `progress_line`. The training
loop uses a `Writer` in the leading process and a `SilentWriter` in the others.
"""

import contextlib
import importlib
import json
import math
import os
import pathlib
import sys
import time
from typing import Any

import numpy as np

Scalars = dict[str, float]

HPARAM_METRICS = ("eval/loss", "eval/elbo", "eval/distortion", "eval/kl")  # columns of TensorBoard's table of runs
FLUSH_SECONDS = 10.0  # between flushes of TensorBoard's file, each of which waits for the disk


class Writer:
    """Writes the scalars and images of one run.

    Every method may raise OSError, for example when the disk is full. Lines that could not be written then are written
    by the next call.

    Args:
        workdir: the run's directory.
        resumed_at: the step that the run goes on from; what was written of later steps is dropped.
    """

    def __init__(self, workdir: pathlib.Path, *, resumed_at: int = 0):
        self._path = workdir / "metrics.jsonl"
        self._latents = workdir / "latents.jsonl"
        for path in (self._path, self._latents):
            _drop_lines_after(path, resumed_at)
        self._lines = open(self._path, "a")  # noqa: SIM115 - closed by close()
        self._board = _Board(workdir / "tensorboard", resumed_at + 1)

    def write_scalars(self, step: int, split: str, scalars: Scalars) -> None:
        """Append a line {"step", "split", name: value} to metrics.jsonl, and the values to TensorBoard.

        JSON has no word for a value that is not finite, so such a value is null in the line.
        """
        values = {name: float(value) for name, value in scalars.items()}
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._lines.write(json.dumps({"step": step, "split": split} | finite) + "\n")
        self._lines.flush()
        summary = _backend("summary")
        self._board.add(step, *(summary.scalar(f"{split}/{name}", value) for name, value in values.items()))

    def write_latents(self, step: int, kl: np.ndarray | None) -> None:
        """Append a line {"step", "kl": [D]} to latents.jsonl, and the histogram of the KL to TensorBoard.

        Args:
            step: the step of the state that was measured.
            kl: [D], nats, the mean KL of each latent; nothing is written for None or where a value is not finite.
        """
        if kl is None or not np.isfinite(kl).all():
            return
        with open(self._latents, "a") as lines:
            lines.write(json.dumps({"step": step, "kl": [round(float(value), 6) for value in kl]}) + "\n")
        summary = _backend("summary")
        self._board.add(step, summary.histogram("kl_per_latent", kl, "auto"))

    def write_image(self, step: int, name: str, sheet: np.ndarray) -> None:
        """Add a picture, uint8 [H, W, 3], to TensorBoard."""
        summary = _backend("summary")
        self._board.add(step, summary.image(name, sheet, dataformats="HWC"))

    def write_config(self, config: dict[str, Any]) -> None:
        """Add a configuration to TensorBoard, as text and as hyperparameters beside the evaluation's scalars.

        Args:
            config: values by dotted names.
        """
        summary = _backend("summary")
        plain = {
            name: value if isinstance(value, bool | int | float) else _encodable(value)
            for name, value in config.items()
        }
        text = summary.text("config", f"```\n{json.dumps(config, indent=2)}\n```")
        self._board.add(0, text, *summary.hparams(plain, dict.fromkeys(HPARAM_METRICS, 0.0)))

    def close(self) -> None:
        """Write what is kept back and close the files."""
        with contextlib.closing(self._lines):
            self._board.close()


class SilentWriter(Writer):
    """The writer of a process that is not the leader, and writes nothing."""

    def __init__(self):
        pass

    def _nothing(self, *_: Any, **__: Any) -> None:
        pass

    write_scalars = write_latents = write_image = write_config = close = _nothing


class _Board:
    """Writes TensorBoard's event files in the caller's thread.

    The SummaryWriter of tensorboardX writes in a thread of its own. A full disk ends that thread, and the queue that it
    no longer empties then blocks the run.
    """

    def __init__(self, directory: pathlib.Path, purge_step: int):
        directory.mkdir(exist_ok=True)
        self._directory, self._purge_step = directory, purge_step
        self._file: Any = None
        self._flushed = time.monotonic()

    def add(self, step: int, *summaries: Any) -> None:
        """Write an event for each summary. An error may leave the file cut short, so the next call begins another."""
        event_pb2 = _backend("proto.event_pb2")
        try:
            if self._file is None:
                self._file = self._open()
            for item in summaries:
                self._file.write_event(event_pb2.Event(wall_time=time.time(), step=step, summary=item))
            if time.monotonic() - self._flushed > FLUSH_SECONDS:
                self._file.flush()
                self._flushed = time.monotonic()
        except OSError:
            self._file = None
            raise

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self) -> Any:
        """Begin a file that tells TensorBoard to forget what earlier files say of `purge_step` and later steps."""
        event_file_writer, event_pb2 = _backend("event_file_writer"), _backend("proto.event_pb2")
        file = event_file_writer.EventsWriter(str(self._directory / "events"), f".{os.getpid()}.{time.time_ns()}")
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        file.write_event(event_pb2.Event(step=self._purge_step, file_version="brain.Event:2"))
        file.write_event(event_pb2.Event(step=self._purge_step, session_log=start))
        self._purge_step = sys.maxsize // 2  # a further file of this run makes TensorBoard forget nothing
        return file


def _backend(module: str) -> Any:
    """Return a module of tensorboardX, imported on first use without PyTorch.

    tensorboardX imports PyTorch where it is installed, to accept its tensors, which takes four seconds and 300 MB.
    """
    hidden = "torch" not in sys.modules
    if hidden:
        # None makes `import torch` fail, which tensorboardX is prepared for.
        sys.modules["torch"] = None  # pyright: ignore[reportArgumentType]
    try:
        return importlib.import_module(f"tensorboardX.{module}")
    finally:
        if hidden:
            del sys.modules["torch"]


def _encodable(value: Any) -> str:
    """Return a value as text; bytes of a path that are not UTF-8 become question marks."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode("utf-8")


def _drop_lines_after(path: pathlib.Path, step: int) -> None:
    """Rewrite a file of lines with those up to a step; a last line that a crash cut short is dropped too."""
    if not path.exists():
        return
    from vae_jax.runs import workdir

    kept = []
    for line in path.read_text().splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    workdir.write_atomically(path, "".join(f"{line}\n" for line in kept).encode())

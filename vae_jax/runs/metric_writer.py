"""What a run says: metrics.jsonl, TensorBoard, and a progress line. The only room with a metrics backend."""

import contextlib
import importlib
import json
import math
import os
import pathlib
import sys
import time
from typing import Any, TextIO

import numpy as np

Scalars = dict[str, float]

HPARAM_METRICS = ("eval/loss", "eval/elbo", "eval/distortion", "eval/kl")  # columns of TensorBoard's table of runs
FLUSH_SECONDS = 10.0  # between flushes of TensorBoard's file, each of which waits for the disk


class Writer:
    """Writes scalars and images of one run; on resume, what was written past the step is dropped first.

    An OSError (a full disk) may come out of every method; the lines it kept back are written by the next call.
    """

    def __init__(self, workdir: pathlib.Path, *, resumed_at: int = 0):
        self._path = workdir / "metrics.jsonl"
        self._latents = workdir / "latents.jsonl"
        for path in (self._path, self._latents):
            _drop_lines_after(path, resumed_at)
        self._lines = open(self._path, "a")  # noqa: SIM115 - closed by close()
        self._board = _Board(workdir / "tensorboard", resumed_at + 1)

    def write_scalars(self, step: int, split: str, scalars: Scalars) -> None:
        """Append {"step", "split", name: value} and the same to TensorBoard; non-finite values become null."""
        values = {name: float(value) for name, value in scalars.items()}
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._lines.write(json.dumps({"step": step, "split": split} | finite) + "\n")
        self._lines.flush()
        summary = _backend("summary")
        self._board.add(step, *(summary.scalar(f"{split}/{name}", value) for name, value in values.items()))

    def write_latents(self, step: int, kl: np.ndarray | None) -> None:
        """Append {"step", "kl": [D]} to latents.jsonl, nats, and the KL's histogram to TensorBoard."""
        if kl is None or not np.isfinite(kl).all():
            return
        with open(self._latents, "a") as lines:
            lines.write(json.dumps({"step": step, "kl": [round(float(value), 6) for value in kl]}) + "\n")
        summary = _backend("summary")
        self._board.add(step, summary.histogram("kl_per_latent", kl, "auto"))

    def write_image(self, step: int, name: str, sheet: np.ndarray) -> None:
        """Add a picture [H, W, 3] to TensorBoard."""
        summary = _backend("summary")
        self._board.add(step, summary.image(name, sheet, dataformats="HWC"))

    def write_config(self, config: dict[str, Any]) -> None:
        """Add a configuration, by dotted names, as text and as hyperparameters beside the evaluation's scalars."""
        summary = _backend("summary")
        plain = {
            name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
            for name, value in config.items()
        }
        text = summary.text("config", f"```\n{json.dumps(config, indent=2)}\n```")
        self._board.add(0, text, *summary.hparams(plain, dict.fromkeys(HPARAM_METRICS, 0.0)))

    def close(self) -> None:
        with contextlib.closing(self._lines):
            self._board.close()


class SilentWriter(Writer):
    """The writer of a process that leaves writing to another."""

    def __init__(self):
        pass

    def write_scalars(self, step: int, split: str, scalars: Scalars) -> None:
        pass

    def write_latents(self, step: int, kl: np.ndarray | None) -> None:
        pass

    def write_image(self, step: int, name: str, sheet: np.ndarray) -> None:
        pass

    def write_config(self, config: dict[str, Any]) -> None:
        pass

    def close(self) -> None:
        pass


class _Board:
    """TensorBoard's event files, written in the caller's thread.

    tensorboardX's SummaryWriter has a thread of its own, which a full disk kills, and a queue that then blocks.
    """

    def __init__(self, directory: pathlib.Path, purge_step: int):
        directory.mkdir(exist_ok=True)
        self._directory, self._purge_step = directory, purge_step
        self._file: Any = None
        self._flushed = time.monotonic()

    def add(self, step: int, *summaries: Any) -> None:
        """Write an event for each summary. After an error the file may be cut short: the next call begins another."""
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
        """Begin a file, telling TensorBoard to forget what an earlier one has from `purge_step` on."""
        event_file_writer, event_pb2 = _backend("event_file_writer"), _backend("proto.event_pb2")
        file = event_file_writer.EventsWriter(str(self._directory / "events"), f".{os.getpid()}.{time.time_ns()}")
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        file.write_event(event_pb2.Event(step=self._purge_step, file_version="brain.Event:2"))
        file.write_event(event_pb2.Event(step=self._purge_step, session_log=start))
        self._purge_step = sys.maxsize // 2  # a further file of this run purges nothing
        return file


def _backend(module: str) -> Any:
    """Import a module of tensorboardX, on first use, and keep it from importing PyTorch.

    Where PyTorch is installed it would, for arrays of a kind that is none of ours: four seconds, 300 MB.
    """
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # an import of it fails, which tensorboardX is prepared for
    try:
        return importlib.import_module(f"tensorboardX.{module}")
    finally:
        if hidden:
            del sys.modules["torch"]


def _drop_lines_after(path: pathlib.Path, step: int) -> None:
    """Keep the lines up to a step; a last line cut short by a crash goes too."""
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


class Progress:
    """One live line on a terminal; in a log file, a line of its own each time.

    What finds no room in that file is lost: nothing is worth less than the run.
    """

    def __init__(self, num_steps: int, steps_per_epoch: float, batch_size: int, stream: TextIO | None = None):
        self._num_steps, self._steps_per_epoch, self._batch_size = num_steps, steps_per_epoch, batch_size
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._start: tuple[float, int] | None = None

    def begin(self, step: int) -> None:
        """Start the clock, after what must be compiled has been."""
        self._start = (time.monotonic(), step)

    def update(self, step: int, scalars: Scalars) -> None:
        """Show step, epoch, images/s, time left, and the objective's main numbers."""
        terms = [f"{name} {scalars[name]:.2f}" for name in ("loss", "elbo", "kl") if name in scalars]
        place = f"step {step}/{self._num_steps}  epoch {step / self._steps_per_epoch:.1f}"
        line = f"{place}  {self._pace(step)}{'  '.join(terms)}"
        self._write(f"\r\033[K{line}" if self._live else f"{line}\n")

    def say(self, text: str) -> None:
        """Print a lasting line."""
        self._write(f"\r\033[K{text}\n" if self._live else f"{text}\n")

    def end(self) -> None:
        if self._live:
            self._write("\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()

    def _pace(self, step: int) -> str:
        if self._start is None or step <= self._start[1]:
            return ""
        seconds = max(time.monotonic() - self._start[0], 1e-9)
        rate = (step - self._start[1]) / seconds
        left = int((self._num_steps - step) / rate)
        hours, rest = divmod(left, 3600)
        clock = f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
        return f"{rate * self._batch_size:,.0f} images/s  {clock} left  "


class SilentProgress(Progress):
    """The progress of a process that leaves talking to another."""

    def update(self, step: int, scalars: Scalars) -> None:
        pass

    def say(self, text: str) -> None:
        pass

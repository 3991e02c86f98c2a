"""What a run says: metrics.jsonl, TensorBoard, and a progress line. The only room with a metrics backend."""

import json
import math
import pathlib
import sys
import time
from typing import Any, TextIO

import numpy as np

Scalars = dict[str, float]

HPARAM_METRICS = ("eval/loss", "eval/elbo", "eval/distortion", "eval/kl")  # columns of TensorBoard's table of runs


class Writer:
    """Writes scalars and images of one run; on resume, what was written past the step is dropped first."""

    def __init__(self, workdir: pathlib.Path, *, resumed_at: int = 0):
        import tensorboardX

        self._path = workdir / "metrics.jsonl"
        self._latents = workdir / "latents.jsonl"
        for path in (self._path, self._latents):
            _drop_lines_after(path, resumed_at)
        self._lines = open(self._path, "a")  # noqa: SIM115 - closed by close()
        self._board = tensorboardX.SummaryWriter(str(workdir / "tensorboard"), purge_step=resumed_at + 1)

    def write_scalars(self, step: int, split: str, scalars: Scalars) -> None:
        """Append {"step", "split", name: value} and the same to TensorBoard; non-finite values become null."""
        values = {name: float(value) for name, value in scalars.items()}
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._lines.write(json.dumps({"step": step, "split": split} | finite) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._board.add_scalar(f"{split}/{name}", value, step)

    def write_latents(self, step: int, kl: np.ndarray | None) -> None:
        """Append {"step", "kl": [D]} to latents.jsonl, nats, and the KL's histogram to TensorBoard."""
        if kl is None or not np.isfinite(kl).all():
            return
        with open(self._latents, "a") as lines:
            lines.write(json.dumps({"step": step, "kl": [round(float(value), 6) for value in kl]}) + "\n")
        self._board.add_histogram("kl_per_latent", kl, step)

    def write_image(self, step: int, name: str, sheet: np.ndarray) -> None:
        """Add a picture [H, W, 3] to TensorBoard."""
        self._board.add_image(name, sheet, step, dataformats="HWC")

    def write_config(self, config: dict[str, Any]) -> None:
        """Add a configuration, by dotted names, as text and as hyperparameters beside the evaluation's scalars."""
        from tensorboardX import summary

        self._board.add_text("config", f"```\n{json.dumps(config, indent=2)}\n```", 0)
        plain = {
            name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
            for name, value in config.items()
        }
        for part in summary.hparams(plain, dict.fromkeys(HPARAM_METRICS, 0.0)):
            self._board.file_writer.add_summary(part)

    def close(self) -> None:
        self._lines.close()
        self._board.close()


def _drop_lines_after(path: pathlib.Path, step: int) -> None:
    """Keep the lines up to a step; a last line cut short by a crash goes too."""
    if not path.exists():
        return
    from vae_jax import workdir

    kept = []
    for line in path.read_text().splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    workdir.write_atomically(path, "".join(f"{line}\n" for line in kept).encode())


class Progress:
    """One live line on a terminal; in a log file, a line of its own each time."""

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
        self._stream.write(f"\r\033[K{line}" if self._live else f"{line}\n")
        self._stream.flush()

    def say(self, text: str) -> None:
        """Print a lasting line."""
        self._stream.write(f"\r\033[K{text}\n" if self._live else f"{text}\n")
        self._stream.flush()

    def end(self) -> None:
        if self._live:
            self._stream.write("\n")

    def _pace(self, step: int) -> str:
        if self._start is None or step <= self._start[1]:
            return ""
        seconds = max(time.monotonic() - self._start[0], 1e-9)
        rate = (step - self._start[1]) / seconds
        left = int((self._num_steps - step) / rate)
        hours, rest = divmod(left, 3600)
        clock = f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
        return f"{rate * self._batch_size:,.0f} images/s  {clock} left  "

"""When a run's checkpoints are begun and waited for. `runs.checkpoint` writes them; the training loop calls this."""

import contextlib
import math
from collections.abc import Iterator
from typing import NamedTuple

from vae_jax import errors
from vae_jax.config import serialization
from vae_jax.runs import checkpoint
from vae_jax.training import setup, train_state


class _Begun(NamedTuple):
    """A checkpoint that is being written."""

    step: int
    score: float | None
    last: bool
    sums: dict[str, int] | None = None  # of its arrays; None if there is nothing to compare with


class Saves:
    """Saves one checkpoint at a time while the run goes on.

    A kill may cost what was logged, drawn and told since the last checkpoint, and no more than one interval of it. So
    the loop looks at no later step until `settle` has seen the checkpoint committed.
    """

    def __init__(self, run: setup.Run):
        self._run = run
        self._begun: _Begun | None = None
        self._was_read_back = False
        self._best = checkpoint.best_score(run.manager)

    def is_best(self, score: float | None) -> bool:
        """Return whether a score is finite and larger than the score of every checkpoint."""
        return score is not None and math.isfinite(score) and (self._best is None or score > self._best)

    def goes_on(self) -> bool:
        """Return whether a checkpoint is still being written, which `settle` would wait for."""
        return self._begun is not None and self._run.manager.is_saving_in_progress()

    def begin(self, state: train_state.TrainState, score: float | None, *, last: bool) -> None:
        """Begin to save a state whose metrics have been looked at.

        Args:
            state: the state to save.
            score: the score of its evaluation, where larger is better, or None.
            last: whether the run ends with this state.

        Raises:
            errors.UserError: as `settle`.
        """
        self.settle()
        self._begun = _Begun(int(state.step), score, last)
        with self._telling(self._begun):
            sums = checkpoint.save(self._run.manager, state, serialization.to_json(self._run.config), score)
            self._begun = self._begun._replace(sums=sums)

    def settle(self) -> None:
        """Wait for the checkpoint that was begun. On a full disk training goes on, and the next interval tries again.

        The first checkpoint that is written is read again and compared, before anything relies on it.

        Raises:
            errors.UserError: the last checkpoint of the run could not be written, or the first could not be read back.
        """
        begun = self._begun
        if begun is None:
            return
        with self._telling(begun):
            checkpoint.wait(self._run.manager)
            if begun.sums is not None and not self._was_read_back:
                checkpoint.read_back(self._run.manager, begun.step, begun.sums)
                self._was_read_back = True
            if self.is_best(begun.score):
                self._best = begun.score
        self._begun = None

    @contextlib.contextmanager
    def _telling(self, begun: _Begun) -> Iterator[None]:
        """Say that a checkpoint could not be written, or raise if the run ends with it."""
        try:
            yield
        except errors.NotSaved as error:
            self._begun = None
            good = self._run.manager.latest_step()
            kept = f"the last one is that of step {good}" if good is not None else "there is none yet"
            what = f"the checkpoint of step {begun.step} could not be written ({error}); {kept}"
            if begun.last:
                raise errors.UserError(f"{what}; make room and run the same command again") from None
            self._run.progress.say(f"{what}; training goes on, and the next interval tries again")

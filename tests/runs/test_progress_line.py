"""The line of progress: what it says, and that nothing it is written to can end a run."""

import io
import sys

import pytest

from vae_jax.runs import progress_line


def test_progress_knows_its_pace_and_what_is_left(monkeypatch):
    stream, now = io.StringIO(), [100.0]
    monkeypatch.setattr(progress_line.time, "monotonic", lambda: now[0])
    progress = progress_line.Progress(20_000, 10.0, 32, stream)
    progress.begin(10)
    now[0] += 20.0
    progress.update(110, {"loss": 1.0})  # 5 steps/s, 19,890 to go
    assert "160 images/s  1:06:18 left" in stream.getvalue()
    progress.update(19_990, {"loss": 1.0})  # 999 steps/s
    assert "31,968 images/s  0:00 left" in stream.getvalue()


def test_progress_is_lines_in_a_log_file():
    stream = io.StringIO()
    progress = progress_line.Progress(100, 10.0, 32, stream)
    progress.begin(0)
    progress.update(50, {"loss": 1.25, "elbo": -2.0, "kl": 3.0, "grad_norm": 9.0})
    progress.end()
    text = stream.getvalue()
    assert text.startswith("step 50/100  epoch 5.0  ")
    assert "images/s" in text and "left" in text
    assert "loss 1.25  elbo -2.00  kl 3.00" in text
    assert "\r" not in text and text.endswith("\n")


def test_what_cannot_be_encoded_is_written_as_escapes():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    progress_line.Progress(1, 1.0, 1, stream).say("runs/é-\udcff")
    assert raw.getvalue() == b"runs/\\xe9-\\udcff\n"


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", [Full(), None, io.StringIO()], ids=["full", "none", "closed"])
def test_a_stream_that_takes_nothing_is_no_error(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    progress = progress_line.Progress(10, 1.0, 1)
    if stream is not None:
        stream.close()
    progress.begin(0)
    progress.update(1, {"loss": 1.0})
    progress.say("text")
    progress.end()


def test_a_process_that_does_not_lead_prints_nothing():
    stream = io.StringIO()
    progress = progress_line.SilentProgress(10, 1.0, 1, stream)
    progress.update(1, {"loss": 1.0})
    progress.say("text")
    assert not stream.getvalue()

import io
import json

import numpy as np
import pytest
from PIL import Image
from tensorboardX.proto import event_pb2

from vae_jax.runs import metric_writer


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_scalars_append_and_a_resumed_run_drops_what_it_will_write_again(tmp_path):
    first = metric_writer.Writer(tmp_path)
    for step in (1, 2, 3):
        first.write_scalars(step, "train", {"loss": step / 2})
    first.close()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "los')  # cut short by a crash
    second = metric_writer.Writer(tmp_path, resumed_at=2)
    second.write_scalars(3, "eval", {"loss": float("inf")})
    second.close()
    assert lines(tmp_path) == [
        {"step": 1, "split": "train", "loss": 0.5},
        {"step": 2, "split": "train", "loss": 1.0},
        {"step": 3, "split": "eval", "loss": None},
    ]


def events(workdir):
    """Every summary value of the one event file, with its step."""
    (file,) = (workdir / "tensorboard").iterdir()
    found, data = [], file.read_bytes()
    while data:  # records: length u64, crc u32, bytes, crc u32
        length = int.from_bytes(data[:8], "little")
        event = event_pb2.Event.FromString(data[12 : 12 + length])
        found += [(value, event.step) for value in event.summary.value]
        data = data[16 + length :]
    return found


def test_tensorboard_holds_the_same(tmp_path):
    board = metric_writer.Writer(tmp_path)
    board.write_scalars(7, "eval", {"elbo": -1.5})
    board.close()
    values = {(value.tag, step): value.simple_value for value, step in events(tmp_path)}
    assert values[("eval/elbo", 7)] == pytest.approx(-1.5)


def test_tensorboard_holds_the_pictures(tmp_path):
    sheet = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    board = metric_writer.Writer(tmp_path)
    board.write_image(9, "samples", sheet)
    board.close()
    ((value, step),) = events(tmp_path)
    assert (value.tag, step, value.image.height, value.image.width) == ("samples", 9, 5, 7)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string))), sheet)


def test_latents_append_and_a_resumed_run_drops_what_it_will_write_again(tmp_path):
    first = metric_writer.Writer(tmp_path)
    for step in (1, 2):
        first.write_latents(step, np.array([0.5, step], np.float32))
    first.write_latents(3, None)
    first.write_latents(4, np.array([0.5, np.nan]))
    first.close()
    second = metric_writer.Writer(tmp_path, resumed_at=1)
    second.write_latents(2, np.array([0.25, 0.0]))
    second.close()
    written = [json.loads(line) for line in (tmp_path / "latents.jsonl").read_text().splitlines()]
    assert written == [{"step": 1, "kl": [0.5, 1.0]}, {"step": 2, "kl": [0.25, 0.0]}]


def test_hyperparameters_reach_tensorboard_with_their_metrics(tmp_path):
    first = metric_writer.Writer(tmp_path)
    first.write_config({"seed": 3, "data.flip": True, "model.hidden_dims": (4, 8), "num_steps": None})
    first.close()
    plugin = b"".join(file.read_bytes() for file in (tmp_path / "tensorboard").iterdir())
    for word in (b"hparams", b"model.hidden_dims", b"[4, 8]", b"eval/elbo"):
        assert word in plugin

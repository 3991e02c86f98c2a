"""The device benchmark at toy size on this machine: what it plans, reports and tabulates. No time is asserted."""

import pytest

from benchmarks import contender, device, roofline


@pytest.fixture
def small(monkeypatch):
    """A network of one level on 8 x 8 images, and matrices of 64 x 64."""
    monkeypatch.setattr(contender, "IMAGE_SHAPE", (8, 8, 3))
    monkeypatch.setattr(contender, "HIDDEN_DIMS", (4,))
    defaults = contender.make_parts.__kwdefaults__
    monkeypatch.setattr(contender.make_parts, "__kwdefaults__", defaults | {"image_shape": (8, 8, 3)})
    monkeypatch.setattr(roofline, "SIDE", {"cpu": 64})


def test_the_plan_begins_with_the_largest_batch_and_has_every_feed_once():
    rows = device.plan([64, 256, 1024], ["bfloat16", "float32"], scanned=8)
    assert [
        (row["batch_size"], row["precision"]) for row in rows if "feed" not in row and row["steps_per_call"] == 1
    ] == [(size, precision) for precision in ("bfloat16", "float32") for size in (1024, 256, 64)]
    fed = [(row["batch_size"], row["feed"], row["steps_per_call"]) for row in rows if "feed" in row]
    assert fed == [(256, "device", 8), (256, "host", 8)]
    theirs = device.plan_pytorch([64, 256], ["bfloat16", "float32"])
    assert {row["variant"] for row in theirs if row["precision"] == "bfloat16"} == {
        "eager",
        "channels_last",
        "compiled",
    }


def test_rows_are_measured_and_the_product_once_for_a_precision(small, monkeypatch):
    calls, original = [], roofline.limits
    monkeypatch.setattr(roofline, "limits", lambda precision: calls.append(precision) or original(precision))
    rows = list(device.report(device.plan([8], ["float32"], scanned=2), seconds=0.01))
    assert [row["name"] for row in rows] == [
        "vae_jax",
        "vae_jax, 2 steps a call",
        "vae_jax, 2 steps a call, resident",
        "vae_jax, 2 steps a call, streamed",
    ]
    assert not any("error" in row for row in rows) and calls == ["float32"]
    for row in rows:
        least = max(row["step_flops"] / row["product_flops_per_s"], row["step_bytes"] / row["copy_bytes_per_s"])
        assert row["share_of_roofline"] == pytest.approx(least / (row["batch_size"] / row["images_per_second"]))
        assert row["slowest"] <= row["images_per_second"] <= row["fastest"]
        assert row["step_flops"] > 1e5


def test_pytorch_rows_run(small):
    pytest.importorskip("torch", reason="needs PyTorch: pip install vae_jax[parity]")
    (row,) = device.report(device.plan_pytorch([8], ["float32"])[:1], seconds=0.01)
    assert row["name"] == "PyTorch channels_last" and row["images_per_second"] > 0


def test_a_row_that_fails_says_why_and_the_next_is_measured(small, monkeypatch):
    def refuse(batch_size, precision, **given):
        raise MemoryError("out of memory\nat length")

    monkeypatch.setattr(contender, "make_jax", refuse)
    rows = list(device.report(device.plan([8], ["float32"], scanned=2)[:2], seconds=0.01))
    assert [row["error"] for row in rows] == ["MemoryError: out of memory"] * 2


def test_the_table_sets_each_row_beside_pytorchs_best():
    rate = {"batch_size": 8, "precision": "tf32", "slowest": 1.0, "fastest": 9.0, "first_step_s": 2.0}
    theirs = {"framework": "pytorch", "variant": "eager"}
    rows = [
        rate | {"framework": "jax", "name": "vae_jax", "images_per_second": 3000.0, "share_of_roofline": 0.5},
        rate | theirs | {"name": "PyTorch eager", "images_per_second": 1500.0},
        rate | theirs | {"name": "PyTorch compiled", "error": "OutOfMemoryError: none left"},
    ]
    lines = device.table(rows).splitlines()
    assert lines[2:] == [
        "| 8 | tf32 | vae_jax | 3,000 (1 to 9) | 0.50 | 2.00 x | 2 |",
        "| 8 | tf32 | PyTorch eager | 1,500 (1 to 9) |  | 1.00 x | 2 |",
        "| 8 | tf32 | PyTorch compiled | OutOfMemoryError: none left | | | |",
    ]

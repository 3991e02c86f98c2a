"""The arithmetic of the scaling benchmark, and one row of it measured. Nothing is asserted of its time."""

import sys

import numpy as np
import pytest

from benchmarks import scaling


def row(**given):
    return scaling.BASE | {"step_s": 0.1, "images_per_s": 160.0, "flops": 1e9, "data_mb": 6.0, "peak_mb": 500.0} | given


def test_ratios_are_over_the_first_row_and_the_bound_over_the_fewest_data():
    rows = scaling.with_ratios(
        [row(own_mb=100.0), row(own_mb=150.0, step_s=0.3, flops=2e9, data_mb=60.0), row(own_mb=90.0, flops=4e9)]
    )
    assert [r["work"] for r in rows] == [1.0, 2.0, 4.0]
    assert [r["time_over_work"] for r in rows] == pytest.approx([1.0, 1.5, 0.25])
    assert [r["bound_mb"] for r in rows] == [206.0, 260.0, 206.0]
    assert "| 512, streamed | 160 | 2.00 | 1.50 | 60 | 500 | 150 | 260 |" in scaling.table("data", rows)
    assert "| 16 | 160 | 2.00 | 1.50 | 60 | 500 | 150 |" in scaling.table("batch", rows)
    assert scaling.plots({"batch": rows, "data": rows}).count('class="plot"') == 4


def test_the_last_data_set_is_ten_times_the_budget(tmp_path):
    last = scaling.plan("data", budget_mb=3)[-1]
    size = last["num_data"] * 64 * 64 * 3
    assert last["placement"] == "host" and 0.99 < size / (30 * scaling.MEGABYTE) <= 1
    images = np.load(scaling.make_images(tmp_path, 600, 8))
    assert images.shape == (600, 8, 8, 3) and (images[512:] == images[:88]).all() and images.std() > 70


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_row_is_measured_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv("XLA_FLAGS")  # one device, as when it is used: eight need more than the budget
    given = scaling.BASE | {"batch_size": 8, "image_size": 32, "num_data": 8, "latent_dim": 2, "budget_mb": 500}
    taken = scaling.run(given, tmp_path, seconds=0.01)
    assert taken["images_per_s"] == pytest.approx(8 / taken["step_s"])
    assert taken["flops"] > 1e6 and taken["data_mb"] == 8 * 32 * 32 * 3 / 2**20
    assert 50 < taken["own_mb"] < taken["peak_mb"]

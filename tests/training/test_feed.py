"""Which images live on the device: those that take no more than the stated share of its memory."""

import os

import numpy as np
import pytest

from vae_jax.training import feed


class Device:
    def __init__(self, stats):
        self.stats = stats

    def memory_stats(self):
        return self.stats


@pytest.mark.parametrize(("num_bytes", "fits"), [(250, True), (251, False)])
def test_images_fit_in_a_quarter_of_an_accelerators_memory(monkeypatch, num_bytes, fits):
    assert feed.DEVICE_SHARE == 0.25
    monkeypatch.setattr(feed.jax, "local_devices", lambda: [Device({"bytes_limit": 1000})])
    assert feed.fits_device(np.zeros(num_bytes, np.uint8)) is fits


@pytest.mark.parametrize(("num_bytes", "fits"), [(250, True), (251, False)])
def test_a_cpu_has_the_machines_memory(monkeypatch, num_bytes, fits):
    monkeypatch.setattr(feed.jax, "local_devices", lambda: [Device(None)])
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 10, "SC_PHYS_PAGES": 100}.get)
    assert feed.fits_device(np.zeros(num_bytes, np.uint8)) is fits

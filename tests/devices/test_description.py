"""What a run computes on, in words."""

import os
import pathlib
import types

import jax

from vae_jax.devices import description


def device(kind, platform="gpu"):
    return types.SimpleNamespace(device_kind=kind, platform=platform)


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    assert description.describe() == f"{len(os.sched_getaffinity(0))} CPU cores".replace("1 CPU cores", "1 CPU core")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert description.describe() == "1 CPU core"


def test_accelerators_are_counted_by_kind(monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: [device("NVIDIA H100")])
    assert description.describe() == "1 x H100"
    monkeypatch.setattr(jax, "devices", lambda: [device("TPU v5e", "tpu")] * 8)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert description.describe() == "8 x TPU v5e, 2 processes"


def test_a_gpu_that_jax_does_not_use_is_pointed_out_unless_the_user_chose(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(description, "GPU_FILES", {"NVIDIA": tmp_path / "nvidia0"})
    assert description.idle_gpu_hint() == ""
    pathlib.Path(tmp_path / "nvidia0").touch()
    assert "jax[cuda12]" in description.idle_gpu_hint()
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert description.idle_gpu_hint() == ""
    monkeypatch.delenv("JAX_PLATFORMS")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert description.idle_gpu_hint() == ""

"""What a run computes on, in words: "2 CPU cores", "1 x H100 80GB HBM3", and a hint where a GPU lies idle.

A training says this line at its start.
"""

import collections
import os
import pathlib

import jax

GPU_FILES = {"NVIDIA": pathlib.Path("/dev/nvidia0"), "AMD": pathlib.Path("/dev/kfd")}  # made by the GPU's driver
INSTALL = {"NVIDIA": "pip install -U 'jax[cuda12]'", "AMD": "see jax's installation page for ROCm"}


def describe() -> str:
    """Return the devices of this run by number and kind, and the number of processes where there are several."""
    devices = jax.devices()
    if devices[0].platform == "cpu":
        line = _cores()
    else:
        kinds = collections.Counter(device.device_kind.removeprefix("NVIDIA ") for device in devices)
        line = ", ".join(f"{number} x {kind}" for kind, number in kinds.items())
    return line if jax.process_count() == 1 else f"{line}, {jax.process_count()} processes"


def _cores() -> str:
    """Return how many cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{cores} CPU core{'s' if cores > 1 else ''}"


def idle_gpu_hint() -> str:
    """Return one line about a GPU that this machine has and jax does not use; "" where there is none.

    A user who set JAX_PLATFORMS has chosen, and gets no hint.
    """
    if jax.default_backend() != "cpu" or os.environ.get("JAX_PLATFORMS"):
        return ""
    for maker, file in GPU_FILES.items():
        if file.exists():
            return f"this machine has a GPU of {maker} that this jax cannot use; to use it: {INSTALL[maker]}"
    return ""

"""The section of a report with the KL of each latent over training, from latents.jsonl."""

import numpy as np

from vae_jax import distributions
from vae_jax.cli.sections.reported_run import ReportedRun
from vae_jax.report import charts, page
from vae_jax.runs import workdir

MOST_CURVES = 64


def section(run: ReportedRun) -> page.Section:
    """Return a curve for each latent, the largest KL of the last step first; no parts for codes without noise."""
    lines = workdir.read_lines(run.directory / "latents.jsonl")
    has_noise = run.images is None or distributions.has_density(run.images.codes)
    if not lines or not has_noise:
        return page.Section("Latents over training", [])
    steps, kl = [line["step"] for line in lines], np.array([line["kl"] for line in lines])
    order = np.argsort(-kl[-1])
    title = "KL of each latent"
    if len(order) > MOST_CURVES:
        title += f" (the {MOST_CURVES} largest of {len(order):,})"
    series = [charts.Series(f"z{latent}", steps, kl[:, latent].tolist()) for latent in order[:MOST_CURVES]]
    chart = charts.lines(series, title=title, x_label="step", y_label="nats")
    return page.Section("Latents over training", [chart] if chart else [])

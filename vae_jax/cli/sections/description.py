"""The section of a report with the configuration and the layers of the model."""

from vae_jax import models
from vae_jax.cli.sections.reported_run import ReportedRun
from vae_jax.config import serialization
from vae_jax.report import page


def section(run: ReportedRun) -> page.Section:
    """Return the run in a few lines, and below them the whole configuration and all layers."""
    config, variables = run.restored.config, run.restored.variables
    brief = {
        "checkpoint": run.step,
        "data": config.data.source,
        "image shape": tuple(config.model.image_shape),
        "model": config.model.name,
        "parameters": f"{models.num_values(variables['params']):,}",
        "latents": config.model.latent_dim,
        "objective": config.objective.name,
        "likelihood": config.objective.reconstruction.name,
    }
    configured = page.Folded("configuration", [page.table(serialization.to_json(config))])
    layers = page.Folded("layers", [page.Preformatted(models.parameter_table(variables))])
    return page.Section("Run", [page.table(brief), configured, layers])

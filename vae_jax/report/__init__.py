"""Pictures, charts and pages: uint8 images become sheets, numbers become charts, and both become one HTML file.

What a page says about a run is not here: `vae_jax.cli.sections` computes the contents of report.html. The sheets of
`pictures` are also drawn by the training and by the other modes.
"""

from vae_jax.report import charts, embedding, page, pictures

__all__ = ["charts", "embedding", "page", "pictures"]

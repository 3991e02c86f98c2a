"""The sections of report.html: one file for each section, with a function from a run to a section of the page.

A section computes what is shown and says so in the parts of `vae_jax.report.page`. The markup of the page is not here,
nor is the order of the sections, which `vae_jax.cli.report` holds.
"""

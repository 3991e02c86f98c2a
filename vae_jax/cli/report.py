"""--mode report."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vae_jax import distributions, errors, models
from vae_jax.cli import arithmetic, traverse
from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Options
from vae_jax.config import configuration
from vae_jax.data import dataset
from vae_jax.evaluation import neighbours, table
from vae_jax.inference import codes, sampling, stored_priors
from vae_jax.report import charts, page, pictures
from vae_jax.runs import restore, workdir

NUM_SAMPLES = 64
NUM_PAIRS = 32  # originals with their reconstructions
NUM_NEAREST = 16  # samples with the training images nearest to them
NUM_ROWS = 8  # interpolations, latents traversed, and labels changed
CURVES = ("loss", "elbo", "distortion", "kl", "rate", "grad_norm", "learning_rate")
NUM_PLACED = 1000  # images whose codes are drawn on the plane of two latents
MIXTURE = "mixture:10"


def run(path: str, options: Options, say: restore.Say = print) -> None:
    """Write report.html, one file with no external requests: configuration, curves, latents, pictures, evaluation."""
    directory = workdir.existing(path)
    step, found = restore.restore_step(path, options.checkpoint, say, allow_import=options.allow_import)
    lines = workdir.read_lines(directory / "metrics.jsonl")
    sections = [
        page.section("Evaluation", _evaluation(directory)),
        page.section("Training", *_training(lines)),
        page.section("Latents over training", _latents(directory, found)),
    ]
    try:
        split = cli_images.images_of(found.config, options)
        images = np.asarray(split["image"][: max(NUM_PAIRS, 2 * NUM_ROWS)])
        others = cli_images.training_images(found.config, options)
        training = codes.training_codes(found, others)
    except errors.UserError as error:
        say(f"the run's images are left out of the report: {error}")
        sections.append(page.section("Samples", *_samples(found, directory, step, None, options, say)))
    else:
        sections += [
            page.section("Samples", *_samples(found, directory, step, training, options, say), _nearest(found, others)),
            page.section("Reconstructions", *_reconstructions(found, images)),
            page.section("Latents", *_traversals(found, images, training), *_plane(found, split)),
            page.section("Labels", _arithmetic(found, split, training, options)),
        ]
    sections.append(page.section("Run", *_description(found, step)))
    subtitle = f"checkpoint of step {step:,}; everything in nats per image unless said otherwise"
    file = directory / "report.html"
    workdir.write_atomically(file, page.page(directory.name, subtitle, sections).encode())
    say(f"wrote {file}, {file.stat().st_size / 1e6:.1f} MB; open it in a browser")


def _evaluation(directory: pathlib.Path) -> str:
    evaluation = workdir.read_evaluation(directory)
    if not evaluation:
        return page.text(f"None yet: python main.py --workdir {directory} --mode evaluate")
    where = f"checkpoint {evaluation.get('checkpoint')}, {evaluation.get('num_images')} images of "
    found = [(heading, evaluation[name]) for name, heading in table.HEADINGS.items() if evaluation.get(name)]
    shown = [page.part(heading, *_shown(section)) for heading, section in found]
    return page.text(f"{where}{evaluation.get('images')}") + page.row(*shown)


def _shown(section: Mapping[str, Any]) -> list[str]:
    taken = table.parts(section)
    shown = [page.table({table.label(name): value for name, value in taken.values.items()})] if taken.values else []
    shown += [page.part(table.label(name), *_shown(inside)) for name, inside in taken.sections.items()]
    return shown + ([page.matrix(taken.rows, table.columns(taken.rows), table.label)] if taken.rows else [])


def _training(lines: list[dict]) -> list[str]:
    """Each metric over the steps, in training and in evaluation; then where rate and distortion went."""
    drawn = []
    for name in CURVES:
        series = []
        for split in ("train", "eval"):
            has = [line for line in lines if line.get("split") == split and name in line]
            series.append(charts.Series(split, [line["step"] for line in has], [line[name] for line in has]))
        drawn.append(
            charts.lines([s for s in series if s.x], title=name, x_label="step", y_label=_unit(name)),
        )
    points = [line for line in lines if line.get("split") == "eval" and {"kl", "distortion"} <= line.keys()]
    places = charts.Series("eval", [line["kl"] for line in points], [line["distortion"] for line in points])
    drawn.append(
        charts.lines(
            [places], title="distortion against rate, over training", x_label="KL, nats", y_label="nats", points=True
        )
    )
    return [page.row(*drawn)]


def _unit(name: str) -> str:
    return {"grad_norm": "norm", "learning_rate": "per step"}.get(name, "nats")


def _latents(directory: pathlib.Path, found: restore.RestoredRun) -> str:
    lines = workdir.read_lines(directory / "latents.jsonl")
    if not lines or codes.is_deterministic(found.config):
        return ""
    steps, kl = [line["step"] for line in lines], np.array([line["kl"] for line in lines])
    order = np.argsort(-kl[-1])
    series = [charts.Series(f"z{latent}", steps, kl[:, latent].tolist()) for latent in order]
    return charts.lines(series, title="KL of each latent", x_label="step", y_label="nats")


def _samples(
    found: restore.RestoredRun,
    directory: pathlib.Path,
    step: int,
    training: distributions.Gaussian | None,
    options: Options,
    say: restore.Say,
) -> list[str]:
    """Samples of the prior, of a mixture fitted to the codes where there are images, and the run's own over time."""
    model, variables, _ = found
    key, parts = jax.random.key(options.seed), []
    images = sampling.sample(model, variables, key, NUM_SAMPLES, temperature=options.temperature)
    parts.append(page.picture(pictures.grid(images), f"the prior, temperature {options.temperature:g}"))
    if training is not None and len(training.mean) >= 10:
        prior = stored_priors.prior(
            MIXTURE, step, found, directory, lambda: cli_images.training_images(found.config, options), say
        )
        images = sampling.sample(model, variables, key, NUM_SAMPLES, temperature=options.temperature, prior=prior)
        parts.append(page.picture(pictures.grid(images), "a mixture of ten Gaussians fitted to the training codes"))
    animation = directory / "images" / "samples.gif"
    if animation.exists():
        parts.append(page.image(animation.read_bytes(), "gif", "the same noise over the course of training"))
    return [page.row(*parts)]


def _nearest(found: restore.RestoredRun, training: np.ndarray) -> str:
    """A check on memorising."""
    images = sampling.sample(found.model, found.variables, jax.random.key(0), NUM_NEAREST)
    near = neighbours.nearest(images, training)
    sheet = pictures.beside(images, np.stack([training[index] for index in near.index]))
    caption = f"samples, and below each the nearest of {len(training):,} training images, by its pixels: the median "
    return page.picture(sheet, f"{caption}distance is {np.median(near.distance):.1f} grey levels of 255")


def _arithmetic(
    found: restore.RestoredRun, split: dataset.Split, training: distributions.Gaussian, options: Options
) -> str:
    if options.input or "label" not in split:
        return ""
    try:
        moved, names = arithmetic.rows(found, cli_images.dataset_of(found.config, options), split, training, NUM_ROWS)
    except errors.UserError:  # labels that no image can be given
        return ""
    caption = "images to whose code the difference of two labels' mean codes is added, in steps of a quarter"
    return page.picture(pictures.labelled_rows(moved, names), caption)


def _reconstructions(found: restore.RestoredRun, images: np.ndarray) -> list[str]:
    model, variables, _ = found
    originals = images[:NUM_PAIRS]
    again = sampling.reconstruct(model, variables, originals)
    parts = [page.picture(pictures.beside(originals, again), "images, and their reconstructions below")]
    pairs = min(NUM_ROWS, len(images) // 2)
    if pairs:
        rows = sampling.interpolate(model, variables, images[: 2 * pairs : 2], images[1 : 2 * pairs : 2])
        flat = rows.reshape(-1, *rows.shape[2:])
        parts.append(page.picture(pictures.grid(flat, rows.shape[1]), "interpolations between two images"))
    return [page.row(*parts)]


def _traversals(found: restore.RestoredRun, images: np.ndarray, training: distributions.Gaussian) -> list[str]:
    use = codes.usage(training)
    parts = [
        page.text(f"{use.active.sum()} of {len(use.order)} latents are active (the code's mean varies by > 0.01).")
    ]
    if use.kl is not None:
        names = [f"z{latent}" for latent in use.order]
        title = "KL of each latent, the largest first"
        bars = charts.bars(use.kl[use.order].tolist(), names, title=title, x_label="latent", y_label="nats")
        parts.append(bars)
    rows, labels = traverse.rows(found, images[:1], use, NUM_ROWS)
    caption = "one image's code with one latent moved, through the range of the training codes"
    if len(rows) < use.active.sum():
        caption += f"; the first {len(rows)} of {use.active.sum()} active ones, --mode traverse has all"
    parts.append(page.picture(pictures.labelled_rows(rows, labels), caption))
    return parts


def _plane(found: restore.RestoredRun, split: dataset.Split) -> list[str]:
    """The map of a model of two latents, and where images of each label lie on it."""
    if found.model.latent_dim != 2:
        return []
    plane = sampling.latent_map(found.model, found.variables)
    sheet = pictures.grid(plane.reshape(-1, *plane.shape[2:]), len(plane), gap=0)
    parts = [page.picture(sheet, "the latents' plane, at quantiles of the standard normal; z0 to the right, z1 up")]
    labels = np.asarray(split["label"][:NUM_PLACED]) if "label" in split else np.zeros(0)
    if labels.ndim == 1 and 0 < len(np.unique(labels)) <= charts.MOST_NAMED:
        mean = sampling.encode(found.model, found.variables, np.asarray(split["image"][: len(labels)])).mean
        groups = [(label, mean[labels == label]) for label in np.unique(labels)]
        series = [charts.Series(str(label), z[:, 0].tolist(), z[:, 1].tolist()) for label, z in groups]
        parts.append(charts.dots(series, title="codes by label", x_label="z0", y_label="z1"))
    return [page.row(*parts)]


def _description(found: restore.RestoredRun, step: int) -> list[str]:
    config = configuration.to_json(found.config)
    layers = models.parameter_table(found.variables)
    brief = {
        "checkpoint": step,
        "data": found.config.data.source,
        "image shape": tuple(found.config.model.image_shape),
        "model": found.config.model.name,
        "parameters": f"{models.num_values(found.variables['params']):,}",
        "latents": found.config.model.latent_dim,
        "objective": found.config.objective.name,
        "likelihood": found.config.objective.reconstruction.name,
    }
    return [
        page.table(brief),
        page.folded("configuration", page.table(config)),
        page.folded("layers", page.preformatted(layers)),
    ]

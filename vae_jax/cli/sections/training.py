"""The section of a report with the curves of metrics.jsonl."""

from vae_jax.cli.sections.reported_run import ReportedRun
from vae_jax.report import charts, page

CURVES = ("loss", "elbo", "distortion", "kl", "rate", "grad_norm", "learning_rate")
UNITS = {"grad_norm": "norm", "learning_rate": "per step"}  # of the other curves: nats


def section(run: ReportedRun) -> page.Section:
    """Return each metric over the steps, in training and in evaluation, and the course of distortion against rate."""
    drawn = [_curve(run.metrics, name) for name in CURVES] + [_rate_distortion(run.metrics)]
    shown = [chart for chart in drawn if chart is not None]
    return page.Section("Training", [page.Row(shown)] if shown else [])


def _curve(metrics: list[dict], name: str) -> charts.Chart | None:
    series = []
    for split in ("train", "eval"):
        lines = [line for line in metrics if line.get("split") == split and name in line]
        series.append(charts.Series(split, [line["step"] for line in lines], [line[name] for line in lines]))
    return charts.lines(series, title=name, x_label="step", y_label=UNITS.get(name, "nats"))


def _rate_distortion(metrics: list[dict]) -> charts.Chart | None:
    """Return distortion against KL, one marker for each evaluation on the validation split."""
    lines = [line for line in metrics if line.get("split") == "eval" and {"kl", "distortion"} <= line.keys()]
    lines = [line for line in lines if line["kl"] is not None]
    series = charts.Series("eval", [line["kl"] for line in lines], [line["distortion"] for line in lines])
    title = "distortion against rate, over training"
    return charts.lines([series], title=title, x_label="KL, nats", y_label="distortion, nats", markers=True)

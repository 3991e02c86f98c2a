"""What is read off a run's own lines, against a run made up by hand. Nothing here is timed."""

import pytest

from benchmarks import main_job


def made_up_lines(step=0.5, evaluation=3.0, rest=2.0, first=40.0, num_steps=120):
    """The lines of a run whose every step takes `step` seconds, and the first event `first` more."""
    now, lines = 100.0, [(90.0, "first step after 1.0 s")]
    for done in range(main_job.LOG_EVERY, num_steps + 1, main_job.LOG_EVERY):
        now += step * main_job.LOG_EVERY
        lines.append((now, f"step {done}/{num_steps}  epoch 0.1  loss 1.00"))
        if done % main_job.EVENT_EVERY == 0:
            now += evaluation + (first if done == main_job.EVENT_EVERY else 0)
            lines.append((now, f"eval at step {done}: loss 1.00"))
            now += rest
    return lines


def test_a_course_is_told_apart_into_steps_evaluation_and_the_rest():
    course = main_job.read_course(made_up_lines())
    assert course == pytest.approx((0.5, 3.0, 2.0, 0.5 + 5.0 / main_job.EVENT_EVERY))


def test_at_the_recipes_intervals_an_evaluation_is_of_all_images_and_each_event_comes_as_often_as_there():
    course = main_job.Course(step=0.5, evaluation=3.0, rest=2.0, whole=1.0)
    expected = 0.5 + 3.0 * 19_867 / main_job.NUM_VALID / 2_000 + 2.0 / 1_000
    assert main_job.at_the_recipes_intervals(course) == pytest.approx(expected)
    assert main_job.row("host", 64, 0.4, course).startswith("| host | 160 | 128 | 0.800 |")


def test_a_run_that_ended_early_is_named():
    with pytest.raises(RuntimeError, match="after 10 steps; its last line: main.py: diverged"):
        main_job.read_course([*made_up_lines()[:2], (103.0, "main.py: diverged: step 11 is not finite")])

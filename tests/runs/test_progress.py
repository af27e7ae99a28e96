"""How long it will take, how much drawing it may cost, and the words for both."""

import pytest

from srgan.runs import hosting, progress
from srgan.runs.progress import Budget, Progress, lasting


@pytest.fixture
def now(monkeypatch):
    """A clock that stands still until it is moved: a list of one number."""
    clock = [5000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return clock


def train(now, seconds_a_step: float, steps: int, total_steps: int, compiling: float = 40.0) -> Progress:
    """A training whose first call takes `compiling` seconds, and every step after it the same."""
    told = Progress()
    told.said = []
    told.say = told.said.append
    told.has_bar = lambda: False
    told.start("srgan", 100, total_steps, 16)
    for step in (100, 101):
        now[0] += compiling
        told.tick(step)
    for step in range(102, 101 + steps):
        now[0] += seconds_a_step
        told.tick(step)
    return told


def test_the_forecast_is_of_the_steps_after_the_first_two_calls(now):
    told = train(now, seconds_a_step=0.5, steps=200, total_steps=10_100)
    # 10 seconds after step 101: at step 121, with 9,979 steps to go.
    assert told.said == [f"As the first steps go (0.5 s each), stage srgan has {lasting(0.5 * 9979)} to go."]
    assert told.seconds_left() == pytest.approx(0.5 * (10_100 - 300))


def test_a_short_training_is_not_foretold(now):
    assert train(now, seconds_a_step=0.5, steps=60, total_steps=200).said == []


@pytest.mark.parametrize(
    ("session", "hours", "words"),
    [
        (None, 100, None),
        (hosting.COLAB_SESSION, 3, None),
        (hosting.COLAB_SESSION, 5, "12 hours at most, and often end after about 4: this training may need two of them"),
        (hosting.COLAB_SESSION, 13, "needs several of them"),
        (hosting.KAGGLE_SESSION, 11, None),
        (hosting.KAGGLE_SESSION, 30, "Kaggle's sessions last 12 hours at most: this training needs several of them"),
    ],
)
def test_a_training_that_does_not_fit_a_free_session_is_warned_of(now, monkeypatch, session, hours, words):
    monkeypatch.setattr(hosting, "free_session", lambda: session)
    (said,) = train(now, seconds_a_step=1.0, steps=30, total_steps=100 + hours * 3600).said
    assert f"{hours}.0 hours" in said or f"{hours} hours" in said or "days" in said
    assert ("goes on from its last checkpoint" in said) == (words is not None) and (words or "") in said


def test_a_line_tells_what_is_left_once_it_is_known(now, capsys):
    told = train(now, seconds_a_step=2.0, steps=10, total_steps=210)
    del told.say
    told.row({"step": 110, "loss": 0.25, "images_per_second": 8.0})
    assert capsys.readouterr().out == "srgan step 110 of 210  loss 0.2500  8 images/s  3:20 left\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(50, "about 50 seconds"), (600, "about 10 minutes"), (9000, "about 2.5 hours"), (50_000, "about 14 hours"),
     (1_036_800, "about 12 days")],
)  # fmt: skip
def test_lengths_are_told_as_people_do(seconds, words):
    assert lasting(seconds) == words


def test_a_budget_grants_the_first_drawing_and_then_no_more_than_its_share(now):
    budget = Budget(interval=5.0, share=0.02)
    assert budget.allows()
    with budget.spend():
        now[0] += 1.0
    # 1 s is spent; another of 1 s is 2 %  of 100 s.
    for elapsed in (6.0, 50.0, 99.0):
        now[0] = 5000.0 + elapsed
        assert not budget.allows()
    now[0] = 5100.0
    assert budget.allows()
    with budget.spend():
        now[0] += 0.001  # a cheap one now: 1.001 s spent, another is foreseen at 0.001 s
    assert not budget.allows()  # the interval
    now[0] = 5106.0
    assert budget.allows() and budget.share_spent() == pytest.approx(1.001 / 106)

"""The training loop: early stopping, resuming bit by bit, and honest failure."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from models.recommender import Losses
from pipeline.store import Store
from pipeline.train.batches import epoch_generator
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.loop import FitReport, LoopConfig, fit, to_device

CPU = torch.device("cpu")
CONFIG = LoopConfig(max_epochs=5, patience=5, min_steps=1)


class Pair(NamedTuple):
    x: Tensor
    y: Tensor


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.register_buffer("scale", torch.tensor(2.0))

    def loss(self, batch: Pair) -> Losses:
        wrong = self.layers(batch.x).squeeze(1) - batch.y
        return {"square": wrong.square().mean(), "size": 0.01 * self.scale * wrong.abs().mean()}


def net(seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net()


def batches(epoch: int) -> Iterator[Pair]:
    """Three batches, in an order of the epoch's own."""
    generator = epoch_generator(0, epoch)
    for _ in range(3):
        x = torch.from_numpy(generator.normal(size=(4, 3)).astype("float32"))
        yield Pair(x, x.sum(1))


def checkpoint(store: Store, fingerprint: str = "one") -> Checkpoint:
    return Checkpoint(store=store, name="net/seed-0", fingerprint=fingerprint)


def run(
    model: Net,
    saved: Checkpoint,
    config: LoopConfig = CONFIG,
    validate: Callable[[], float] | None = None,
    loss: Callable[[Pair], Losses] | None = None,
    epoch_batches: Callable[[int], Iterator[Pair]] = batches,
) -> FitReport:
    def score() -> float:
        x = torch.ones(2, 3)
        return -float((model.layers(x).squeeze(1) - 3).square().mean())

    return fit(
        model=model,
        epoch_batches=epoch_batches,
        validate=validate or score,
        config=config,
        seed=0,
        checkpoint=saved,
        loss=loss or model.loss,
        device=CPU,
    )


@pytest.fixture
def store(tmp_path: object) -> Store:
    return Store(tmp_path)  # type: ignore[arg-type]


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


class Scripted:
    """Validation scores from a list; remembers the weights that each was given for."""

    def __init__(self, model: nn.Module, scores: list[float]) -> None:
        self.model, self.scores = model, scores
        self.seen: list[dict[str, Tensor]] = []

    def __call__(self) -> float:
        assert not self.model.training and not torch.is_grad_enabled()
        self.seen.append(weights(self.model))
        return self.scores[len(self.seen) - 1]


# -- learning and stopping -------------------------------------------------------------------


def test_it_learns_and_reports_every_epoch(store: Store) -> None:
    model = net()
    report = run(model, checkpoint(store), LoopConfig(max_epochs=8, patience=8, min_steps=30))
    assert len(report.curve) == 8
    assert set(report.curve[0]) == {"square", "size", "valid", "seconds"}
    assert report.curve[-1]["square"] < report.curve[0]["square"] / 2
    assert report.best_score == max(entry["valid"] for entry in report.curve)
    assert report.seconds == pytest.approx(sum(entry["seconds"] for entry in report.curve))
    assert not model.training


def test_it_stops_without_progress_and_returns_to_the_best_epoch(store: Store) -> None:
    model = net()
    validate = Scripted(model, [1.0, 3.0, 2.0, 3.0, 9.0])
    config = LoopConfig(max_epochs=5, patience=2, min_steps=1)
    report = run(model, checkpoint(store), config, validate)
    # An equal score is no progress: epochs 2 and 3 exhaust the patience.
    assert [entry["valid"] for entry in report.curve] == [1.0, 3.0, 2.0, 3.0]
    assert (report.best_epoch, report.best_score) == (1, 3.0)
    assert same(weights(model), validate.seen[1])
    assert not same(validate.seen[1], validate.seen[3])


def test_progress_late_within_the_patience_keeps_it_going(store: Store) -> None:
    model = net()
    validate = Scripted(model, [3.0, 2.0, 4.0, 1.0, 1.0])
    report = run(
        model, checkpoint(store), LoopConfig(max_epochs=9, patience=2, min_steps=1), validate
    )
    assert (len(report.curve), report.best_epoch) == (5, 2)


def test_a_small_set_is_repeated_in_new_orders_until_there_were_enough_steps(store: Store) -> None:
    asked: list[int] = []

    def counted(epoch: int) -> Iterator[Pair]:
        asked.append(epoch)
        return batches(epoch)

    config = LoopConfig(max_epochs=2, patience=2, min_steps=7)
    run(net(), checkpoint(store), config, epoch_batches=counted)
    # Three steps a pass: three passes an epoch, no two of the same order.
    assert len(asked) == len(set(asked)) == 6


# -- honest failure --------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_not_finite_stops_the_run_and_names_term_and_step(
    store: Store, value: str
) -> None:
    model, steps = net(), iter(range(100))

    def loss(batch: Pair) -> Losses:
        terms = model.loss(batch)
        return terms | {"odd": terms["size"] * float(value)} if next(steps) == 4 else terms

    with pytest.raises(FloatingPointError, match=f"loss term 'odd' is {value} at step 2"):
        run(model, checkpoint(store), loss=loss)


def test_training_that_diverges_stops_with_the_step_and_keeps_its_last_whole_epoch(
    store: Store,
) -> None:
    # The loss grows until float32 cannot hold it, in the third epoch.
    model, steps = net(), iter(range(100))

    def loss(batch: Pair) -> Losses:
        return {"square": model.loss(batch)["square"] * 1e5 ** next(steps)}

    with pytest.raises(FloatingPointError, match="'square' is inf at step 3: lower the learning"):
        run(model, checkpoint(store), loss=loss)
    progress = json.loads(store.tensor_metadata("checkpoints/net/seed-0")["progress"])
    assert progress["epoch"] == 2


def test_a_score_that_is_not_a_number_stops_the_run(store: Store) -> None:
    with pytest.raises(FloatingPointError, match="the validation score is nan"):
        run(net(), checkpoint(store), validate=lambda: float("nan"))


def test_an_empty_training_set_is_an_error(store: Store) -> None:
    with pytest.raises(ValueError, match="the training set is empty"):
        run(net(), checkpoint(store), epoch_batches=lambda epoch: iter(()))


# -- resuming --------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for a kill at any moment."""


def killed_in(model: Net, epoch: int, step: int) -> Callable[[Pair], Losses]:
    steps = iter(range(1000))

    def loss(batch: Pair) -> Losses:
        if next(steps) == 3 * epoch + step:
            raise Killed
        return model.loss(batch)

    return loss


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
@pytest.mark.parametrize(("epoch", "step"), [(0, 1), (2, 0), (3, 2)])
def test_a_killed_run_goes_on_to_the_same_weights(
    store: Store, epoch: int, step: int, average_decay: float
) -> None:
    config = replace(CONFIG, average_decay=average_decay)
    unbroken = net()
    expected = run(unbroken, Checkpoint(store=store, name="other", fingerprint="one"), config)
    first = net()
    with pytest.raises(Killed):
        run(first, checkpoint(store), config, loss=killed_in(first, epoch, step))
    # Other initial weights: what counts is what the checkpoint holds, if there is one.
    second = net(seed=0 if epoch == 0 else 99)
    report = run(second, checkpoint(store), config)
    assert same(weights(second), weights(unbroken))
    assert report.best_epoch == expected.best_epoch
    assert report.best_score == expected.best_score
    for entry, other in zip(report.curve, expected.curve, strict=True):
        assert {**entry, "seconds": 0} == {**other, "seconds": 0}


def test_a_run_that_was_done_is_not_done_again(store: Store) -> None:
    first = net()
    report = run(first, checkpoint(store))
    second = net(seed=99)

    def never(epoch: int) -> Iterator[Pair]:
        raise AssertionError("all epochs are done")

    assert run(second, checkpoint(store), epoch_batches=never) == report
    assert same(weights(second), weights(first))


def test_a_checkpoint_of_other_parameters_is_passed_over(store: Store) -> None:
    run(net(), checkpoint(store))
    asked: list[int] = []

    def counted(epoch: int) -> Iterator[Pair]:
        asked.append(epoch)
        return batches(epoch)

    model = net()
    run(model, checkpoint(store, "two"), epoch_batches=counted)
    assert asked == [0, 1, 2, 3, 4]


def test_a_deleted_checkpoint_leaves_nothing(store: Store) -> None:
    run(net(), checkpoint(store))
    assert store.exists("checkpoints/net/seed-0", ".safetensors")
    checkpoint(store).delete()
    checkpoint(store).delete()
    assert not list(store.root.rglob("*.*"))


# -- batches ---------------------------------------------------------------------------------


class Nested(NamedTuple):
    pair: Pair
    maybe: Pair | None


def test_nested_batches_move_whole_and_nothing_stays_nothing() -> None:
    pair = Pair(torch.zeros(1), torch.ones(1))
    moved = to_device(Nested(pair, None), torch.device("meta"))
    assert type(moved) is Nested and type(moved.pair) is Pair and moved.maybe is None
    assert moved.pair.x.device.type == moved.pair.y.device.type == "meta"


# -- telling ---------------------------------------------------------------------------------


def test_it_tells_where_it_stands_and_where_it_goes_on(store: Store) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    saved = replace(
        checkpoint(store), report=lambda headline, figures: told.append((headline, dict(figures)))
    )
    scores = [1.0, 3.0, 2.0]
    model = net()
    with pytest.raises(IndexError):  # where the scores end
        run(model, saved, validate=Scripted(model, scores))
    assert [headline for headline, _ in told] == ["progress"] * 3
    last = told[-1][1]
    assert last["epoch"] == 3 and last["epochs_at_most"] == 5
    assert last["validation_score"] == 2.0 and last["best_validation_score"] == 3.0
    assert last["best_epoch"] == 2
    seconds = last["seconds_an_epoch"]
    assert last["seconds_to_go_at_most"] == pytest.approx(2 * seconds, abs=0.1)
    told.clear()
    run(net(), saved)
    assert [headline for headline, _ in told] == ["resumed", "progress", "progress"]
    assert told[0][1] == {"run": "net/seed-0", "epochs_done": 3}

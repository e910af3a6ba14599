"""Regression across domains against its primal closed form and against sums worked by hand."""

import pytest
import torch

from models.baselines import ease
from models.baselines.ease import EASE, EASEConfig
from models.batch import ItemSpace, Query, SequenceBatch

SPACE = ItemSpace(sizes=(4, 5))  # items 1..4 and 5..9
PLAIN = {"input_decay": 1.0, "target_decay": 1.0, "popularity_damping": 0.0}
SEQUENCES = [
    [0, 1, 5, 2, 6],
    [2, 7, 3, 5, 8],
    [0, 0, 1, 3, 9],
    [4, 6, 1, 6, 2],  # item 6 twice
    [0, 0, 1, 2, 3],  # of one domain
]


def _counted(sequences: list[list[int]], **settings: float) -> EASE:
    model = EASE(EASEConfig(space=SPACE, **settings))
    model.count([SequenceBatch(torch.tensor(sequences))])
    return model


def _scores(model: EASE, history: list[int], domain: int) -> list[float]:
    return model.score(Query(torch.tensor([history]), torch.tensor([domain])))[0].tolist()


def _primal(ridge: float, history: list[int], domain: int) -> torch.Tensor:
    """q (X_s' X_s + ridge I)^-1 X_s' X_t with dense matrices over all items."""
    x_UV = torch.zeros(4, 10, dtype=torch.float64)
    for user, sequence in enumerate(SEQUENCES[:4]):
        for item in sequence:
            x_UV[user, item] += 1
    is_target_V = torch.zeros(10).bool()
    is_target_V[SPACE.columns(domain)] = True
    is_source_V = ~is_target_V
    is_source_V[0] = False
    source_UV, target_UV = x_UV * is_source_V, x_UV * is_target_V
    gram_VV = source_UV.T @ source_UV + ridge * torch.eye(10)
    query_V = torch.zeros(10, dtype=torch.float64)
    query_V[history] = 1
    return query_V @ torch.linalg.solve(gram_VV, source_UV.T @ target_UV)


@pytest.mark.parametrize("ridge", [0.1, 2.0, 50.0])
@pytest.mark.parametrize(("history", "domain"), [([1, 3], 1), ([4], 1), ([6, 9, 5], 0)])
def test_the_dual_form_equals_the_primal_closed_form(ridge, history, domain):
    scores = _scores(_counted(SEQUENCES, ridge=ridge, **PLAIN), history, domain)

    expected_V = _primal(ridge, history, domain)
    assert expected_V.abs().max() > 1e-3
    assert scores == pytest.approx(expected_V.tolist(), abs=1e-5)


def test_newer_items_weigh_more_among_those_of_their_own_side():
    settings = {**PLAIN, "input_decay": 0.5, "target_decay": 0.1}
    model = _counted([[1, 5, 2, 6]], ridge=1.0, **settings)

    # One user: inputs (1/2, 1), targets (1/10, 1); kernel 1/4 + 1, plus the ridge.
    dual = 1 / (1.25 + 1)
    assert _scores(model, [2], 1)[5:7] == pytest.approx([0.1 * dual, dual])
    assert _scores(model, [1, 2], 1)[5:7] == pytest.approx([0.125 * dual, 1.25 * dual])


def test_popular_inputs_are_damped_by_the_power_of_their_count():
    sequences = [[1, 5], [1, 6], [1, 6], [1, 6], [2, 7]]
    model = _counted(sequences, ridge=1.0, **{**PLAIN, "popularity_damping": 0.5})

    # Item 1 occurs four times and weighs 1/2: kernel 1/4 in each entry of a 4 x 4 block, plus
    # the identity; its inverse times (1/4, ...) is 1/4 / (4/4 + 1) for each user.
    scores = _scores(model, [1], 1)
    assert scores[5:8] == pytest.approx([1 / 8, 3 / 8, 0])


def test_users_of_one_domain_teach_nothing():
    history = [1, 2]
    with_them, without = _counted(SEQUENCES, ridge=1.0), _counted(SEQUENCES[:4], ridge=1.0)

    assert _scores(with_them, history, 1) == _scores(without, history, 1)


def test_counting_in_parts_is_counting_at_once():
    at_once, in_parts = _counted(SEQUENCES), _counted(SEQUENCES[:2])
    in_parts.count([SequenceBatch(torch.tensor(SEQUENCES[2:]))])

    for name, tensor in at_once.state_dict().items():
        assert torch.equal(in_parts.state_dict()[name], tensor)


def test_items_that_no_training_user_had_score_zero():
    assert set(_scores(_counted([[1, 5]]), [3], 1)) == {0.0}


def test_nothing_counted_scores_zero():
    assert set(_scores(EASE(EASEConfig(space=SPACE)), [1], 1)) == {0.0}


def test_equations_that_cannot_be_solved_are_refused(monkeypatch):
    monkeypatch.setattr(ease, "_MAX_STEPS", 1)
    model = _counted(SEQUENCES, **{**PLAIN, "ridge": 0.001})

    with pytest.raises(ValueError, match=r"ridge = 0\.001 leaves .* unsolved after 1 steps"):
        _scores(model, [1, 3], 1)


def test_a_ridge_of_zero_is_refused():
    with pytest.raises(ValueError, match="ridge must be greater than zero, is 0"):
        EASE(EASEConfig(space=SPACE, ridge=0))

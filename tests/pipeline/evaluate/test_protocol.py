"""The protocol against scorers that know nothing: chance is what they get, and no more."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.batch import ItemSpace, Query
from pipeline.evaluate.leaderboard import build_leaderboard
from pipeline.evaluate.protocol import candidate_counts, chance, constant, protocol
from pipeline.evaluate.ranking import METRICS, RANKED_POOLS, rank_cases
from pipeline.evaluate.significance import Bootstrap
from pipeline.train.cases import ColdCases

SPACE = ItemSpace(sizes=(30, 40))
NUM_USERS, NUM_NEGATIVES = 50, 24


class Guesses(torch.nn.Module):
    """New random scores at every call, of which two in a hundred tie."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(5)

    def loss(self, batch):
        raise AssertionError("evaluation never trains")

    def score(self, query: Query):
        shape = (len(query.domain_B), SPACE.num_items + 1)
        return torch.randint(2000, shape, generator=self.generator).float()


class Same(Guesses):
    def score(self, query: Query):
        return super().score(query).zero_()


@pytest.fixture(scope="module")
def exam():
    """Half of the users want an item of each domain; negatives of their own domain and of both."""
    generator = torch.Generator().manual_seed(0)
    domain_N = torch.arange(NUM_USERS) % 2
    low_N, size_N = torch.tensor([1, 31])[domain_N], torch.tensor([30, 40])[domain_N]
    label_N = low_N + (torch.rand(NUM_USERS, generator=generator) * size_N).long()
    history = torch.where(domain_N == 0, 31, 1)[:, None]
    cases = ColdCases(
        part="test",
        user_N=torch.arange(NUM_USERS),
        query=Query(history_BL=history, domain_B=domain_N),
        label_N=label_N,
    )

    def drawn(ids):
        return ids[torch.randperm(len(ids), generator=generator)][:NUM_NEGATIVES]

    everything, target = torch.arange(1, SPACE.num_items + 1), []
    for domain, label in zip(domain_N.tolist(), label_N.tolist(), strict=True):
        own = torch.arange(SPACE.num_items + 1)[SPACE.columns(domain)]
        target.append(drawn(own[own != label]))
    both = [drawn(everything[everything != label]) for label in label_N]
    return cases, {("target", 0): torch.stack(target), ("all", 0): torch.stack(both)}


def ranked(model, exam, train_seed=0):
    cases, negatives = exam
    names = ("food", "tools")
    return rank_cases(
        model, cases, negatives, SPACE, system="guess", train_seed=train_seed, domains=names
    )


@pytest.fixture(scope="module")
def guessed(exam):
    """Ranks [draws, users] and candidate counts [users], by pool."""
    model, found, counts = Guesses(), {pool: [] for pool in RANKED_POOLS}, {}
    for seed in range(300):
        table = ranked(model, exam, seed)
        for pool in RANKED_POOLS:
            here = np.array(table["pool"].to_pylist()) == pool
            found[pool].append(table["rank"].to_numpy()[here])
            counts[pool] = table["num_candidates"].to_numpy()[here]
    return {pool: (np.stack(found[pool]), counts[pool]) for pool in RANKED_POOLS}


@pytest.mark.parametrize("pool", RANKED_POOLS)
def test_random_scores_reach_chance_in_the_mean(guessed, pool):
    rank_DN, count_N = guessed[pool]
    expected = chance(count_N)
    for name, metric in METRICS.items():
        value_D = metric(torch.from_numpy(rank_DN)).double().mean(dim=1)
        error = float(value_D.std()) / len(value_D) ** 0.5
        assert float(value_D.mean()) == pytest.approx(expected[name], abs=4 * error), name
        assert 0 < error < 0.05 * expected[name], name  # the test could see 20 % too much


def test_chance_is_k_in_the_number_of_candidates():
    expected = chance(np.array([[1000, 1000]]))
    assert expected["HR@5"] == pytest.approx(0.005)
    assert expected["HR@10"] == pytest.approx(0.010)
    # (1 + 1/log2(3) + 1/2 + 1/log2(5) + 1/log2(6)) / 1000
    assert expected["NDCG@5"] == pytest.approx(0.00294846, abs=1e-7)
    # Four candidates are all among the first five.
    assert chance(np.array([4]))["HR@5"] == pytest.approx(1.0)
    assert chance(np.array([4, 1000]))["HR@10"] == pytest.approx((1 + 0.010) / 2)


@pytest.mark.parametrize("pool", RANKED_POOLS)
def test_equal_scores_get_what_the_report_says_of_them(exam, pool):
    table = ranked(Same(), exam)
    here = np.array(table["pool"].to_pylist()) == pool
    expected = constant(table["num_candidates"].to_numpy()[here])
    rank_N = torch.from_numpy(table["rank"].to_numpy()[here])
    for name, metric in METRICS.items():
        assert float(metric(rank_N).mean()) == pytest.approx(expected[name]), name


def test_equal_scores_never_exceed_chance_among_twenty_candidates_or_more():
    for count in range(20, 1200):
        expected = chance(np.array([count]))
        for name, value in constant(np.array([count])).items():
            assert value == 0 < expected[name]


def test_equal_scores_exceed_chance_among_fewer_which_is_why_the_report_tells():
    few = np.array([19])
    assert constant(few)["HR@10"] == 1 > chance(few)["HR@10"] == pytest.approx(10 / 19)
    assert constant(few)["HR@5"] == 0


def sentences(make_ranks, **pools):
    """The protocol of one system whose pools hold so many candidates."""

    def ranks(part):
        return pa.concat_tables(
            make_ranks(
                {"popularity": [1.0, 2.0]},
                part=part,
                domain="rock",
                pools=(pool,),
                num_candidates=count,
            )
            for pool, count in pools.items()
        )

    table = build_leaderboard(ranks("test"), ranks("valid"), bootstrap=Bootstrap(resamples=20))
    return protocol(table, ranks("test"))


def test_a_domain_that_is_ranked_whole_is_said_to_be(make_ranks):
    told = sentences(make_ranks, target=512, all=300, full=512)
    assert any("rock has 512 items" in one and "all of them are ranked" in one for one in told)
    told = sentences(make_ranks, target=1000, all=300, full=5000)
    assert not any("all of them are ranked" in one for one in told)


def test_the_protocol_says_what_equal_scores_get(make_ranks):
    told = sentences(make_ranks, target=1000, all=12, full=5000)
    assert (
        "Equal scores for all items of rock get HR@10 0.0000 where chance gives 0.0100 (pool"
        " target), 1.0000 where chance gives 0.8333 (pool all), 0.0000 where chance gives 0.0020"
        " (pool full)." in told
    )


def test_the_numbers_of_candidates_are_told_with_their_range(make_ranks, exam):
    told = sentences(make_ranks, target=1000, all=12, full=5000)
    assert any("1000 (pool target, seeds 0), 12 (pool all, seeds 0), 5000 (pool" in t for t in told)
    table = ranked(Guesses(), exam)
    counts = candidate_counts(table, "tools", "all")
    opening = "Candidates that compete in tools"
    (said,) = [t for t in protocol(board_of(table), table) if t.startswith(opening)]
    reach = f"{counts.min()} to {counts.max()}"
    assert f"{np.median(counts):.0f} in the median, {reach} (pool all" in said


def board_of(table):
    """A leaderboard of the same domains; the protocol reads nothing else of it but seeds."""
    valid = table.set_column(
        table.schema.get_field_index("part"), table.schema.field("part"), [["valid"] * len(table)]
    )
    return build_leaderboard(table, valid)

"""What scoring costs, measured on hand-made models, and kept beside the ranks."""

import json
import time

import pytest
import torch

from pipeline.evaluate.cost import load_scoring, machine, measure_scoring, save_scoring
from pipeline.store import Store


def test_every_user_is_scored_once_and_the_time_it_took_is_told(model, cases, space):
    started = time.perf_counter()
    scoring = measure_scoring(model, cases, space)
    assert model.num_scored == scoring.num_users == 3
    assert 0 < scoring.seconds <= time.perf_counter() - started


def test_trained_numbers_are_those_that_a_gradient_reaches(model, cases, space):
    model.learned = torch.nn.Linear(3, 4)  # 12 weights and 4 offsets
    model.held = torch.nn.Parameter(torch.zeros(5), requires_grad=False)
    model.register_buffer("count_V", torch.zeros(7))
    model.register_buffer("text_VE", torch.zeros(11, 384), persistent=False)
    scoring = measure_scoring(model, cases, space)
    assert scoring.num_trained == 16
    assert scoring.num_stored == 16 + 5 + 7  # no text vectors


def test_the_machine_is_named_with_its_threads_and_versions():
    assert f"threads: {torch.get_num_threads()}, torch {torch.__version__}, Python 3." in machine()
    assert len(machine().split(",")[0]) > 3


def test_what_was_measured_comes_back_whole(model, cases, space, tmp_path):
    store, scoring = Store(tmp_path), measure_scoring(model, cases, space)
    save_scoring(store, "scores/tiny/fixed", scoring)
    assert load_scoring(store, "scores/tiny/fixed") == scoring
    assert json.loads(store.read_text("scores/tiny/fixed", ".json"))["num_users"] == 3


def test_a_system_that_was_not_ranked_is_named(tmp_path):
    with pytest.raises(ValueError, match="materialize scores/sasrec of tiny first"):
        load_scoring(Store(tmp_path), "scores/tiny/sasrec")

"""TD(lambda) with the values worked out by hand, padding, floors under policies, entropies."""

import math

import pytest
import torch
from coordbench.agents.recurrent.returns import following, lambda_returns, masked_mean
from coordbench.agents.recurrent.schedules import (
    entropy,
    linear_schedule,
    log_of,
    natural_log,
    policy_probabilities,
)


def returns(terminated, length=3, rows=8, trace=0.8, padding=7.0):
    value = torch.full((1, rows, 1), padding)
    value[:, : length + 1] = 10.0
    filled = (torch.arange(rows) < length).float().view(1, rows, 1)
    ends = torch.zeros(1, rows, 1)
    ends[:, length - 1] = float(terminated)
    found = lambda_returns(filled.clone(), following(value), ends, filled, 0.99, trace)
    return found[0, :length, 0].tolist()


@pytest.mark.parametrize("rows", [4, 8, 16])
@pytest.mark.parametrize(
    ("terminated", "expected"),
    [(False, [12.177, 11.613, 10.900]), (True, [5.967, 3.772, 1.000])],
)
def test_lambda_returns_of_ended_episodes_with_any_padding(terminated, expected, rows):
    assert returns(terminated, rows=rows) == pytest.approx(expected, abs=1e-3)


def test_what_stands_in_the_padding_moves_no_return():
    assert returns(False, padding=7.0) == returns(False, padding=-1e6)


def test_without_a_trace_targets_look_one_step_ahead_and_with_a_full_one_to_the_end():
    assert returns(False, trace=0.0) == pytest.approx([10.9] * 3)
    assert returns(True, trace=0.0) == pytest.approx([10.9, 10.9, 1.0])
    assert returns(True, trace=1.0) == pytest.approx([1 + 0.99 + 0.99**2, 1.99, 1.0])


def test_returns_begin_anew_where_a_fragment_holds_two_episodes():
    filled = torch.tensor([1.0, 1, 0, 1, 1, 0, 0, 0]).view(1, 8, 1)
    value = torch.tensor([1.0, 2, 30, 4, 5, 60, 0, 0]).view(1, 8, 1)
    zero = torch.zeros(1, 8, 1)
    found = lambda_returns(zero, following(value), zero, filled, 0.5, 1.0)[0, :, 0]
    assert found[[0, 1, 3, 4]].tolist() == [7.5, 15.0, 15.0, 30.0]


def test_means_count_filled_steps_only_and_more_padding_changes_no_bit():
    x = torch.randn(2, 8, 3, 2, generator=torch.Generator().manual_seed(0))
    filled = torch.zeros(2, 8, 3)
    filled[0, :4, 0] = filled[0, :6, 2] = 1
    expected = (x[0, :4, 0].sum() + x[0, :6, 2].sum()) / 20
    found = masked_mean(x, filled)
    torch.testing.assert_close(found[0], expected)
    assert found[1] == 0
    more = (torch.cat([t, torch.zeros_like(t)], 1) for t in (x, filled))
    assert torch.equal(masked_mean(*more), found)


def test_schedules_are_linear_and_then_constant():
    assert [linear_schedule(1.0, 0.5, 10, step) for step in (0, 5, 10, 99)] == [1.0, 0.75, 0.5, 0.5]
    assert linear_schedule(1.0, 0.5, 0, 0) == 0.5


def test_the_floor_spreads_over_allowed_actions():
    logits = torch.tensor([0.0, math.log(3.0), 50.0])
    mask = torch.tensor([True, True, False])
    found = policy_probabilities(logits, mask, 0.2)
    torch.testing.assert_close(found, torch.tensor([0.8 * 0.25 + 0.1, 0.8 * 0.75 + 0.1, 0.0]))
    torch.testing.assert_close(policy_probabilities(logits, mask), torch.tensor([0.25, 0.75, 0.0]))


def test_the_published_form_masks_after_softmax_and_floor():
    logits = torch.tensor([0.0, math.log(3.0), math.log(4.0)])
    mask = torch.tensor([True, True, False])
    found = policy_probabilities(logits, mask, 0.3, mask_first=False)
    mixed = torch.tensor([0.7 / 8 + 0.1, 0.7 * 3 / 8 + 0.1])
    torch.testing.assert_close(found, torch.cat([mixed / mixed.sum(), torch.zeros(1)]))


def test_entropy_is_that_of_torch_and_forbidden_actions_have_no_part_in_it():
    p = torch.tensor([[0.97, 0.01, 0.01, 0.01], [0.5, 0.0, 0.25, 0.25]], requires_grad=True)
    found = entropy(p)
    torch.testing.assert_close(found[0], torch.distributions.Categorical(probs=p[0]).entropy())
    torch.testing.assert_close(found[1], torch.distributions.Categorical(probs=p[1, [0, 2, 3]]).entropy())
    (gradient,) = torch.autograd.grad(found.sum(), p)
    assert gradient.isfinite().all()


def test_logarithms_do_not_depend_on_where_a_number_stands():
    x = torch.rand(1000, generator=torch.Generator().manual_seed(1))
    whole = natural_log(x)
    for size in (1, 3, 17, 65, 999):
        assert torch.equal(natural_log(x[:size]), whole[:size])
    assert log_of(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]

"""What training minimises has its least where it should."""

import pytest

torch = pytest.importorskip("torch", reason="the studio is not installed")

from torch import Tensor  # noqa: E402

from viseme.studio.losses import kept_loss, picture_loss, pose_loss  # noqa: E402
from viseme.studio.mouth import POSE_CHANNELS  # noqa: E402

OPEN = POSE_CHANNELS.index("open")


def test_a_pose_in_doubt_is_the_likelier_one() -> None:
    """Lips that are closed in six of ten cases are closed, and not as far open as the mean."""
    poses = torch.zeros(10, 8)
    poses[:4, OPEN] = 0.3
    costs = []
    candidates = torch.linspace(0, 0.3, 31)
    for opening in candidates:
        read = torch.zeros(10, 8)
        read[:, OPEN] = opening
        costs.append(float(pose_loss(read, poses)))
    best = float(candidates[costs.index(min(costs))])
    assert best < 0.015, "the mean is 0.12"
    assert float(pose_loss(poses, poses)) == 0


def test_a_closure_counts_more_than_another_frame() -> None:
    closed = torch.zeros(1, 8)
    closed[:, POSE_CHANNELS.index("press")] = 1
    ajar = closed.clone()
    ajar[:, OPEN] = 0.1
    resting, parted = torch.zeros(1, 8), torch.zeros(1, 8)
    parted[:, OPEN] = 0.1
    assert float(pose_loss(ajar, closed)) > 5 * float(pose_loss(parted, resting))


def test_what_may_be_a_b_or_a_v_costs_about_the_same_either_way() -> None:
    b, v = torch.zeros(1, 8), torch.zeros(1, 8)
    b[:, POSE_CHANNELS.index("press")] = 0.75
    v[:, POSE_CHANNELS.index("tuck")] = 0.92
    costs = float(pose_loss(b, v)), float(pose_loss(v, b))
    assert max(costs) < 2 * min(costs)


def test_a_channel_counts_as_much_as_it_shows() -> None:
    resting = torch.zeros(1, 8)
    costs = []
    for channel in range(8):
        read = resting.clone()
        read[:, channel] = 0.1
        costs.append(float(pose_loss(read, resting)))
    by_cost = sorted(POSE_CHANNELS, key=lambda name: costs[POSE_CHANNELS.index(name)])
    assert by_cost[-1] == "open"
    assert set(by_cost[:2]) == {"teeth", "tongue"}
    assert max(costs) > 10 * min(costs)


def test_an_error_in_the_mouth_counts_more_than_one_beside_it() -> None:
    mouth = torch.zeros(1, 1, 16, 16)
    mouth[..., :8, :] = 1
    target = torch.full((1, 3, 16, 16), 0.5)
    inside, beside = target.clone(), target.clone()
    inside[..., 2:4, 2:4] = 0.7
    beside[..., 12:14, 2:4] = 0.7
    assert picture_loss(inside, target, mouth) > 5 * picture_loss(beside, target, mouth)
    assert float(picture_loss(target, target, mouth)) == 0


def test_a_mouth_that_is_right_is_worth_one_that_is_wrong() -> None:
    """Of the same error in all, decibels ask that most pictures be right."""
    mouth, target = torch.ones(2, 1, 8, 8), torch.full((2, 3, 8, 8), 0.5)
    shares = target.clone(), target.clone()
    shares[0][0] += 20 / 255
    shares[1][:] += 10 / 255
    one_wrong, both_half = (float(picture_loss(drawn, target, mouth)) for drawn in shares)
    assert one_wrong < both_half


def gradient(reference: Tensor, target: Tensor) -> Tensor:
    gate = torch.full((1, 1, 4, 4), -30.0, requires_grad=True)
    found: Tensor
    (found,) = torch.autograd.grad(kept_loss(gate, reference, target), gate)
    return found


def test_a_saturated_gate_still_learns_to_keep_what_is_the_same() -> None:
    reference = torch.full((1, 3, 4, 4), 0.1)
    target = reference.clone()
    target[..., :2] += 0.1
    found = gradient(reference, target)
    assert (found[..., 2:] < -1e-4).all(), "open it"
    assert (found[..., :2] == 0).all(), "what has to be drawn is left to the pictures"

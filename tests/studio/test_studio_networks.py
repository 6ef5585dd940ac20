"""The networks have the shapes of the contract, and sizes as the family's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the studio is not installed")

from viseme.engine import AudioEncoder, Inferencer  # noqa: E402
from viseme.studio.export import export, export_generator  # noqa: E402
from viseme.studio.hearing_nets import (  # noqa: E402
    ConvOverTime,
    NarrowedWindow,
    Throats,
    TimeEncoderNet,
    WholeConv,
)
from viseme.studio.mouth import POSE_CHANNELS  # noqa: E402
from viseme.studio.networks import (  # noqa: E402
    FULL_LADDER,
    MOBILE_LADDER,
    GeneratorConfig,
    GeneratorNet,
    LipSyncNet,
    NetworkConfig,
    closed_lips,
)
from viseme.studio.speech.throat import warped  # noqa: E402

TINY = NetworkConfig(GeneratorConfig(ladder=(8, 8, 12, 16), fold=4, gate=True), (4, 8, 8, 8))
AREA = ((64, 288), (32, 256))
DENSE = NetworkConfig(
    replace(TINY.generator, whole_window=True, drawn=AREA),
    encoder_ladder=(8, 8, 8),
    encoder_over_time=True,
    encoder_throats=(0.9, 1.0, 1.2),
)
POSED = replace(
    DENSE, generator=replace(DENSE.generator, whole_window=False, posed=True, window_rank=6)
)


def parameters(net: GeneratorNet) -> float:
    return sum(p.numel() for p in net.parameters()) / 1e6


@pytest.mark.parametrize(
    ("ladder", "millions", "gflop"),
    [(FULL_LADDER, 12.19, 9.77), (MOBILE_LADDER, 3.10, 2.64)],
    ids=["full", "mobile"],
)
def test_unfolded_generators_are_the_familys(
    ladder: tuple[int, ...], millions: float, gflop: float
) -> None:
    net = GeneratorNet(GeneratorConfig(ladder)).eval()
    assert parameters(net) == pytest.approx(millions, abs=0.005)
    operations: list[int] = []

    def count(layer: Any, _: Any, made: Any) -> None:
        operations.append(2 * made[0].numel() * layer.weight[0].numel())

    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        net(torch.rand(1, 6, 320, 320), torch.randn(1, 32, 16, 16))
    assert sum(operations) / 1e9 == pytest.approx(gflop, abs=0.005)


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(ladder=(4, 4, 6, 6, 8)),
        GeneratorConfig(ladder=(4, 4, 6, 8), fold=2),
        GeneratorConfig(ladder=(4, 4, 6, 8), fold=4, gate=True),
        GeneratorConfig(ladder=(4, 4, 6, 8), size=160),
        GeneratorConfig(ladder=(4, 4, 6, 8), fold=4, whole_window=True),
        GeneratorConfig(ladder=(4, 4, 6, 8), fold=4, whole_window=True, window_rank=6),
        GeneratorConfig(ladder=(4, 4, 6, 8), fold=4, posed=True),
    ],
    ids=["plain", "fold 2", "fold 4 with gate", "160", "whole window", "narrowed", "posed"],
)
def test_a_generator_gives_a_picture_in_range(config: GeneratorConfig) -> None:
    net = GeneratorNet(config).eval()
    with torch.no_grad():
        out = net(torch.rand(2, 6, config.size, config.size), torch.randn(2, 32, 16, 16))
    assert out.shape == (2, 3, config.size, config.size)
    assert 0 <= out.min() <= out.max() <= 1


def test_a_narrowed_window_is_read_like_a_whole_one_of_that_rank() -> None:
    narrowed = NarrowedWindow(rank=5, outputs=7)
    whole = WholeConv(32, 7, 16, bias=False)
    window = torch.randn(3, 32, 16, 16)
    with torch.no_grad():
        each = narrowed.read.weight.view(7, 16, 5) @ narrowed.narrow.weight
        whole.weight.copy_(each.reshape(whole.weight.shape))
        torch.testing.assert_close(narrowed(window), whole(window), rtol=1e-4, atol=1e-5)


def test_a_window_that_is_no_whole_is_not_narrowed() -> None:
    with pytest.raises(ValueError, match="narrowed with whole_window, or with posed, alone"):
        GeneratorConfig(window_rank=64)


def test_a_fold_that_misses_the_bottleneck_is_refused() -> None:
    with pytest.raises(ValueError, match="a crop of 320 folded by 3 cannot reach 10 x 10"):
        _ = GeneratorConfig(fold=3).downs


def test_windows_hold_sixteen_features_in_order() -> None:
    net = LipSyncNet(TINY).eval()
    patches = torch.randn(1, 18, 1, 80, 16)
    with torch.no_grad():
        windows = net.windows(net.hear(patches), torch.ones(1, 18))
        features = net.encoder(patches[0])
    assert windows.shape == (1, 3, 32, 16, 16)
    torch.testing.assert_close(windows[0, 2].reshape(16, 512), features[2:18])


def test_features_outside_the_sound_are_zero() -> None:
    net = LipSyncNet(TINY).eval()
    valid = torch.ones(1, 16)
    valid[0, :3] = 0
    with torch.no_grad():
        features = net.hear(torch.randn(1, 16, 1, 80, 16))
        window = net.windows(features, valid).reshape(16, 512)
    assert (window[:3] == 0).all()
    assert (window[3:] != 0).any()


def test_throats_of_other_lengths_hear_what_is_moved_and_no_harmonics() -> None:
    rng = np.random.default_rng(3)
    mel = np.repeat(rng.normal(-1, 1, (1, 80)), 16, axis=0).astype(np.float32)
    with torch.no_grad():
        heard = Throats((1.0, 1.25))(torch.from_numpy(mel.T)[None, None])[0].numpy()
    own, other = heard.transpose(0, 2, 1)
    np.testing.assert_allclose(other, warped(own, 1.25), atol=1e-5)
    comb = np.where(np.arange(80) % 4 < 2, 1.0, -1.0).astype(np.float32)  # a high voice's low bands
    with torch.no_grad():
        kept = Throats((1.0,))(torch.from_numpy(comb)[None, None, :, None].expand(1, 1, 80, 16))
    assert kept[0, 0, 4:20].abs().max() < 0.3


def test_an_encoder_finds_the_same_in_whatever_throat_is_one_of_its_own() -> None:
    encoder = TimeEncoderNet((8, 8, 8), (1.0, 1.25)).eval()
    alone = TimeEncoderNet((8, 8, 8), (1.25,)).eval()
    alone.load_state_dict(encoder.state_dict())
    only = TimeEncoderNet((8, 8, 8), (1.0,)).eval()
    only.load_state_dict(encoder.state_dict())
    mel = torch.randn(4, 1, 80, 16)
    with torch.no_grad():
        found = torch.stack([net.body(net.ears(mel).flatten(0, 1)) for net in (alone, only)])
        expected = encoder.project(found.amax(dim=0).flatten(1))
        torch.testing.assert_close(encoder(mel), expected)


@pytest.mark.parametrize(("moments", "stride"), [(16, 1), (16, 2), (7, 2), (5, 1)])
def test_a_convolution_over_time_is_the_same_in_training_and_in_use(
    moments: int, stride: int
) -> None:
    layer = ConvOverTime(6, 9, stride)
    heard = torch.randn(3, 6, moments)
    with torch.no_grad():
        trained = layer.train()(heard)
        torch.testing.assert_close(layer.eval()(heard), trained)


def test_a_posed_picture_follows_the_pose_within_its_range() -> None:
    net = LipSyncNet(POSED).eval()
    visual, window = torch.rand(3, 6, 320, 320), torch.randn(3, 32, 16, 16)
    with torch.no_grad():
        pose = net.generator.audio(window)
        pictures = net.generator(visual, window)
        assert pose.shape == (3, 8)
        torch.testing.assert_close(net.generator.show(visual, closed_lips(pose)), pictures)
        low = torch.tensor([[0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]).expand(3, 8)
        lowest = net.generator.show(visual, low)
        torch.testing.assert_close(net.generator.show(visual, low - 1), lowest)
        assert not torch.equal(net.generator.show(visual, low + 1), lowest)


def test_lips_that_are_hardly_open_are_closed() -> None:
    opening = torch.tensor([-0.2, 0.0, 0.05, 0.09, 0.15, 0.5, 1.0])
    poses = torch.full((7, 8), 0.03)
    poses[:, POSE_CHANNELS.index("open")] = opening
    closed = closed_lips(poses)[:, POSE_CHANNELS.index("open")].clamp(0)
    torch.testing.assert_close(closed, torch.tensor([0.0, 0.0, 0.0, 0.06, 0.15, 0.5, 1.0]))
    others = [i for i, name in enumerate(POSE_CHANNELS) if name != "open"]
    assert torch.equal(closed_lips(poses)[:, others], poses[:, others])


@pytest.mark.parametrize("config", [TINY, DENSE, POSED], ids=["family", "dense", "posed"])
def test_a_config_survives_its_dictionary(config: NetworkConfig) -> None:
    assert NetworkConfig.from_dict(config.as_dict()) == config


def test_no_more_than_the_area_is_looked_at_and_drawn() -> None:
    net = LipSyncNet(DENSE).eval()
    inside = torch.zeros(320, 320, dtype=torch.bool)
    (top, bottom), (left, right) = AREA
    inside[top:bottom, left:right] = True
    visual, audio = torch.rand(2, 6, 320, 320), torch.randn(2, 32, 16, 16)
    with torch.no_grad():
        first = net.generator(visual, audio)
        others = net.generator(torch.where(inside, visual, 1 - visual), audio)
    assert torch.equal(first[..., ~inside], visual[:, :3][..., ~inside])
    assert torch.equal(first[..., inside], others[..., inside])
    assert not torch.equal(first[..., inside], visual[:, :3][..., inside])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gate": False}, "with gate, and with whole_window or posed, alone"),
        ({"whole_window": False}, "with gate, and with whole_window or posed, alone"),
        ({"drawn": ((60, 288), (32, 256))}, "60 to 288 does not begin and end at multiples of 32"),
        ({"drawn": ((64, 288), (32, 352))}, "32 to 352 does not"),
        ({"drawn": ((64, 64), (32, 256))}, "64 to 64 does not"),
    ],
)
def test_an_area_that_cannot_be_drawn_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(DENSE.generator, **changes)


@pytest.mark.parametrize("config", [TINY, POSED], ids=["family", "posed"])
def test_an_exported_pair_runs_in_the_engine(config: NetworkConfig, tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = LipSyncNet(config).eval()
    export(net, tmp_path / "generator.onnx", tmp_path / "audio_encoder.onnx")
    mel = np.random.default_rng(3).standard_normal((5, 1, 80, 16), np.float32)
    with torch.no_grad():
        heard = net.encoder(torch.from_numpy(mel)).numpy()
    check_draws_alike(net.generator, tmp_path / "generator.onnx")
    with AudioEncoder(tmp_path / "audio_encoder.onnx") as encode:
        np.testing.assert_allclose(encode(mel), heard, atol=2e-3)


def test_an_exported_generator_that_hears_a_whole_window_runs_in_the_engine(tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = GeneratorNet(DENSE.generator).eval()
    export_generator(net, tmp_path / "generator.onnx")
    check_draws_alike(net, tmp_path / "generator.onnx")


def check_draws_alike(net: GeneratorNet, path: Path) -> None:
    """Hold a file to the network that it was made of, with batches of another size."""
    rng = np.random.default_rng(3)
    visual = rng.random((3, 6, 320, 320), np.float32)
    audio = rng.standard_normal((3, 32, 16, 16), np.float32)
    with torch.no_grad():
        drawn = net(torch.from_numpy(visual), torch.from_numpy(audio)).numpy()
    with Inferencer(path, backend="onnxruntime") as inferencer:
        assert inferencer.info.batch is None
        np.testing.assert_allclose(inferencer.infer_batch(visual, audio), drawn, atol=0.5 / 255)

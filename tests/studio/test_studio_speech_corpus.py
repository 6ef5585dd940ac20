"""The corpus: sentences, storage, augmentation, clips, and what is held out."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from viseme.errors import InputError, OutputError
from viseme.studio.speech.augment import augment, coloured, stretched
from viseme.studio.speech.clips import training_clip
from viseme.studio.speech.coarticulation import pose_track
from viseme.studio.speech.corpus import build_corpus, padded
from viseme.studio.speech.demo import write_demo_speech
from viseme.studio.speech.held_out import held_out_corpus
from viseme.studio.speech.noise import Noise, noise, speechless
from viseme.studio.speech.phones import SILENCE
from viseme.studio.speech.store import open_corpus, write_corpus
from viseme.studio.speech.texts import held_out_sentences, training_sentences
from viseme.studio.speech.utterance import SAMPLE_RATE_HZ, Phone, Samples, Utterance

needs_voices = pytest.mark.skipif(
    shutil.which("flite") is None or shutil.which("espeak-ng") is None,
    reason="flite or espeak-ng is not installed",
)


def tone(seconds: float, hz: float = 440.0) -> Samples:
    times_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * hz * times_s)).astype(np.float32)


def utterance(seconds: float = 1.0, hz: float = 440.0) -> Utterance:
    phones = (
        Phone("aa", 0.0, 0.3),
        Phone("m", 0.3, 0.4),
        Phone("iy", 0.4, seconds),
    )
    return Utterance(tone(seconds, hz), phones, "test/tone", f"A tone of {hz} Hz.")


def test_sentences_are_many_and_held_out_ones_are_others() -> None:
    training, held_out = training_sentences(), held_out_sentences()
    assert len(training) == len(set(training)) >= 600
    assert len(held_out) == len(set(held_out)) >= 40
    assert not set(training) & set(held_out)
    assert all(text.isascii() and text[-1] in ".?!" for text in training + held_out)


def test_corpus_comes_back_as_it_was_written(tmp_path: Path) -> None:
    spoken = [utterance(1.0, 440.0), utterance(0.7, 220.0)]
    write_corpus(tmp_path / "new" / "folder", "recipe", spoken)
    corpus = open_corpus(tmp_path / "new" / "folder", "recipe")
    assert corpus is not None
    assert len(corpus) == 2
    assert corpus.duration_s == pytest.approx(1.7)
    assert corpus.seconds_by_voice() == {"test/tone": pytest.approx(1.7)}
    for stored, given in zip(corpus, spoken, strict=True):
        np.testing.assert_allclose(stored.samples, given.samples, atol=1 / 32768)
        assert (stored.phones, stored.text) == (given.phones, given.text)
    assert [stored.text for stored in corpus[1:]] == [spoken[1].text]


def test_another_recipe_or_damage_is_no_corpus(tmp_path: Path) -> None:
    write_corpus(tmp_path, "recipe", [utterance()])
    assert open_corpus(tmp_path, "another recipe") is None
    samples = tmp_path / "samples.s16"
    samples.write_bytes(samples.read_bytes()[:-2])
    assert open_corpus(tmp_path, "recipe") is None
    (tmp_path / "corpus.json").write_text('{"format": 1}')
    assert open_corpus(tmp_path, "recipe") is None
    assert open_corpus(tmp_path / "nowhere", "recipe") is None


def test_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written to"):
        write_corpus(tmp_path / "file", "recipe", [utterance()])


def test_padding_moves_the_phones_with_the_sound() -> None:
    speech = padded(utterance(), 0.5, 0.25)
    assert speech.duration_s == pytest.approx(1.75)
    assert speech.phones[0] == Phone(SILENCE, 0.0, 0.5)
    assert speech.phones[1] == Phone("aa", 0.5, 0.8)
    assert speech.phones[-1] == Phone(SILENCE, 1.5, 1.75)
    np.testing.assert_array_equal(speech.samples[8000:24000], utterance().samples)
    assert not speech.samples[:8000].any()
    assert not speech.samples[24000:].any()


def test_stretching_moves_times_with_the_sound() -> None:
    click = np.zeros(16_000, np.float32)
    click[8_000] = 1.0
    longer, phones = stretched(click, (Phone("t", 0.5, 0.6),), 1.1)
    assert len(longer) == pytest.approx(17_600, abs=2)
    assert np.abs(longer).argmax() / SAMPLE_RATE_HZ == pytest.approx(phones[0].start_s, abs=0.001)


def test_augmentation_depends_on_the_seed_alone() -> None:
    speech = utterance()
    results = [
        augment(speech.samples, speech.phones, np.random.default_rng(seed)) for seed in (7, 7, 8)
    ]
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert len(results[2][0]) != len(results[0][0]) or (results[2][0] != results[0][0]).any()


@pytest.mark.parametrize("samples", [tone(1.0), np.zeros(16_000, np.float32), tone(0.001)])
def test_colour_keeps_length_and_range(samples: Samples) -> None:
    for seed in range(40):
        result = coloured(samples, np.random.default_rng(seed))
        assert result.shape == samples.shape
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
        assert np.abs(result).max() <= 1


def test_colour_moves_nothing_in_time() -> None:
    click = np.zeros(16_000, np.float32)
    click[8_000:8_040] = tone(0.0025, 2000.0)
    for seed in range(40):
        result = coloured(click, np.random.default_rng(seed))
        assert abs(int(np.abs(result).argmax()) - 8_020) < 64


def test_nothing_to_colour() -> None:
    assert len(coloured(np.zeros(0, np.float32), np.random.default_rng(1))) == 0


@pytest.mark.parametrize("kind", list(Noise))
def test_noise_has_the_level_asked_for(kind: Noise) -> None:
    raw = noise(kind, 32_000, np.random.default_rng(1))
    assert np.sqrt(np.square(raw).mean()) == pytest.approx(1.0, rel=1e-3)
    quiet = speechless(2.0, kind, -40.0, np.random.default_rng(1))
    assert np.sqrt(np.square(quiet.samples).mean()) == pytest.approx(0.01, rel=1e-3)
    assert quiet.phones == (Phone(SILENCE, 0.0, 2.0),)


def test_lower_noises_have_less_treble() -> None:
    treble = []
    for kind in (Noise.WHITE, Noise.PINK, Noise.BROWN):
        power = np.abs(np.fft.rfft(noise(kind, 32_000, np.random.default_rng(2)))) ** 2
        treble.append(float(power[8_000:].sum() / power.sum()))
    assert treble[0] > 3 * treble[1] > 9 * treble[2]


def test_clips_hold_matching_sound_and_movement(tmp_path: Path) -> None:
    speech = padded(utterance(1.5), 0.3, 0.3)
    corpus = write_corpus(tmp_path, "recipe", [speech])
    rng = np.random.default_rng(3)
    spoken = 0
    for _ in range(60):
        clip = training_clip(corpus, rng, frame_count=50)
        assert clip.samples.shape == (32_000,)
        spoken += any(phone.symbol != SILENCE for phone in clip.phones)
        poses = pose_track(clip.phones, 50)
        for phone in clip.phones:
            frame = round(phone.centre_s * 25)
            if phone.symbol == "m" and 0 < frame < 49:
                assert poses[frame - 1 : frame + 2, 1].min() <= 0.03
    assert 40 < spoken < 60


@needs_voices
def test_training_speech_is_repeatable(tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path / "a", seed=5, minutes=0.5)
    again = build_corpus(tmp_path / "b", seed=5, minutes=0.5)
    assert corpus.duration_s >= 30
    assert (tmp_path / "a/samples.s16").read_bytes() == (tmp_path / "b/samples.s16").read_bytes()
    assert [u.phones for u in corpus] == [u.phones for u in again]


@needs_voices
def test_training_speech_is_balanced_and_without_what_is_held_out(tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path, seed=5, minutes=4.0)
    assert corpus.duration_s >= 240
    seconds = corpus.seconds_by_voice()
    flite_s = sum(length for voice, length in seconds.items() if voice.startswith("flite/"))
    assert flite_s / corpus.duration_s == pytest.approx(
        0.6, abs=0.1
    )  # voices speak whole sentences
    assert not any("slt" in voice for voice in seconds)
    assert not {u.text for u in corpus} & set(held_out_sentences())


@needs_voices
def test_training_speech_is_made_once(tmp_path: Path) -> None:
    heard: list[float] = []
    build_corpus(tmp_path, seed=5, minutes=0.2, progress=heard.append)
    calls = len(heard)
    assert heard[-1] >= 12
    build_corpus(tmp_path, seed=5, minutes=0.2, progress=heard.append)
    assert len(heard) == calls
    build_corpus(tmp_path, seed=6, minutes=0.2, progress=heard.append)
    assert len(heard) > calls


@needs_voices
def test_held_out_speech(tmp_path: Path) -> None:
    corpus = held_out_corpus(tmp_path)
    spoken = [u for u in corpus if u.voice == "flite/slt"]
    assert [u.text for u in spoken] == list(held_out_sentences())
    quiet = [u for u in corpus if u.voice != "flite/slt"]
    assert {u.voice for u in quiet} == {"silence", *(f"noise/{kind}" for kind in Noise)}
    assert all(phone.symbol == SILENCE for u in quiet for phone in u.phones)


@needs_voices
def test_a_training_voice_says_the_held_out_sentences_too(tmp_path: Path) -> None:
    corpus = held_out_corpus(tmp_path, "kal16")
    assert [u.text for u in corpus if u.voice == "flite/kal16"] == list(held_out_sentences())


def test_an_unknown_voice_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="no voice 'kal' to measure with: use slt, awb, kal16, rms"
    ):
        held_out_corpus(tmp_path, "kal")


@needs_voices
def test_demo_speech_is_a_small_flac(tmp_path: Path) -> None:
    path = tmp_path / "demo.flac"
    speech = write_demo_speech(path)
    assert 12 <= speech.duration_s <= 16
    assert path.stat().st_size < 400_000
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels) == (16_000, 1)
        decoded = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    np.testing.assert_allclose(decoded / 32767, speech.samples, atol=1e-4)
    assert [p.name for p in tmp_path.iterdir()] == ["demo.flac"]


@needs_voices
def test_demo_speech_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written to"):
        write_demo_speech(tmp_path / "nowhere" / "demo.flac")

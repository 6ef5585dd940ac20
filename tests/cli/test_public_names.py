import importlib
import subprocess
import sys

import pytest

import viseme


def test_all_is_sorted_and_short() -> None:
    assert viseme.__all__ == sorted(viseme.__all__)
    assert len(viseme.__all__) <= 13


@pytest.mark.parametrize("name", viseme.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(viseme, name) is not None
    assert name in dir(viseme)


def test_the_rooms_do_not_take_the_functions_places() -> None:
    rooms = ("audio", "avatar", "engine", "compose", "rendering", "video", "serving", "client")
    for room in (*rooms, "bench", "cli"):
        importlib.import_module(f"viseme.{room}")
    assert callable(viseme.render)
    assert callable(viseme.render_file)
    assert callable(viseme.audio.mel_spectrogram)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'viseme' has no attribute 'rendre'"):
        viseme.rendre  # noqa: B018


def test_importing_loads_no_libraries() -> None:
    code = (
        "import sys, viseme; "
        "print([m for m in ('numpy', 'cv2', 'av', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

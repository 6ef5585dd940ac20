"""What takes long to make and is used many times: records in files, each whole or absent.

What was interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viseme.studio.processes import made_ahead
from viseme.video.target import output_errors

__all__ = ["RECORDS_IN_A_FILE", "Records", "make_records"]

RECORDS_IN_A_FILE: Final = 50

Make = Callable[[int, int], NDArray[Any]]
"""Makes the records of a file, given its number and how many they are."""


class Records:
    """Records on disk, mapped into memory and read as they are asked for.

    Args:
        files: those of `make_records`, in order.
        count: how many records; the last file may hold more.
    """

    def __init__(self, files: Sequence[Path], count: int) -> None:
        self._files = [np.load(path, mmap_mode="r") for path in files]
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Any:
        """Return one, with its fields by name; a view of the file.

        Raises:
            IndexError: there is no such record.
        """
        if not 0 <= index < self._count:
            raise IndexError(f"record {index} of {self._count}")
        return self._files[index // RECORDS_IN_A_FILE][index % RECORDS_IN_A_FILE]


def make_records(
    folder: Path,
    name: str,
    count: int,
    make: Make,
    on_progress: Callable[[int], None] = lambda made: None,
    workers: int = 0,
) -> Records:
    """Make records, or take those that are there already.

    Args:
        folder: where they are kept, and nothing that was made otherwise.
        name: what a file's name begins with.
        count: how many there are to be.
        make: decides by the file's number alone what is in it.
        on_progress: told how many there are by now.
        workers: processes that make them; 0 makes them in this one.

    Raises:
        OutputError: the folder cannot be written.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}-{number:04}.npy" for number in range(-(-count // RECORDS_IN_A_FILE))]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    files = len(paths) - len(missing)
    made = made_ahead(lambda number: make(number, RECORDS_IN_A_FILE), missing, workers)
    for number, records in zip(missing, made, strict=True):
        unfinished = paths[number].with_suffix(".part")
        with output_errors(paths[number]):
            with unfinished.open("wb") as file:
                np.save(file, records)
            unfinished.replace(paths[number])
        files += 1
        on_progress(min(count, files * RECORDS_IN_A_FILE))
    return Records(paths, count)

"""The process around one work: `python -m viseme.bench.child SPEC`.

It answers in lines of JSON: first that it is ready, or why not, then what each request took. A
request is a line with a number of frames; the end of its input ends it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from viseme.bench.work import Spec
from viseme.bench.works import open_work
from viseme.errors import VisemeError

__all__ = ["main"]

_KIB = 1024


def main() -> None:
    """Open the work that the command line tells, and do what is asked for."""
    spec = Spec(**json.loads(sys.argv[1]))
    # What libraries print goes to the standard error: the output is for answers alone.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**values: object) -> None:
        print(json.dumps(values), file=answers, flush=True)

    start_s = time.perf_counter()
    try:
        with open_work(spec) as work:
            opened_s = time.perf_counter()
            work.make(1)
            answer(
                event="ready",
                backend=work.backend,
                warm_up_s=opened_s - start_s,
                first_s=time.perf_counter() - opened_s,
            )
            for line in sys.stdin:
                start_s, busy_s = time.perf_counter(), time.process_time()
                frames = work.make(int(line))
                answer(
                    event="made",
                    frames=frames,
                    seconds=time.perf_counter() - start_s,
                    core_seconds=time.process_time() - busy_s,
                    run_seconds=list(work.run_seconds),
                    peak_bytes=_peak_bytes(),
                )
    except VisemeError as error:
        answer(event="refused", error=str(error))


def _peak_bytes() -> int:
    """Tell the most memory that this process has held at once.

    Not from `getrusage`, whose figure also knows the parent's memory before the program began.
    """
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * _KIB
    return 0


if __name__ == "__main__":
    main()

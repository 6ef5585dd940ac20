"""`POST /batch`: faces and windows as JSON, the contract of the clients that there were before."""

from __future__ import annotations

import time
from typing import Final

from viseme.serving.doors.http_call import Call, Pace, check_type
from viseme.serving.doors.http_json import encode_batch, parse_batch
from viseme.serving.house import House
from viseme.serving.limits import Guest

__all__ = ["BatchRoute"]

_SLOWEST_BYTES_PER_S: Final = 2**16
"""Half a megabit a second: who has less cannot mean to send faces."""


class BatchRoute:
    """Answers batches.

    Args:
        house: what is behind the door.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        limits = house.desk.admission.limits
        self._most_bytes = limits.message_bytes
        self._pace = Pace(limits.stall_s, _SLOWEST_BYTES_PER_S)

    async def __call__(self, call: Call) -> None:
        """Answer one; an error is told as it was before, beside what all errors have."""
        call.error_fields = {"output_frames": [], "inference_time_ms": 0.0, "success": False}
        check_type(call, "application/json")
        with call.visit.admit() as guest:
            call.expect_body(self._pace, self._most_bytes, guest)
            pieces = await call.on_thread(self._answer, call, guest, await call.body())
            await call.answer_pieces(pieces, sum(map(len, pieces)))

    def _answer(self, call: Call, guest: Guest, body: bytearray) -> list[bytes]:
        batch = parse_batch(body)
        call.visit.fields["bytes"] = len(body)
        body.clear()  # the numbers are as large again
        desk = self._house.tensors
        request = desk.checked(batch.visual, batch.audio, batch.batch_size, batch.start_frame_idx)
        call.visit.fields["frames"] = len(request)
        guest.claim(frames=len(request))
        start_s = time.monotonic()
        faces = call.wait_for(desk.submit(request, None))
        return list(encode_batch(faces, 1_000 * (time.monotonic() - start_s)))

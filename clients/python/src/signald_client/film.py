"""Picture and sound that nobody has filmed: a bar that wanders, and a tone. Needs the extra ``bot``."""

import array
import asyncio
import fractions
import itertools
import math
import time
from typing import Final

from aiortc import MediaStreamTrack, VideoStreamTrack
from av import AudioFrame, VideoFrame

WIDTH: Final = 320
HEIGHT: Final = 240

BAR: Final = 40
"""Pixels; the bar moves on by a tenth of it with each picture."""

RATE: Final = 48_000
"""Samples in a second."""

SAMPLES: Final = RATE // 50
"""In one frame of sound, 20 ms."""

HERTZ: Final = 300
"""Of the tone: whole waves in a frame."""

LOUDNESS: Final = 2_000
"""Of at most 32,767."""


class Film(VideoStreamTrack):
    """A light bar that wanders from left to right, at 30 pictures in a second."""

    def __init__(self) -> None:
        super().__init__()
        self._places = itertools.cycle(range(0, WIDTH - BAR, BAR // 10))

    async def recv(self) -> VideoFrame:
        """The next picture, when its time has come."""
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        place = next(self._places)
        row = bytes([60]) * place + bytes([200]) * BAR
        for plane, (width, line) in zip(
            frame.planes,
            ((WIDTH, row), (WIDTH // 2, b"\x60" * (WIDTH // 2)), (WIDTH // 2, b"\xa0" * (WIDTH // 2))),
            strict=True,
        ):
            plane.update(line.ljust(width, b"\x3c").ljust(plane.line_size, b"\0") * plane.height)
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(MediaStreamTrack):
    """A soft tone."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        wave = (LOUDNESS * math.sin(2 * math.pi * HERTZ * sample / RATE) for sample in range(SAMPLES))
        self._wave = array.array("h", map(round, wave)).tobytes()
        self._began = 0.0
        self._frames = 0

    async def recv(self) -> AudioFrame:
        """The next 20 ms, when their time has come."""
        if self.readyState != "live":
            raise asyncio.CancelledError
        if self._frames:
            await asyncio.sleep(self._began + self._frames * SAMPLES / RATE - time.monotonic())
        else:
            self._began = time.monotonic()
        frame = AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(self._wave.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._frames * SAMPLES, fractions.Fraction(1, RATE)
        self._frames += 1
        return frame

"""Standard MIDI Files of one voice, format 0, as the MIDI 1.0 specification (1996) lays them out."""

from __future__ import annotations

import struct
from collections.abc import Sequence

TICKS = 480  # a quarter note
EIGHTH = TICKS // 2
VELOCITY = 80  # of 127


def midi_file(notes: Sequence[tuple[int, int]], *, tempo: float = 100, metre: str = "4/4", program: int = 0) -> bytes:
    """One voice as the bytes of a MIDI file.

    Args:
        notes: MIDI pitch, 0 to 127, and length in eighths, one after the other.
        tempo: Quarter notes a minute.
        metre: Such as ``6/8``; its lower number a power of two.
        program: General MIDI's number of the instrument, from 0.
    """
    beats, unit = (int(part) for part in metre.split("/"))
    microseconds = round(60_000_000 / tempo)
    track = bytearray()
    track += _event(0, b"\xff\x51\x03" + microseconds.to_bytes(3, "big"))
    track += _event(0, b"\xff\x58\x04" + bytes((beats, unit.bit_length() - 1, 24, 8)))
    track += _event(0, bytes((0xC0, program)))
    for pitch, length in notes:
        track += _event(0, bytes((0x90, pitch, VELOCITY)))
        track += _event(length * EIGHTH, bytes((0x80, pitch, 0)))
    track += _event(0, b"\xff\x2f\x00")
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + bytes(track)


def _event(delay: int, message: bytes) -> bytes:
    """A message behind its delay in ticks."""
    return variable_length(delay) + message


def variable_length(number: int) -> bytes:
    """A number of up to 28 bits in sevens, the highest first, all but the last with the top bit set."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))

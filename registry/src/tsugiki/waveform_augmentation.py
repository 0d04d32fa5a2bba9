"""Augmentation of waveforms, on the device, as a pure function of (seed, epoch, row), as `augmentation` has it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .augmentation import AugmentationFields, counter_uniform


@dataclass(frozen=True)
class WaveformAugmentation(AugmentationFields):
    """Random changes of training waveforms; a field at its default does nothing.

    Attributes:
        shift: Move by up to this fraction of the length either way; what is left free is silence.
        speed: Play faster or slower by up to this fraction, pitch and all.
        gain: Louder or softer by up to this many decibels.
        noise: Add white noise of up to this root mean square.

    The column ``input_values`` is float (B, T); so is the result.
    """

    shift: float = 0.0
    speed: float = 0.0
    gain: float = 0.0
    noise: float = 0.0

    _below_1 = ("shift", "speed")

    def __call__(self, batch: dict[str, Tensor], *, rows: Tensor, epoch: int, seed: int) -> dict[str, Tensor]:
        """Augment ``input_values`` of a batch; other columns pass through.

        Args:
            batch: Columns.
            rows: Ids of the rows (B,).
            epoch: Epoch number.
            seed: Seed.
        """
        waveforms = batch["input_values"]  # (B, T)
        draws = counter_uniform(rows, 4, seed=seed, epoch=epoch, stream=0) * 2 - 1  # in -1..1
        if self.shift or self.speed:
            waveforms = _played(waveforms, draws[:, :1] * self.shift, 1 + draws[:, 1:2] * self.speed)
        if self.gain:
            waveforms = waveforms * 10 ** (draws[:, 2:3] * self.gain / 20)
        if self.noise:
            level = (draws[:, 3:] + 1) / 2 * self.noise * math.sqrt(3)  # of uniform noise in -1..1 with this deviation
            uniform = counter_uniform(rows, waveforms.shape[1], seed=seed, epoch=epoch, stream=1)
            waveforms = waveforms + (uniform * 2 - 1) * level
        return {**batch, "input_values": waveforms}


def _played(waveforms: Tensor, shift: Tensor, speed: Tensor) -> Tensor:
    """Waveforms (B, T) read at other places, between two samples in proportion: shifted and at another speed."""
    length = waveforms.shape[1]
    middle = (length - 1) / 2
    time = torch.arange(length, device=waveforms.device)
    places = middle + (time - middle - shift * length) * speed  # (B, T)
    before = places.floor()
    after_share = places - before
    index = before.long()

    def read(at: Tensor) -> Tensor:
        inside = (at >= 0) & (at < length)
        return waveforms.gather(1, at.clamp(0, length - 1)) * inside

    return read(index) * (1 - after_share) + read(index + 1) * after_share

"""What a stylizer is trained and measured against: the VGG of a name and the painting of a title."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tsugiki.errors import DataError, SnapshotError, did_you_mean
from tsugiki.public_record import is_path

from .style_losses import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    LossNetwork,
    content_loss,
    gram_matrices,
    layer_weights,
    style_loss,
)
from .style_transfer import picture_of_size

if TYPE_CHECKING:
    from .stylizer import StylizerConfig


class StyleJudge:
    """Style and content losses of painted pictures, against one painting and the photographs they were made of.

    Args:
        network: A VGG.
        painting: `(3, h, w)`, from 0 to 1.
    """

    def __init__(self, network: LossNetwork, painting: Tensor) -> None:
        self.network = network
        self.weights = layer_weights(STYLE_LAYERS)
        with torch.no_grad():
            self.style = gram_matrices(network(painting[None], STYLE_LAYERS), STYLE_LAYERS)  # (1, C, C) each

    def to(self, device: torch.device) -> StyleJudge:
        """Move to a device, in place."""
        with torch.inference_mode(False):
            self.network.to(device)
            self.style = {name: gram.to(device) for name, gram in self.style.items()}
        return self

    def style_of(self, pictures: Tensor) -> Tensor:
        """The style loss of pictures `(N, 3, H, W)` from 0 to 1, `(N,)`."""
        grams = gram_matrices(self.network(pictures, STYLE_LAYERS), STYLE_LAYERS)
        return style_loss(grams, self.style, self.weights)

    def losses(self, painted: Tensor, photographs: Tensor) -> tuple[Tensor, Tensor]:
        """The style losses `(N,)` and content losses `(N,)` of painted pictures `(N, 3, H, W)` from 0 to 1."""
        with torch.no_grad():
            wanted = self.network(photographs, [CONTENT_LAYER])[CONTENT_LAYER]
        features = self.network(painted, [CONTENT_LAYER, *STYLE_LAYERS])
        style = style_loss(gram_matrices(features, STYLE_LAYERS), self.style, self.weights)
        return style, content_loss(features[CONTENT_LAYER], wanted)


def judge_of(config: StylizerConfig) -> StyleJudge:
    """The judge that a stylizer's config names.

    Raises:
        DataError: The data set or the painting is missing.
        TsugikiError: The VGG is missing, or is none.
    """
    return _judge(config.loss_network, config.style_data, config.style, config.style_size)


@functools.lru_cache(maxsize=1)
def _judge(loss_network: str, style_data: str, style: str, style_size: int) -> StyleJudge:
    with torch.inference_mode(False):  # first asked for by an evaluation, it must still serve a training
        try:
            network = LossNetwork.load(loss_network)
        except SnapshotError as error:
            if not is_path(loss_network):
                raise
            raise SnapshotError(
                f"the network that judges this style lay in a folder, {loss_network}, and snapshots do not tell where; "
                f"run the command beside it ({error})"
            ) from error
        return StyleJudge(network, picture_of_size(painting(style_data, style), style_size))


def painting(style_data: str, title: str) -> Tensor:
    """A painting by its title, `(3, H, W)` from 0 to 1.

    Raises:
        DataError: The data set is missing or has no such title; says which are near.
    """
    from tsugiki.data.load_data import load_split
    from tsugiki.images import open_image
    from tsugiki.picture_processing import ColorImageProcessor

    data = load_split(style_data, None)
    titles = list(data["title"])
    if title not in titles:
        raise DataError(f"{style_data} has no picture {title!r}.{did_you_mean(title, titles)}")
    picture = open_image(data[titles.index(title)]["image"], name=title)
    return torch.from_numpy(ColorImageProcessor().process_image(picture)).float() / 255

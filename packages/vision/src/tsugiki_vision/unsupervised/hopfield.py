"""The Hopfield network (Hopfield 1982, Neural networks and physical systems with emergent collective computational
abilities).

N units of -1 or +1, each connected with every other by symmetric weights. Patterns are stored in closed form; from a
damaged one the network runs downhill in energy until nothing changes, which is the nearest stored pattern if there are
not too many. With Hebb's rule and random patterns that is up to about 0.138 N of them (Amit, Gutfreund and Sompolinsky
1985). Patterns that resemble each other, as digits do, need the projection rule (Personnaz, Guyon and Dreyfus 1985).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import ModelOutput
from tsugiki.forward_options import forward_options
from tsugiki.pixel_values import check_size

from ..classifiers.layers import PictureModel

SINGULAR = 1e-6  # patterns that are linear combinations of others, relative to the largest singular value


@strict
class HopfieldConfig(PreTrainedConfig):
    """Size and rules of a Hopfield network."""

    model_type = "tsugiki_hopfield"

    image_size: int = 28  # pixels a side; each pixel of each channel is a unit
    num_channels: int = 1
    learning_rule: Literal["hebb", "projection"] = "hebb"  # 1982, or exact for patterns that resemble each other
    zero_diagonal: bool = True  # no unit feeds itself, as in the paper; the energy then falls with every change
    dynamics: Literal["asynchronous", "synchronous"] = "asynchronous"  # one unit after the other (1982), or all at once
    order_seed: int = 0  # of the fixed order in which single units are updated
    max_sweeps: int = 100  # updates of every unit after which a state that still changes is given up

    @property
    def num_units(self) -> int:
        """N."""
        return self.num_channels * self.image_size**2

    def validate_sizes(self) -> None:
        """Refuse a network without units or without time."""
        for name in ("image_size", "num_channels", "max_sweeps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")


@dataclass
class HopfieldOutput(ModelOutput):
    """Where the states came to rest.

    Attributes:
        states: -1 or +1 (B, N).
        energy: Hopfield's E of them (B,).
        sweeps: How often every unit was updated before nothing changed, int64 (B,).
        converged: Whether nothing changes any more (B,); synchronous updates may end in two states in turn.
        hidden_states: The states before and after (B, N).
    """

    states: Tensor | None = None
    energy: Tensor | None = None
    sweeps: Tensor | None = None
    converged: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


@dataclass
class PatternRecallOutput(HopfieldOutput):
    """As `HopfieldOutput`, and which stored pattern it is.

    Attributes:
        logits: Overlap of the states with each stored pattern, from -1 to 1 (B, num_labels).
    """

    logits: Tensor | None = None


def hebb_weights(patterns: Tensor) -> Tensor:
    """Hebb's rule (Hopfield 1982, equation 2), T_ij = sum over the patterns of x_i x_j, the diagonal included.

    Whole numbers, so that sums over the units are exact and two equal inputs are told apart by nothing.

    Args:
        patterns: -1 or +1 (P, N).

    Returns:
        (N, N).
    """
    return patterns.T @ patterns


def projection_weights(patterns: Tensor) -> Tensor:
    """The projection rule (Personnaz, Guyon and Dreyfus 1985), the projector onto the space that the patterns span.

    Every pattern is a fixed point, whatever their overlaps, as long as there are fewer than N.

    Args:
        patterns: -1 or +1 (P, N).

    Returns:
        (N, N).
    """
    _, singular, basis = torch.linalg.svd(patterns.double(), full_matrices=False)  # basis: (min(P, N), N)
    basis = basis[singular > SINGULAR * singular.max()]
    return (basis.T @ basis).to(patterns.dtype)


def update_order(units: int, seed: int) -> Tensor:
    """The order in which single units are updated, int64 (N,)."""
    return torch.randperm(units, generator=torch.Generator().manual_seed(seed))


def settle(
    states: Tensor, weights: Tensor, *, asynchronous: bool = True, order_seed: int = 0, max_sweeps: int = 100
) -> tuple[Tensor, Tensor, Tensor]:
    """Update states until they rest; a unit whose input is exactly 0 stays as it is.

    Args:
        states: -1 or +1 (B, N).
        weights: (N, N), symmetric.
        asynchronous: Update one unit after the other, in the order of `update_order`; all at once otherwise.
        order_seed: Of that order.
        max_sweeps: When to give up.

    Returns:
        The last states (B, N), the sweeps that changed something (B,) and whether the state rests (B,). Rows do not
        depend on each other. Of two states that follow each other for ever the later is kept.
    """
    return torch.ops.tsugiki_vision.settle(states, weights, asynchronous, order_seed, max_sweeps)


# An operator of its own: the loop runs as long as the states ask for, which no graph of the compiler can hold.
@torch.library.custom_op("tsugiki_vision::settle", mutates_args=())
def _settle(
    states: Tensor, weights: Tensor, asynchronous: bool, order_seed: int, max_sweeps: int
) -> tuple[Tensor, Tensor, Tensor]:
    order = update_order(states.shape[1], order_seed).tolist() if asynchronous else None
    final = states.clone()
    sweeps = torch.zeros(len(states), dtype=torch.int64, device=states.device)
    converged = torch.zeros(len(states), dtype=torch.bool, device=states.device)
    rows = torch.arange(len(states), device=states.device)  # those that still move
    current, before = states.clone(), torch.zeros_like(states)
    for _ in range(max_sweeps):
        following = _answer(current @ weights, current) if order is None else _one_by_one(current, weights, order)
        resting = (following == current).all(1)
        converged[rows[resting]] = True
        moving = ~resting & (following != before).any(1)  # the rest swings between two states
        before, current, rows = current[moving], following[moving], rows[moving]
        final[rows] = current
        sweeps[rows] += 1
        if len(rows) == 0:
            break
    return final, sweeps, converged


@_settle.register_fake
def _(
    states: Tensor, weights: Tensor, asynchronous: bool, order_seed: int, max_sweeps: int
) -> tuple[Tensor, Tensor, Tensor]:
    rows = states.shape[0]
    return torch.empty_like(states), states.new_empty(rows, dtype=torch.int64), states.new_empty(rows, dtype=torch.bool)


def _one_by_one(states: Tensor, weights: Tensor, order: list[int]) -> Tensor:
    """Every unit once, each seeing the changes of those before it."""
    units = states.T.clone(memory_format=torch.contiguous_format)  # (N, B): the states of a unit lie together
    for unit in order:
        units[unit] = _answer(weights[unit] @ units, units[unit])
    return units.T.contiguous()


def _answer(inputs: Tensor, states: Tensor) -> Tensor:
    return torch.where(inputs == 0, states, torch.where(inputs > 0, 1.0, -1.0).to(states.dtype))


class HopfieldPreTrainedModel(PictureModel):
    """Weight initialisation and loading for the family."""

    config: HopfieldConfig
    base_model_prefix = "hopfield"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """A network that stores nothing of use: one random pattern in the weights, whole numbers."""
        if isinstance(module, HopfieldModel):
            noise = init.uniform_(torch.empty(self.config.num_units, device=module.weights.device), -1, 1)
            init.copy_(module.weights, module.weights_of(torch.where(noise > 0, 1.0, -1.0)[None]))
        elif isinstance(module, HopfieldForPatternRecall):
            init.zeros_(module.patterns)


class HopfieldModel(HopfieldPreTrainedModel):
    """The network: stores patterns, and recalls them from damaged ones."""

    def __init__(self, config: HopfieldConfig) -> None:
        super().__init__(config)
        units = config.num_units
        self.weights = nn.Parameter(torch.empty(units, units), requires_grad=False)  # set in closed form
        self.post_init()

    def weights_of(self, patterns: Tensor) -> Tensor:
        """The weights (N, N) that store patterns -1 or +1 (P, N) by the config's rule."""
        rule = hebb_weights if self.config.learning_rule == "hebb" else projection_weights
        weights = rule(patterns)
        return weights - torch.diag(weights.diagonal()) if self.config.zero_diagonal else weights

    @torch.no_grad()
    def store(self, patterns: Tensor) -> None:
        """Store patterns in place of whatever the network knew.

        Args:
            patterns: -1 or +1 (P, N), P at least 1.

        Raises:
            ValueError: They are of another size or hold other values.
        """
        if patterns.ndim != 2 or patterns.shape[1] != self.config.num_units or len(patterns) == 0:
            raise ValueError(
                f"patterns must be (P, {self.config.num_units}) with at least one row, not {tuple(patterns.shape)}."
            )
        if not ((patterns == 1) | (patterns == -1)).all():
            raise ValueError("patterns must hold nothing but -1 and +1: binarise the pictures first.")
        self.weights.copy_(self.weights_of(patterns.to(self.weights)))

    def energy(self, states: Tensor) -> Tensor:
        """Hopfield's energy of states (B, N): -1/2 times the sum over i, j of T_ij s_i s_j (1982, equation 7), (B,)."""
        return -0.5 * ((states @ self.weights) * states).sum(1)

    def recall(self, states: Tensor) -> HopfieldOutput:
        """Run downhill from states -1 or +1 (B, N)."""
        final, sweeps, converged = settle(
            states,
            self.weights,
            asynchronous=self.config.dynamics == "asynchronous",
            order_seed=self.config.order_seed,
            max_sweeps=self.config.max_sweeps,
        )
        return HopfieldOutput(states=final, energy=self.energy(final), sweeps=sweeps, converged=converged)

    @forward_options
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None) -> HopfieldOutput:
        """Recall from pictures.

        Args:
            pixel_values: Pictures (B, num_channels, image_size, image_size), of which what is above 0 counts as +1 and
                the rest as -1.
            output_hidden_states: Return the states before and after as well; the config's value if `None`.

        Returns:
            The states in which the network rests, pixel by pixel (B, N), with their energies.
        """
        check_size(pixel_values, self.config.num_channels, self.config.image_size)
        units = pixel_values.flatten(1).to(self.weights.dtype)  # (B, N)
        states = torch.where(units > 0, torch.ones_like(units), -torch.ones_like(units))
        output = self.recall(states)
        if output_hidden_states and output.states is not None:
            output.hidden_states = (states, output.states)
        return output


class HopfieldForPatternRecall(HopfieldPreTrainedModel):
    """The network with the patterns themselves beside it, one a label, to name what was recalled.

    The network does not look at them: recall works from the weights alone.
    """

    patterns: Tensor

    def __init__(self, config: HopfieldConfig) -> None:
        super().__init__(config)
        self.hopfield = HopfieldModel(config)
        self.register_buffer("patterns", torch.zeros(config.num_labels or 0, config.num_units))
        self.post_init()

    @torch.no_grad()
    def store(self, patterns: Tensor) -> None:
        """Store one pattern -1 or +1 for each label, (num_labels, N).

        Raises:
            ValueError: They are of another number or size, or hold other values.
        """
        if len(patterns) != len(self.patterns):
            raise ValueError(f"there must be one pattern for each of the {len(self.patterns)} labels.")
        self.hopfield.store(patterns)
        self.patterns.copy_(patterns)

    @forward_options
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None) -> PatternRecallOutput:
        """Recall from pictures and compare with every stored pattern.

        Args:
            pixel_values: Pictures (B, num_channels, image_size, image_size), of which what is above 0 counts as +1 and
                the rest as -1.
            output_hidden_states: Return the states before and after as well; the config's value if `None`.

        Returns:
            The states in which the network rests (B, N), and as `logits` their overlaps with the stored patterns.
        """
        recalled = self.hopfield(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        overlaps = recalled.states @ self.patterns.T / self.config.num_units  # (B, num_labels)
        return PatternRecallOutput(**recalled, logits=overlaps)

"""Computing the nodes of many binary trees from their leaves up, a level of all trees at a time.

Trees are padded columns as `parse_trees.tree_columns` makes them: ``left`` and ``right`` hold the numbers of a node's
children (B, M), every child's number is greater than its parent's, and 0 says that there is none.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def node_heights(left: Tensor, right: Tensor) -> Tensor:
    """Steps from each node down to its farthest leaf, int64 (B, M); 0 for leaves and padding."""
    heights = torch.zeros_like(left)
    while True:
        below = torch.maximum(heights.gather(1, left), heights.gather(1, right))
        higher = torch.where(left > 0, below + 1, 0)
        if torch.equal(higher, heights):
            return heights
        heights = higher


def compose(leaves: Tensor, left: Tensor, right: Tensor, combine: Callable[[Tensor], Tensor]) -> Tensor:
    """Give every inner node the state that follows from its children's.

    All nodes of one height are computed at once, those of all trees together: as many steps as the highest tree has
    levels, and no work for padding. A graph that is compiled or traced cannot follow the trees; there it goes node by
    node, as many steps as the widest tree has places.

    Args:
        leaves: States of the leaves (B, M, D); what stands at inner nodes is replaced.
        left: Number of the left child (B, M), 0 where there is none.
        right: Number of the right child (B, M), 0 where there is none.
        combine: From the states of two children side by side (n, 2 D) to those of their parents (n, D).

    Returns:
        The states of all nodes (B, M, D).
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return _node_by_node(leaves, left, right, combine)
    return _level_by_level(leaves, left, right, combine)


def _level_by_level(leaves: Tensor, left: Tensor, right: Tensor, combine: Callable[[Tensor], Tensor]) -> Tensor:
    batch, width, size = leaves.shape
    first = torch.arange(batch, device=left.device)[:, None] * width  # of each tree among all nodes
    children = torch.stack((left + first, right + first), dim=-1).view(-1, 2)  # (B * M, 2)
    heights = node_heights(left, right).flatten()
    nodes = heights.argsort(stable=True)
    levels = nodes.split(heights.bincount().tolist())
    states = leaves.reshape(batch * width, size)
    for level in levels[1:]:
        below = states[children[level]].flatten(1)  # (n, 2 D)
        states = states.index_copy(0, level, combine(below).to(states.dtype))
    return states.view(batch, width, size)


def _node_by_node(leaves: Tensor, left: Tensor, right: Tensor, combine: Callable[[Tensor], Tensor]) -> Tensor:
    states = leaves
    places = torch.arange(leaves.shape[1], device=left.device)[None, :, None]
    for node in reversed(range(leaves.shape[1])):
        below = children_of(states, left[:, node : node + 1], right[:, node : node + 1])  # (B, 1, 2 D)
        computed = combine(below[:, 0])[:, None]  # (B, 1, D)
        chosen = (places == node) & (left[:, node] > 0)[:, None, None]  # (B, M, 1)
        states = torch.where(chosen, computed.to(states.dtype), states)
    return states


def children_of(states: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """States of the children of some nodes, side by side.

    Args:
        states: Of all nodes (B, M, D).
        left: Numbers of left children (B, n).
        right: Numbers of right children (B, n).

    Returns:
        (B, n, 2 D).
    """
    size = states.shape[2]
    pair = [states.gather(1, one[:, :, None].expand(-1, -1, size)) for one in (left, right)]
    return torch.cat(pair, dim=2)

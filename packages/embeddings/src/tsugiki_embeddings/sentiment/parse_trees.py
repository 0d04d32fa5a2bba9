"""Binary parse trees: from bracketed text to padded columns of nodes.

Two notations are read. In that of the Penn Treebank, as the Stanford Sentiment Treebank has it, every node begins with
its label: ``(3 (2 It) (4 works))``. The other has no labels, and words need no brackets of their own:
``((the film) (is (not good)))``; a group of more than two, and a sentence without any brackets, branches to the right.

The nodes of a tree are numbered in the order in which their brackets open. So the root is node 0, and every node comes
before its children; 0 therefore says "no child".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tsugiki.errors import DataError
from tsugiki.plain_text import UNSEEN, plain_text
from tsugiki.tensor_table import IGNORED

_TOKENS = re.compile(r"[()]|[^ \t\r\n()]+")  # a no-break space is part of a word, as in 8 1/2
_ESCAPES = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}


@dataclass(frozen=True)
class ParseTree:
    """A binary tree over the words of a sentence, a place for each node.

    Attributes:
        words: The word of a leaf, None for an inner node.
        left: Number of the left child, 0 for a leaf.
        right: Number of the right child, 0 for a leaf.
        labels: Class of each node, -100 where there is none.
    """

    words: tuple[str | None, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def leaves(self) -> list[str]:
        """The words from left to right."""
        return [word for word in self.words if word is not None]  # in the order of opening they lie left to right

    @property
    def sentence(self) -> str:
        """The words, joined by spaces, see `sentence_of`."""
        return sentence_of(self.leaves)


class _Nodes:
    """Nodes of a tree in the making."""

    def __init__(self) -> None:
        self.words: list[str | None] = []
        self.children: list[list[int]] = []
        self.labels: list[int] = []

    def add(self, *, word: str | None = None, label: int = IGNORED) -> int:
        """A new node; returns its number."""
        self.words.append(word)
        self.children.append([])
        self.labels.append(label)
        return len(self.words) - 1

    def tree(self) -> ParseTree:
        """The tree of nodes that have two children or none."""
        left, right = zip(*(pair or (0, 0) for pair in self.children), strict=True)
        return ParseTree(tuple(self.words), left, right, tuple(self.labels))


def read_tree(text: str) -> ParseTree:
    """Read either notation: labelled if the first bracket is followed by a number and a bracket or a last word.

    Raises:
        DataError: It is neither.
    """
    text = re.sub(UNSEEN, "", text)
    labelled = re.match(r"\s*\(\s*\d+\s*(\(|[^\s()]+\s*\)\s*\Z)", text)
    return parse_tree(text) if labelled else parse_brackets(text)


def parse_tree(text: str) -> ParseTree:
    """Read a labelled binary tree, such as ``(3 (2 It) (4 works))``.

    Args:
        text: The tree. Brackets in words are written ``-LRB-`` and ``-RRB-``, slashes ``\\/``.

    Raises:
        DataError: Brackets do not match, a node has no label or not two children or one word, or there is no tree.
    """
    nodes, path = _Nodes(), list[int]()
    expects_label = False
    for match in _TOKENS.finditer(text):
        token, place = match.group(), match.start()
        if nodes.words and not path:
            raise DataError(f"a tree ends before character {place} and {token!r} follows: {_shown(text, place)}")
        if expects_label:
            if not token.isdecimal():
                raise DataError(f"a node has no label, {token!r} stands in its place: {_shown(text, place)}")
            nodes.labels[path[-1]] = int(token)
            expects_label = False
        elif token == "(":
            number = nodes.add()
            if path:
                nodes.children[path[-1]].append(number)
            path.append(number)
            expects_label = True
        elif not path:
            raise DataError(f"a tree must begin with '(', not {token!r}: {_shown(text, place)}")
        elif token == ")":
            _check_closed(nodes, path.pop(), text, place)
        elif nodes.words[path[-1]] is not None or nodes.children[path[-1]]:
            raise DataError(f"the word {token!r} needs a node of its own: {_shown(text, place)}")
        else:
            nodes.words[path[-1]] = unescape(token)
    if path:
        raise DataError(f"{len(path)} '(' {'is' if len(path) == 1 else 'are'} never closed: {_shown(text, len(text))}")
    if not nodes.words:
        raise DataError("a tree is empty; it must hold at least one word, as in '(2 fine)'")
    return nodes.tree()


def _check_closed(nodes: _Nodes, number: int, text: str, place: int) -> None:
    children, word = nodes.children[number], nodes.words[number]
    if (word is None and len(children) != 2) or (word is not None and children):
        raise DataError(
            f"a node has {len(children)} {'child' if len(children) == 1 else 'children'}"
            f"{' beside a word' if word is not None else ''}; it must have one word or two children: "
            f"{_shown(text, place)}"
        )


def parse_brackets(text: str) -> ParseTree:
    """Read an unlabelled tree, such as ``((the film) (is (not good)))``, or a plain sentence.

    Args:
        text: Words and brackets. What stands side by side in one bracket branches to the right.

    Raises:
        DataError: Brackets do not match, one is empty, or there is no word.
    """
    text = plain_text(text)
    path: list[list] = [[]]  # groups that are open, each of words and groups
    for match in _TOKENS.finditer(text):
        token, place = match.group(), match.start()
        if token == "(":
            path.append([])
        elif token != ")":
            path[-1].append(unescape(token))
        elif len(path) == 1:
            raise DataError(f"a ')' closes nothing: {_shown(text, place)}")
        elif not path[-1]:
            raise DataError(f"a bracket is empty: {_shown(text, place)}")
        else:
            group = path.pop()
            path[-1].append(group)
    if len(path) > 1:
        raise DataError(f"{len(path) - 1} '(' never closed: {_shown(text, len(text))}")
    if not path[0]:
        raise DataError("a sentence is empty; it must hold at least one word")
    return _right_branching(path[0])


def _right_branching(group: list) -> ParseTree:
    """The tree of nested groups."""
    nodes = _Nodes()
    waiting: list[tuple[list | str, int | None]] = [(group, None)]  # what is still to be numbered, and under which node
    while waiting:
        item, parent = waiting.pop()
        while isinstance(item, list) and len(item) == 1:
            item = item[0]
        number = nodes.add(word=item if isinstance(item, str) else None)
        if parent is not None:
            nodes.children[parent].append(number)
        if isinstance(item, list):
            waiting += [(item[1:], number), (item[0], number)]  # the left one is numbered first, with all below it
    return nodes.tree()


def unescape(token: str) -> str:
    """A word as it was written, from the form it has in the Penn Treebank."""
    return _ESCAPES.get(token, token).replace("\\/", "/").replace("\\*", "*")


def sentence_of(words: Sequence[str]) -> str:
    """Words with spaces between them and none inside: that of 8 1/2, which is one word of a treebank, becomes ``_``."""
    return " ".join(plain_text(word).replace(" ", "_") for word in words)


def _shown(text: str, place: int) -> str:
    """The end of what was read."""
    start = max(0, place - 30)
    return f"{'…' if start else ''}{text[start : place + 1].strip()!r}"


def tree_columns(
    trees: Sequence[ParseTree], word_ids: Callable[[list[str]], Sequence[int]], *, pad_token_id: int = 0
) -> dict[str, Tensor]:
    """Padded columns of trees.

    Args:
        trees: N trees, at least one.
        word_ids: Gives the numbers of a sentence's words, one for each.
        pad_token_id: What stands where there is no word.

    Returns:
        ``input_ids``: numbers of the words at leaves; ``left`` and ``right``: numbers of the children, 0 where there
        are none; ``labels``: classes, -100 where there is none. All int64 (N, M), M the nodes of the largest tree.

    Raises:
        DataError: `word_ids` gives more or fewer numbers than there are words.
    """
    width = max(len(tree) for tree in trees)
    columns = {
        name: np.full((len(trees), width), empty, np.int64)
        for name, empty in (("input_ids", pad_token_id), ("left", 0), ("right", 0), ("labels", IGNORED))
    }
    for row, tree in enumerate(trees):
        words = tree.leaves
        ids = list(word_ids(words))
        if len(ids) != len(words):
            raise DataError(
                f"tree {row} has {len(words)} words and the tokenizer makes {len(ids)} of them; trees need a tokenizer "
                "that splits at spaces alone (pattern: '[^ ]+')"
            )
        leaves = [number for number, word in enumerate(tree.words) if word is not None]
        columns["input_ids"][row, leaves] = ids
        for name in ("left", "right", "labels"):
            columns[name][row, : len(tree)] = getattr(tree, name)
    return {name: torch.from_numpy(column) for name, column in columns.items()}

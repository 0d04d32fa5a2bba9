from __future__ import annotations

import pytest
import torch
from tsugiki.errors import DataError
from tsugiki_embeddings.sentiment.parse_trees import parse_brackets, parse_tree, read_tree, tree_columns
from tsugiki_embeddings.sentiment.tree_composition import _level_by_level, _node_by_node, compose, node_heights

WORKS = "(3 (2 It) (4 (2 really) (3 works)))"


def test_nodes_are_numbered_as_their_brackets_open():
    tree = parse_tree(WORKS)
    assert tree.words == (None, "It", None, "really", "works")
    assert tree.left == (1, 0, 3, 0, 0)
    assert tree.right == (2, 0, 4, 0, 0)
    assert tree.labels == (3, 2, 4, 2, 3)
    assert tree.sentence == "It really works"


def test_one_word_is_a_tree():
    tree = parse_tree("(2 fine)")
    assert (tree.words, tree.left, tree.right, tree.labels) == (("fine",), (0,), (0,), (2,))


def test_a_word_may_be_a_number():
    assert parse_tree("(2 (2 1984) (3 rocks))").leaves == ["1984", "rocks"]


def test_a_no_break_space_is_part_of_a_word():
    assert parse_tree("(2 (2 8\u00a01\\/2) (2 Women))").leaves == ["8\u00a01/2", "Women"]


def test_escapes_of_the_treebank_become_what_was_written():
    assert parse_tree(r"(2 (2 -LRB-) (2 (2 co-writer\/director) (2 -RRB-)))").leaves == ["(", "co-writer/director", ")"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a tree is empty"),
        ("(3 (2 It) (4 works)", "1 '\\(' is never closed"),
        ("(3 (2 It) (4 works)))", "ends before character 20"),
        ("(3 (2 It) (4 works)) (2 more)", "ends before character 21"),
        ("(3 (2 It) (4 works) (2 well))", "3 children"),
        ("(3 (2 It))", "a node has 1 child;"),
        ("(3 It works)", "'works' needs a node of its own"),
        ("(3 (2 It) works)", "'works' needs a node of its own"),
        ("(3 It (2 works))", "1 child beside a word"),
        ("((2 It) (4 works))", "has no label, '\\(' stands in its place"),
        ("(3 (x It) (4 works))", "has no label, 'x'"),
        ("(3)", "a node has 0 children"),
        ("3 (2 It)", "must begin with '\\(', not '3'"),
    ],
)
def test_broken_trees_are_one_sentence(text, message):
    with pytest.raises(DataError, match=message):
        parse_tree(text)


def test_brackets_without_labels_branch_to_the_right():
    tree = parse_brackets("((the film) (is not good))")
    assert tree.words == (None, None, "the", "film", None, "is", None, "not", "good")
    assert tree.left == (1, 2, 0, 0, 5, 0, 7, 0, 0)
    assert tree.right == (4, 3, 0, 0, 6, 0, 8, 0, 0)
    assert set(tree.labels) == {-100}
    assert parse_brackets("the (film)").words == (None, "the", "film")
    assert parse_brackets("a b c").right == (2, 0, 4, 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a sentence is empty"),
        ("(a b", "never closed"),
        ("a) b", "closes nothing"),
        ("a () b", "a bracket is empty"),
    ],
)
def test_broken_brackets_are_one_sentence(text, message):
    with pytest.raises(DataError, match=message):
        parse_brackets(text)


def test_either_notation_is_told_by_its_beginning():
    assert read_tree(WORKS).labels[0] == 3
    assert read_tree("(2 fine)").labels == (2,)
    assert read_tree("((2 films) (are one))").leaves == ["2", "films", "are", "one"]
    assert read_tree("2 films are one").leaves == ["2", "films", "are", "one"]


def test_columns_are_padded_to_the_largest_tree():
    numbers = {"It": 5, "really": 6, "works": 7, "fine": 8}
    columns = tree_columns([parse_tree(WORKS), parse_tree("(2 fine)")], lambda words: [numbers[word] for word in words])
    assert columns["input_ids"].tolist() == [[0, 5, 0, 6, 7], [8, 0, 0, 0, 0]]
    assert columns["left"].tolist() == [[1, 0, 3, 0, 0], [0] * 5]
    assert columns["right"].tolist() == [[2, 0, 4, 0, 0], [0] * 5]
    assert columns["labels"].tolist() == [[3, 2, 4, 2, 3], [2, -100, -100, -100, -100]]


def test_a_tokenizer_that_parts_words_is_refused():
    with pytest.raises(DataError, match="tree 0 has 3 words and the tokenizer makes 2"):
        tree_columns([parse_tree(WORKS)], lambda words: [1, 2])


def random_trees(count: int) -> list:
    """Trees of 1 to 9 words, folded at random."""
    generator = torch.Generator().manual_seed(0)
    trees = []
    for number in range(count):
        parts = [f"w{word}" for word in range(1 + number % 9)]
        while len(parts) > 1:
            place = int(torch.randint(len(parts) - 1, (1,), generator=generator))
            parts[place : place + 2] = [f"({parts[place]} {parts[place + 1]})"]
        trees.append(parse_brackets(parts[0]))
    return trees


def test_composition_is_that_of_one_tree_written_recursively():
    trees = random_trees(20)
    columns = tree_columns(trees, lambda words: [int(word[1:]) + 2 for word in words])
    table = torch.randn(12, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weight = torch.randn(6, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def state(tree, node):
        if tree.words[node] is not None:
            return table[int(tree.words[node][1:]) + 2]
        below = torch.cat([state(tree, tree.left[node]), state(tree, tree.right[node])])
        return torch.tanh(below @ weight)

    states = compose(
        table[columns["input_ids"]], columns["left"], columns["right"], lambda below: torch.tanh(below @ weight)
    )
    for row, tree in enumerate(trees):
        for node in range(len(tree)):
            torch.testing.assert_close(states[row, node], state(tree, node))


def test_levels_and_nodes_give_the_same_states_and_gradients():
    columns = tree_columns(random_trees(12), lambda words: [int(word[1:]) + 2 for word in words])
    results = []
    for way in (_level_by_level, _node_by_node):
        linear = torch.nn.Linear(6, 3).double()
        table = torch.randn(12, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
        with torch.no_grad():
            linear.weight.copy_(torch.randn(3, 6, generator=torch.Generator().manual_seed(2)))
            linear.bias.zero_()
        combine = torch.nn.Sequential(linear, torch.nn.Tanh())
        states = way(table[columns["input_ids"]], columns["left"], columns["right"], combine)
        states.square().sum().backward()
        results.append((states, linear.weight.grad, table.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_heights_count_the_steps_to_the_farthest_leaf():
    columns = tree_columns([parse_brackets("((a b) (c (d e)))")], lambda words: [2] * len(words))
    assert node_heights(columns["left"], columns["right"]).tolist() == [[3, 1, 0, 0, 2, 0, 1, 0, 0]]


@pytest.mark.data("tsugiki/sst_trees")
def test_known_sentences_of_the_treebank_have_their_nodes():
    from tsugiki.data.load_data import load_split

    data = load_split("tsugiki/sst_trees", "test")
    assert data[0]["sentence"] == "Effective but too-tepid biopic"
    first = parse_tree(data[0]["tree"])
    assert first.labels == (2, 3, 3, 2, 1, 1, 2)
    trees = [parse_tree(text) for text in data["tree"]]
    assert [tree.sentence for tree in trees] == data["sentence"]
    assert [tree.labels[0] for tree in trees] == data["label"]
    assert all(len(tree) == 2 * len(tree.leaves) - 1 for tree in trees)
    assert sum(len(tree) for tree in trees) == 82_600  # the phrases that Socher et al. 2013 test on


def test_white_space_parts_words_of_a_sentence_and_not_those_of_a_treebank():
    assert read_tree("\ufeffnot\u00a0a good\u3000film").leaves == ["not", "a", "good", "film"]
    tree = read_tree("\ufeff(2 (1 8\u00a01/2) (3 works))")
    assert (tree.leaves, tree.sentence) == (["8\u00a01/2", "works"], "8_1/2 works")
    assert read_tree("cafe\u0301").leaves == ["caf\u00e9"]

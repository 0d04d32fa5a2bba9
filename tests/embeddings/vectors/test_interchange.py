from __future__ import annotations

import gzip
import json
import logging
import shlex
from pathlib import Path

import numpy as np
import pytest
import tsugiki
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import load_facebook_vectors, save_facebook_model
from gensim.test.utils import datapath
from transformers import AutoModel, AutoTokenizer
from tsugiki.cli.dispatch import main
from tsugiki.errors import DataError, OptionError, OutputError
from tsugiki_embeddings.vectors import interchange
from tsugiki_embeddings.vectors.interchange import export_line
from tsugiki_embeddings.vectors.word_vectors import WordVectors

logging.getLogger("gensim").setLevel(logging.WARNING)

SENTENCES = [["the", "cat", "sat", "on", "the", "mat"], ["der", "Käfer", "saß", "auf", "der", "Straße"]] * 5
TEXT = "3 2\none 0.5 1\ntwo -0.25 1e-3\nthree 3 4\n"


def some_vectors(words: int = 50, dimension: int = 7) -> WordVectors:
    matrix = np.random.default_rng(0).normal(size=(words, dimension)).astype(np.float32)
    return WordVectors([f"wört{row}" for row in range(words)], matrix, np.arange(words, 0, -1))


def own_file_of_fasttext(name: str) -> Path:
    path = Path(datapath(name))
    if not path.exists():
        pytest.skip(f"this gensim comes without its test data: {name}")
    return path


def assert_equal(found: WordVectors, expected: WordVectors) -> None:
    assert found.words == expected.words
    np.testing.assert_array_equal(found.matrix, expected.matrix)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["v.txt", "v.vec", "v.bin", "v.glove", "v.txt.gz", "v.bin.gz", "v.glove.gz"])
def test_a_file_reads_back_as_it_was_written_and_gensim_reads_the_same(tmp_path, name):
    vectors = some_vectors()
    vectors.to_file(tmp_path / name)
    assert_equal(WordVectors.from_file(tmp_path / name), vectors)
    keyed = KeyedVectors.load_word2vec_format(  # leaves a file without a header open
        tmp_path / name, binary=".bin" in name, no_header=".glove" in name, limit=100
    )
    assert keyed.index_to_key == vectors.words
    np.testing.assert_array_equal(keyed.vectors, vectors.matrix)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("binary", "header"), [(False, True), (True, True), (False, False)])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_what_gensim_writes_is_read(tmp_path, binary, header, suffix):
    keyed = Word2Vec(SENTENCES, vector_size=6, min_count=1, workers=1).wv
    path = tmp_path / f"v{suffix}"
    keyed.save_word2vec_format(str(path), binary=binary, write_header=header)
    vectors = WordVectors.from_file(path)
    assert vectors.words == keyed.index_to_key
    np.testing.assert_array_equal(vectors.matrix, keyed.vectors)


def test_half_precision_is_written_exactly(tmp_path):
    half = some_vectors().half()
    for name in ("v.txt", "v.bin"):
        half.to_file(tmp_path / name)
        np.testing.assert_array_equal(WordVectors.from_file(tmp_path / name).matrix, half.matrix.astype(np.float32))


@pytest.mark.parametrize("model_class", [Word2Vec, FastText])
def test_keyed_vectors_come_and_go_with_their_counts(model_class):
    model = model_class(SENTENCES, vector_size=6, min_count=1, workers=1)
    vectors = WordVectors.from_gensim(model)
    assert vectors.words == model.wv.index_to_key
    assert vectors.counts.tolist() == [model.wv.get_vecattr(word, "count") for word in vectors.words]
    np.testing.assert_array_equal(vectors.matrix, model.wv.vectors)
    again = vectors.to_gensim()
    np.testing.assert_array_equal(again.vectors, model.wv.vectors)
    assert again.get_vecattr("der", "count") == 10
    expected = dict(model.wv.most_similar("der"))
    assert dict(again.most_similar("der")) == pytest.approx(expected, abs=1e-6)
    assert_equal(WordVectors.from_gensim(again), vectors)


def test_vectors_of_documents_are_no_words():
    keyed = KeyedVectors(2)
    keyed.add_vectors([0, 1], np.eye(2, dtype=np.float32))
    with pytest.raises(DataError, match="not all words"):
        WordVectors.from_gensim(keyed)


@pytest.mark.parametrize("bounds", [(3, 6), (2, 3), (1, 2)])
@pytest.mark.parametrize("packed", [False, True])
def test_a_fasttext_file_of_gensim_gives_the_vectors_that_gensim_has(tmp_path, bounds, packed):
    model = FastText(SENTENCES, vector_size=6, min_count=1, min_n=bounds[0], max_n=bounds[1], bucket=200, workers=1)
    path = tmp_path / "v.bin"
    save_facebook_model(model, str(path))
    expected = load_facebook_vectors(str(path))
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    vectors = WordVectors.from_file(path)
    assert vectors.words == expected.index_to_key
    assert vectors.counts.tolist() == [expected.get_vecattr(word, "count") for word in vectors.words]
    np.testing.assert_allclose(vectors.matrix, expected.vectors, atol=1e-6)


@pytest.mark.parametrize("name", ["crime-and-punishment", "lee_fasttext", "pang_lee_polarity_fasttext"])
def test_a_fasttext_file_of_fasttext_gives_the_vectors_that_fasttext_printed(name):
    binary = own_file_of_fasttext(f"{name}.bin")  # of versions 12, 2016 and 12
    read = WordVectors.from_file(binary, unicode_errors="backslashreplace")
    printed = WordVectors.from_file(own_file_of_fasttext(f"{name}.vec"), unicode_errors="backslashreplace")
    assert read.words == printed.words
    np.testing.assert_allclose(read.matrix, printed.matrix, rtol=1e-4, atol=1e-5)


def test_words_that_are_not_utf_8_are_refused_or_kept(tmp_path):
    path = tmp_path / "v.bin"
    path.write_bytes(b"1 1\nw\xf6rt " + np.float32(2).tobytes())
    with pytest.raises(
        DataError, match=r"word 1: the word b'w\\xf6rt' is not UTF-8; unicode_errors='backslashreplace'"
    ):
        WordVectors.from_file(path)
    assert WordVectors.from_file(path, unicode_errors="backslashreplace").words == ["w\\xf6rt"]
    with pytest.raises(OptionError, match="is none of strict"):
        WordVectors.from_file(path, unicode_errors="guess")
    with pytest.raises(DataError, match=r"word 149: .* is not UTF-8"):
        WordVectors.from_file(own_file_of_fasttext("pang_lee_polarity_fasttext.bin"))


@pytest.mark.parametrize("header", ["200 50\n", ""])
@pytest.mark.parametrize("how", ["latin-1", "mark", "packed mark"])
def test_text_is_text_in_whatever_way_it_was_written(tmp_path, header, how):
    matrix = np.random.default_rng(0).normal(size=(200, 50)).astype(np.float32)
    rows = [f"\u00e0{row} {' '.join(f'{number:.5f}' for number in numbers)}\n" for row, numbers in enumerate(matrix)]
    text = header + "".join(rows)
    content = text.encode("latin-1" if how == "latin-1" else "utf-8-sig" if "mark" in how else "utf-8")
    path = tmp_path / "v.vec"
    path.write_bytes(gzip.compress(content) if "packed" in how else content)
    if how == "latin-1":
        with pytest.raises(DataError, match=r"the word b'\\xe00' is not UTF-8; unicode_errors='backslashreplace'"):
            WordVectors.from_file(path, limit=3)
    for limit in (3, None):
        found = WordVectors.from_file(path, limit=limit, unicode_errors="backslashreplace")
        a = "\\xe0" if how == "latin-1" else "\u00e0"
        assert found.words == [f"{a}{row}" for row in range(limit or 200)]
        np.testing.assert_allclose(found.matrix, matrix[:limit], atol=1e-5)


def test_text_that_is_no_vectors_is_not_taken_for_binary(tmp_path):
    path = tmp_path / "v.vec"
    path.write_text("200 50\n" + "<p>something else altogether, and no numbers</p>\n" * 200)
    with pytest.raises(DataError, match="line 2: holds something else than a word and numbers"):
        WordVectors.from_file(path, limit=3)
    for header in ("", "2 2\n"):
        path.write_text(f"{header}a 0,5 1,5\nb 3,0 4,0\n")
        with pytest.raises(DataError, match=r"line \d: its numbers have decimal commas; write them with points"):
            WordVectors.from_file(path, limit=1)
    path.write_bytes("2 2\na 1 2\nb 3 4\n".encode("utf-16"))
    with pytest.raises(DataError, match="is text in UTF-16; save it as UTF-8"):
        WordVectors.from_file(path)


@pytest.mark.parametrize("dimension", [1, 2, 5, 300])
def test_binary_files_are_told_from_text(tmp_path, dimension):
    for seed in range(20):
        matrix = np.random.default_rng(seed).normal(size=(5, dimension)).astype(np.float32)
        vectors = WordVectors([f"w{row}" for row in range(5)], matrix)
        for name in ("v.bin", "v.txt"):
            vectors.to_file(tmp_path / name, overwrite=True)
            np.testing.assert_array_equal(WordVectors.from_file(tmp_path / name).matrix, matrix)


def test_words_with_spaces_are_read_where_no_number_is_among_their_parts(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("the 0.5 1\n. . . 2 3\nat name@domain.com 4 5\n", encoding="utf-8")
    vectors = WordVectors.from_file(path)
    assert vectors.words == ["the", ". . .", "at name@domain.com"]
    assert vectors.matrix[:, 0].tolist() == [0.5, 2, 4]


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.glove"])
def test_a_limit_takes_the_first_words(tmp_path, name):
    vectors = some_vectors()
    vectors.to_file(tmp_path / name)
    few = WordVectors.from_file(tmp_path / name, limit=4)
    assert few.words == vectors.words[:4]
    np.testing.assert_array_equal(few.matrix, vectors.matrix[:4])
    assert len(WordVectors.from_file(tmp_path / name, limit=400)) == 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("4 2\n" + TEXT[4:], "its first line says 4 words, and it holds 3"),
        ("2 2\n" + TEXT[4:], "line 4: is one too many: the first line says 2 words"),
        ("3 3\n" + TEXT[4:], "line 2: has 2 numbers"),
        (TEXT.replace("two -0.25 1e-3", "two -0.25"), "line 3: has 1 numbers, and the lines before 2"),
        (TEXT.replace("two -0.25 1e-3", "two -0.25 1 7"), "line 3: has 3 numbers, and the lines before 2"),
        (TEXT.replace("-0.25", "nan"), "line 3: the vector of 'two' holds NaN"),
        (TEXT.replace("-0.25", "inf"), "line 3: the vector of 'two' holds NaN or infinity"),
        (TEXT.replace("-0.25", "1.5x"), "line 3: holds something else than a word and numbers"),
        (TEXT.replace("three", "one"), "line 4: the word 'one' stands in line 2 already"),
        (TEXT.replace("two -0.25 1e-3\n", "\n"), "line 3: is empty"),
        (TEXT.replace("two", ""), "line 3: begins with no word"),
        ("0 2\n", "line 1: says 0 words"),
        ("3 0\none\n", "line 1: says 3 words of 0 numbers"),
        ("3 99999999999\none 1\n", "line 1: says 3 words of 99,999,999,999 numbers"),
        ("one 1 2\ntwo 3\n", "line 2: has 1 numbers, and the lines before 2"),
        ("one 1 2\none 3 4\n", "line 2: the word 'one' stands in line 1 already"),
        ("one 1 2\ntwo nan 4\n", "line 2: the vector of 'two' holds NaN"),
        ("<html><body>not found</body></html>\n", "line 1: is neither sizes nor a word with numbers"),
        ('{"a": 1}\n', "line 1: is neither"),
    ],
)
def test_a_broken_text_file_is_one_error_with_the_line(tmp_path, text, message):
    path = tmp_path / "v.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        WordVectors.from_file(path)
    assert str(path) in str(caught.value)


def test_a_binary_file_is_refused_wherever_it_is_cut_off(tmp_path):
    some_vectors(5, 3).to_file(tmp_path / "v.bin")
    content = (tmp_path / "v.bin").read_bytes()
    path = tmp_path / "cut.bin"
    for length in range(4, len(content) - 1):  # the last byte is a newline that may be missing
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"cut off in word \d of 5"):
            WordVectors.from_file(path, format="word2vec-binary")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"2 1\na \0\0\x80?\nb \0\0\x80?\nc", "goes on behind the 2 words"),
        (b"2 1\na \0\0\x80?\na \0\0\x80?\n", "word 2: the word 'a' stands in word 1 already"),
        (b"2 1\na \0\0\xc0\x7f\nb \0\0\x80?\n", "word 1: the vector of 'a' holds NaN"),
        (b"2 1\n" + b"\1" * 200_000, "no space ends word 1"),
    ],
)
def test_a_broken_binary_file_is_one_error_with_the_word(tmp_path, content, message):
    path = tmp_path / "v.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        WordVectors.from_file(path)


@pytest.fixture(scope="module")
def fasttext_bytes(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("fasttext") / "v.bin"
    save_facebook_model(FastText(SENTENCES[:2], vector_size=2, min_count=1, bucket=5, workers=1), str(path))
    return path.read_bytes()


def test_a_fasttext_file_is_refused_wherever_it_is_cut_off(tmp_path, fasttext_bytes):
    path = tmp_path / "cut.bin"
    path.write_bytes(fasttext_bytes)
    words = len(WordVectors.from_file(path))
    end_of_input = len(fasttext_bytes) - 17 - 4 * 2 * words  # the output layer is not read
    for length in range(8, end_of_input, 3):
        path.write_bytes(fasttext_bytes[:length])
        with pytest.raises(DataError, match="cut off"):
            WordVectors.from_file(path)
    path.write_bytes(fasttext_bytes[:end_of_input])
    assert len(WordVectors.from_file(path)) == words


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (8, (0).to_bytes(4, "little"), "names 0 numbers a word"),
        (68, (1).to_bytes(4, "little"), "entries are not"),
        (84, (3).to_bytes(8, "little"), "n-grams are pruned"),
        (-1, np.float32(np.nan).tobytes(), "holds NaN or infinity"),
        (-2, b"\1", "quantised"),
    ],
)
def test_a_damaged_fasttext_file_is_one_error(tmp_path, fasttext_bytes, place, value, message):
    words = int.from_bytes(fasttext_bytes[64:68], "little")
    matrix = len(fasttext_bytes) - 17 - 4 * 2 * words - 4 * 2 * (words + 5)
    place = {-1: matrix, -2: matrix - 17}.get(place, place)
    path = tmp_path / "v.bin"
    path.write_bytes(fasttext_bytes[:place] + value + fasttext_bytes[place + len(value) :])
    with pytest.raises(DataError, match=message):
        WordVectors.from_file(path)


def test_a_packed_file_that_is_cut_off_is_refused(tmp_path):
    some_vectors().to_file(tmp_path / "v.txt.gz")
    path = tmp_path / "cut.gz"
    content = (tmp_path / "v.txt.gz").read_bytes()
    for length in (5, len(content) // 2, len(content) - 3):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=str(path)):
            WordVectors.from_file(path)
    path.write_bytes(content[:40] + b"garbage" + content[47:])
    with pytest.raises(DataError, match=str(path)):
        WordVectors.from_file(path)


def test_a_pickle_of_gensim_is_refused_with_the_line_that_exports_it(tmp_path):
    path = tmp_path / "saved.kv"
    for saved in (Word2Vec(SENTENCES, vector_size=4, min_count=1, workers=1), some_vectors().to_gensim()):
        saved.save(str(path))
        with pytest.raises(DataError, match="because it can run code") as caught:
            WordVectors.from_file(path)
        line = export_line(path)
        assert str(caught.value).endswith(line)
        exec(shlex.split(line)[2], {})
        keyed = getattr(saved, "wv", saved)
        exported = WordVectors.from_file(f"{path}.w2v.bin")
        assert exported.words == keyed.index_to_key
        np.testing.assert_array_equal(exported.matrix, keyed.vectors)


def test_a_folder_is_read_as_a_snapshot(tmp_path):
    some_vectors().save(tmp_path / "tiny")
    assert_equal(WordVectors.from_file(tmp_path / "tiny"), some_vectors())


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    vectors = some_vectors()
    with pytest.raises(OptionError, match="tells no format; name one of word2vec-text"):
        vectors.to_file(tmp_path / "v.dat")
    with pytest.raises(OptionError, match=r"'glowe' is not written.*Did you mean 'glove'"):
        vectors.to_file(tmp_path / "v.txt", "glowe")
    with pytest.raises(DataError, match="'New York' holds white space"):
        WordVectors(["New York"], np.ones((1, 2), np.float32)).to_file(tmp_path / "v.txt")
    with pytest.raises(DataError, match="holds NaN"):
        WordVectors(["a"], np.full((1, 2), np.nan, np.float32)).to_file(tmp_path / "v.txt")
    with pytest.raises(OutputError, match="cannot be written"):
        vectors.to_file(tmp_path / "missing" / "v.txt")

    def full(words, matrix):
        yield b"one line\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(interchange, "text_lines", full)
    (tmp_path / "v.txt").write_text("old", encoding="utf-8")
    with pytest.raises(OutputError, match="no space left"):
        vectors.to_file(tmp_path / "v.txt", overwrite=True)
    with pytest.raises(OutputError, match="exists already"):
        vectors.to_file(tmp_path / "v.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]
    assert (tmp_path / "v.txt").read_text(encoding="utf-8") == "old"


def test_what_is_not_there_or_not_asked_rightly_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        WordVectors.from_file(tmp_path / "v.txt")
    with pytest.raises(OptionError, match=r"unknown format 'fastext'.*Did you mean 'fasttext'"):
        WordVectors.from_file(tmp_path / "v.txt", format="fastext")
    with pytest.raises(OptionError, match="limit must be at least 1"):
        WordVectors.from_file(tmp_path / "v.txt", limit=0)


@pytest.mark.parametrize("half", [False, True])
def test_an_imported_file_is_a_snapshot_that_everyone_loads(tmp_path, capsys, half):
    vectors = some_vectors()
    vectors.to_file(tmp_path / "v.txt")
    folder = tmp_path / "tiny"
    command = ["import-vectors", str(tmp_path / "v.txt"), "--output-dir", str(folder), "--limit", "40", "--json"]
    assert main([*command, "--half"] if half else command) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == {
        "path": str(folder),
        "words": 40,
        "dimension": 7,
        "dtype": "float16" if half else "float32",
    }
    ids = AutoTokenizer.from_pretrained(folder)("wört3", return_tensors="pt")["input_ids"]
    for model in (AutoModel.from_pretrained(folder), tsugiki.load(folder)):
        found = model(ids).last_hidden_state[0, 0].float().detach().numpy()
        np.testing.assert_allclose(found, vectors.vector("wört3"), rtol=1e-3 if half else 0)
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["import-vectors", str(tmp_path / "no.txt"), "--output-dir", str(tmp_path / "other")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()

"""What SCDV's document vectors cost: products of small matrices and a sparse result against the dense method.

    python benchmarks/scdv_cost.py [--checkpoint scdv-20newsgroups] [--rows N] [--rounds 3] [--epochs 3]

The dense method is the one that the authors published: a dictionary of each word's K D numbers, added up word by word
in a Python loop, one dense array for all documents, small entries set to zero at the end. Both start from the same
tokens of the test messages and the same fitted numbers, in float32 and each in a process of its own. Measured are the
time to transform, the dictionary timed apart (by the clock, and of the processor, which is what to read on a busy
machine); the bytes of the result; and the peak of memory above what the process held before. Entries that only one of
the two sets to zero must lie within 1e-6 of the threshold; they are counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from tsugiki_embeddings.scdv.scdv_features import WordTopics, count_words, sparse_document_vectors

Floats = NDArray[np.float32]
TOLERANCE, NEAR = 1e-5, 1e-6
COMPARED = 512  # documents compared at once


def fitted_state(folder: Path, checkpoint: str | None, epochs: int, rows: int | None) -> None:
    """Write what both methods start from: tokens of the test messages and the fitted numbers."""
    from tsugiki.data.load_data import load_split
    from tsugiki_embeddings.scdv.scdv_vectorizer import SCDVVectorizer, tokenize_texts

    if checkpoint:
        import tsugiki

        model, processor = tsugiki.load(checkpoint), tsugiki.load_processor(checkpoint)
        vectorizer = SCDVVectorizer.from_model(model, processor)
        if vectorizer.sublinear_tf:
            raise SystemExit(f"{checkpoint} counts words by their logarithm, which the dense method does not")
    else:
        texts = list(load_split("tsugiki/20_newsgroups", "train")["text"])
        vectorizer = SCDVVectorizer(epochs=epochs, random_state=0).fit(texts)
    texts = list(load_split("tsugiki/20_newsgroups", "test")["text"])[:rows]
    tokens, offsets = tokenize_texts(vectorizer.tokenizer_, texts)
    np.savez(
        folder / "state.npz",
        tokens=tokens,
        offsets=offsets,
        vectors=vectorizer.word_vectors_,
        clusters=vectorizer.word_clusters_,
        idf=vectorizer.idf_,
        threshold=np.float32(vectorizer.threshold_),
    )


def transform_dense(
    tokens: NDArray[np.int32], offsets: NDArray[np.int64], words: WordTopics, threshold: float
) -> tuple[Floats, float, float]:
    """The authors' method.

    Returns:
        Document vectors (N, K D), and the seconds that the dictionary took, by the clock and of the processor.
    """
    started, worked = time.perf_counter(), time.process_time()
    word_topics: dict[int, Floats] = {}
    for word in range(len(words.idf)):
        if words.idf[word]:
            topics = [share * words.vectors[word] for share in words.clusters[word]]
            word_topics[word] = np.concatenate(topics) * words.idf[word]
    preparation, worked = time.perf_counter() - started, time.process_time() - worked
    documents = np.zeros((len(offsets) - 1, words.document_size), np.float32)
    for row in range(len(documents)):
        total = np.zeros(words.document_size, np.float32)
        for word in tokens[offsets[row] : offsets[row + 1]].tolist():
            if word in word_topics:
                total += word_topics[word]
        length = np.sqrt(np.einsum("d,d->", total, total))
        if length:
            total /= length
        documents[row] = total
    documents[np.abs(documents) < threshold] = 0
    return documents, preparation, worked


def transform_sparse(
    tokens: NDArray[np.int32], offsets: NDArray[np.int64], words: WordTopics, threshold: float
) -> csr_array:
    """Ours, the counting of words included."""
    return sparse_document_vectors(count_words(tokens, offsets, len(words.idf)), words, threshold)


def memory(field: str) -> int:
    """Bytes of this process: ``VmRSS`` it holds, ``VmHWM`` the most it has held."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("the kernel does not tell memory in /proc/self/status")


def measure(method: str, folder: Path) -> None:
    """In a process of its own: transform, write the result and print the figures as JSON."""
    with np.load(folder / "state.npz") as state:
        tokens, offsets, threshold = state["tokens"], state["offsets"], float(state["threshold"])
        words = WordTopics(state["vectors"], state["clusters"], state["idf"])
    before = memory("VmRSS")
    started, worked = time.perf_counter(), time.process_time()
    if method == "dense":
        documents, preparation, worked_before = transform_dense(tokens, offsets, words, threshold)
        size = documents.nbytes
    else:
        preparation = worked_before = 0.0
        found = transform_sparse(tokens, offsets, words, threshold)
        size = found.data.nbytes + found.indices.nbytes + found.indptr.nbytes
    seconds = time.perf_counter() - started - preparation
    processor = time.process_time() - worked - worked_before
    peak = memory("VmHWM") - before
    if method == "dense":
        np.save(folder / "dense.npy", documents)
    else:
        np.savez(folder / "sparse.npz", data=found.data, indices=found.indices, indptr=found.indptr)
    figures = {"seconds": seconds, "processor": processor, "preparation": preparation, "bytes": size, "peak": peak}
    print(json.dumps(figures))


def compare(folder: Path) -> tuple[float, int, int, int]:
    """The largest difference of entries that both keep or drop, and how many only one of them drops.

    Returns:
        Difference, number within 1e-6 of the threshold, number farther from it, number of all entries.
    """
    threshold = float(np.load(folder / "state.npz")["threshold"])
    dense = np.load(folder / "dense.npy", mmap_mode="r")
    with np.load(folder / "sparse.npz") as stored:
        sparse = csr_array((stored["data"], stored["indices"], stored["indptr"]), shape=dense.shape)
    worst, near, far = 0.0, 0, 0
    for start in range(0, len(dense), COMPARED):
        one, other = dense[start : start + COMPARED], sparse[start : start + COMPARED].toarray()
        lone = (one == 0) != (other == 0)
        worst = max(worst, float(np.abs(one - other)[~lone].max(initial=0)))
        distance = np.abs(np.abs(one[lone] + other[lone]) - threshold)
        near += int((distance <= NEAR).sum())
        far += int((distance > NEAR).sum())
    return worst, near, far, dense.size


def main() -> None:
    """Measure both, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="take the fitted numbers of this snapshot instead of fitting")
    parser.add_argument("--epochs", type=int, default=3, help="of the word vectors, where they are fitted here")
    parser.add_argument("--rows", type=int, help="only so many messages")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, of which the median counts")
    parser.add_argument("--measure", nargs=2, metavar=("METHOD", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fitted_state(folder, options.checkpoint, options.epochs, options.rows)
        runs: dict[str, list[dict[str, float]]] = {"dense": [], "sparse": []}
        for _ in range(options.rounds):
            for method, figures in runs.items():
                command = [sys.executable, __file__, "--measure", method, name]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                figures.append(json.loads(done.stdout))
        worst, near, far, entries = compare(folder)
        with np.load(folder / "state.npz") as state:
            documents, tokens = len(state["offsets"]) - 1, len(state["tokens"])
            size = state["vectors"].shape[1] * state["clusters"].shape[1]
    dense, sparse = (
        {name: float(np.median([run[name] for run in figures])) for name in figures[0]} for figures in runs.values()
    )
    print(f"{documents:,} documents, {tokens:,} tokens, {size:,} numbers a document; medians of {options.rounds}")
    print(f"dictionary of the dense method    {dense['preparation']:9.2f} s")
    for label, key, unit, factor in (
        ("transform", "seconds", "s ", 1.0),
        ("processor time", "processor", "s ", 1.0),
        ("result", "bytes", "MB", 1e-6),
        ("peak above start-up", "peak", "MB", 1e-6),
    ):
        print(
            f"{label:20} dense {factor * dense[key]:9.2f} {unit}  sparse {factor * sparse[key]:9.2f} {unit}  "
            f"ratio {sparse[key] / dense[key]:.3f} (dense / sparse {dense[key] / sparse[key]:.1f})"
        )
    print(f"largest difference {worst:.1e} (at most {TOLERANCE:.0e} allowed) over {entries:,} entries")
    print(f"set to zero by one alone: {near:,} within {NEAR:.0e} of the threshold, {far:,} farther")
    if worst > TOLERANCE or far:
        raise SystemExit("the two do not agree")


if __name__ == "__main__":
    main()

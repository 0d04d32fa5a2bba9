"""The tests of transformers, scikit-learn and gensim, run on what the plugins bring: `nox -s peers`."""

"""Word and document vectors for tsugiki; `tsugiki_embeddings.plugin` says what is in the package."""

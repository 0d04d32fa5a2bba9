"""Recurrent and attention models for tsugiki; `tsugiki_seq2seq.plugin` says what is in the package."""

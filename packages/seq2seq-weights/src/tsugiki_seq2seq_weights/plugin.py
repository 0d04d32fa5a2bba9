"""What tsugiki-seq2seq-weights declares: snapshots, and nothing else."""

from __future__ import annotations

from tsugiki import Plugin

plugin = Plugin(name="seq2seq-weights", pretrained="tsugiki_seq2seq_weights/pretrained")

"""Answers in a dialogue: HRED and VHRED, their tables, task and pipeline."""

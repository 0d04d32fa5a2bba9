"""Melodies: data by rule, growing from a start note, MIDI files, the command."""

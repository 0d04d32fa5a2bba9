"""What a classifier looked at: maps, their picture, and the command that draws it."""

METHODS = ("all", "gradient", "guided", "grad-cam", "best-input")

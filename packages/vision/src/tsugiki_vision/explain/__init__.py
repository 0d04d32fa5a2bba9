"""What a classifier looked at: maps, their picture, and the command that draws it."""

"""A label for every word: the task, its tables, and names of persons by rule."""

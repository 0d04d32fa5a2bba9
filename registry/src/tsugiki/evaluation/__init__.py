"""Measuring a model: predictions on a table, ensembles, several views of a picture."""

from .task_by_name import task_named

__all__ = ["task_named"]

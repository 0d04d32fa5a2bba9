"""Language models: tasks, training, Kneser-Ney beside them, and what they think of a text."""

"""Tasks that several plugins share."""

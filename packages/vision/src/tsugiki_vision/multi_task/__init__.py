"""Several questions about one picture, some of whose answers are missing."""

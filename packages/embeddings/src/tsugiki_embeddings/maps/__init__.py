"""Maps of words and documents in the plane, and words compared between corpora."""

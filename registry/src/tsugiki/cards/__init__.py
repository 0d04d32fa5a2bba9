"""Model cards that can be checked: rendered from provenance, validated offline, measured again, published."""

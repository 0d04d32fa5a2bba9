"""From a name to a checked model: folders, configs, weights, processors, provenance."""

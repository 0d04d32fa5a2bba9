"""The recurrent core: cells, layers, states, and the networks under a single head."""

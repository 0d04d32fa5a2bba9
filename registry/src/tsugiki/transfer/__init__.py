"""Transfer: a new head on a trained network, and as much of the network trained again as the data pays for."""

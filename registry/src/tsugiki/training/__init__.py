"""Training a model: the job, the loop, phases that survive a kill."""

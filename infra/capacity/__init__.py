"""How many warm replicas a burst of submissions takes: a simulation, its chart, and the command."""

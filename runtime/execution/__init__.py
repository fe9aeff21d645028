"""One job to one outcome: the server's side of it, the spawner, and the supervisors that watch over programs."""

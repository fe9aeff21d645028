"""Paths and numbers that the server, the spawner and the supervisors agree on."""

import os

_HERE = os.path.dirname(os.path.realpath(__file__))
#: The folder with what interpreters that are started ahead load first.
BOOTSTRAP = f"{_HERE}/bootstrap"
#: The folder that has the package `runtime`.
RUNTIME_ROOT = os.path.dirname(os.path.dirname(_HERE))
#: The name of the directory in which every program runs, below its slot's.
BOX = "box"

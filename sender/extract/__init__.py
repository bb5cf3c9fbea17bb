"""The replayable sessions of captures, written as a clean capture: ``gryphon extract``."""

"""The process that serves a run's figures: it reads the shared counters, and the sender never waits for it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from gryphon.controller.exporter import Exporter
from gryphon.controller.privileges import give_up
from gryphon.sender.metrics.figures import Subject, figures
from gryphon.sender.process import Process
from gryphon.sender.shared_measures import SharedMeasures, Told

log = logging.getLogger("gryphon")

_LOOK_S = 0.2


@contextmanager
def served(text: str, measures: SharedMeasures, subject: Subject) -> Iterator[None]:
    """Have the figures served until the block ends.

    Raises:
        InputFault, EnvironmentFault: ``--metrics`` names no address that can be listened at.
    """
    exporter = Exporter(text, partial(figures, measures, subject))
    measures.served = 1
    server = Process(partial(_serve, exporter, measures, os.getpid()), [])
    exporter.close()
    log.info("metrics at http://%s/metrics", exporter.where)
    try:
        yield
    finally:
        measures.served = 0
        server.dismiss("the server of the metrics", patience_s=2.0)


def _serve(exporter: Exporter, measures: SharedMeasures, parent: int) -> None:
    """In the process: until the run is over, or its process gone."""
    give_up()
    exporter.start()
    gone = Told(measures, parent).is_gone
    while measures.served and not gone():
        time.sleep(_LOOK_S)
    exporter.close()

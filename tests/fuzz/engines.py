"""The engines, each the whole of a process: ``python -m tests.fuzz.engines``, which the supervisor starts."""

from __future__ import annotations

import hashlib
import json
import sys
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz import hostile, reader
from tests.fuzz.captures import chunks, parse
from tests.fuzz.find import Find
from tests.fuzz.harness import PLAIN_FACTOR, Harness, Shared, keep, until
from tests.fuzz.mutate import LARGEST, Mutator
from tests.fuzz.seeds import seeds

_BATCHES = (3, 17, 17, 64, 64, 64)
"""Frames at once: mostly more than a seed has."""

_WARM = 300
"""Mutations before times and memory are limited: numba compiles at the first call with a new type."""

_LARGE = 8_000_000
"""Bytes of a hostile file: a reader of quadratic time needs minutes, the bound is ten seconds."""


@dataclass(frozen=True)
class Job:
    """What one process has to do."""

    engine: str
    seconds: float
    executions: int  # at most; 0: as many as there is time for
    seed: int
    folder: str
    input_fd: int
    counter_fd: int

    @property
    def finds(self) -> Path:
        return Path(self.folder) / "finds"

    @property
    def corpus(self) -> Path:
        return Path(self.folder) / "corpus"


def warm(job: Job) -> None:
    """Fill the cache of compiled kernels, before the time of the others begins."""
    load = reader.checked(Path(job.folder) / "kernels")
    harness = Harness(load, Shared(job.input_fd, job.counter_fd), job.finds, "compiled")
    for capture in seeds():
        harness.run(b"".join(chunks(capture)), 64, timed=False)


def compiled(job: Job) -> None:
    """Mutated seeds, as many as there is time for, against compiled kernels with bounds checks."""
    load = reader.checked(Path(job.folder) / "kernels")
    harness = Harness(load, Shared(job.input_fd, job.counter_fd), job.finds, "compiled")
    mutator = Mutator(seeds(), Random(job.seed))
    rng = Random(job.seed + 1)
    first = [b"".join(chunks(capture)) for capture in seeds()] + [mutator.next() for _ in range(_WARM)]
    for data in first:
        harness.run(data, 64, timed=False, twice=True)
    harness.limit_memory()
    going = until(job.seconds)
    last = harness.executions + job.executions if job.executions else 1 << 62
    while harness.executions < last and going():
        for _ in range(20):
            harness.run(mutator.next(), rng.choice(_BATCHES), twice=rng.random() < 0.02, lenient=rng.random() < 0.3)


def large(job: Job) -> None:
    """Every shape of hostile.py once, with compiled kernels; a process that died at one goes on behind it."""
    load = reader.checked(Path(job.folder) / "kernels")
    harness = Harness(load, Shared(job.input_fd, job.counter_fd), job.finds, "large")
    for shape in hostile.SHAPES[harness.executions :]:
        harness.measured(shape.__name__, shape(_LARGE))


def coverage(job: Job) -> None:
    """Atheris: what reaches new lines and branches of the kernels as plain Python is kept and mutated on."""
    import atheris

    with atheris.instrument_imports(include=["gryphon"]):
        load = reader.plain()
    harness = Harness(load, Shared(job.input_fd, job.counter_fd), job.finds, "coverage", PLAIN_FACTOR)
    captures = seeds()
    mutator = Mutator(captures, Random(job.seed))
    for capture in captures:
        data = b"".join(chunks(capture))
        (job.corpus / hashlib.blake2b(data, digest_size=10).hexdigest()).write_bytes(data)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        capture = parse(data, most=200) if rng.random() < 0.7 else None
        if capture is None:
            return bytes(atheris.Mutate(data, most))
        mutator.reseed(rng)
        return mutator.mutated(capture, rng.randrange(1, 4))[:most]

    arguments = [
        sys.argv[0],
        str(job.corpus),
        f"-max_total_time={max(int(job.seconds), 1)}",
        f"-runs={job.executions or -1}",
        f"-seed={job.seed % (1 << 31) or 1}",
        f"-max_len={LARGEST}",
        f"-artifact_prefix={job.finds}/coverage-",
        "-len_control=0",
        "-timeout=300",
        "-rss_limit_mb=2048",
    ]
    atheris.Setup(arguments, lambda data: harness.run(data, 17, lenient=len(data) % 2 == 1), custom_mutator=mutate)
    atheris.Fuzz()


def channel(job: Job) -> None:
    """Streams into both ends of the channel, as many as there is time for; the input that is kept is the seed."""
    from tests.fuzz.ends import attack, known_nonce

    warnings.simplefilter("error")
    shared = Shared(job.input_fd, job.counter_fd)
    executions, granted, finds = shared.counted()
    kept: Counter[str] = Counter()
    first, going = executions, until(job.seconds)
    with known_nonce():
        while going() and (not job.executions or executions - first < job.executions):
            seed = (job.seed << 32) + executions
            executions += 1
            shared.count(executions, granted, finds)
            shared.write(str(seed).encode())
            try:
                granted += attack(seed)
            except Exception as error:
                finds += 1
                key = error.key if isinstance(error, Find) else type(error).__name__
                kept[key] += 1
                if kept[key] <= 3:
                    keep(job.finds, "channel", key, traceback.format_exc(), str(seed).encode())
            shared.count(executions, granted, finds)


ENGINES = {"channel": channel, "large": large, "compiled": compiled, "coverage": coverage}
"""Those that a user may choose."""


def main() -> None:
    """One job, as JSON in the only argument."""
    job = Job(**json.loads(sys.argv[1]))
    (warm if job.engine == "warm" else ENGINES[job.engine])(job)


if __name__ == "__main__":
    main()

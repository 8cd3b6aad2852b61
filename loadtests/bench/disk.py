"""How fast the disk under the data is: every commit waits for it."""

import os
import statistics
import tempfile
import time
from pathlib import Path

WRITES = 200


def fsync_ms(folder: Path) -> float:
    """The median of 200 times 4 KB appended and synced to a file in the folder, in ms."""
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(WRITES):
            begun = time.perf_counter()
            file.write(b"\0" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000

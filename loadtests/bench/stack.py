"""The stack that is measured: one of our own on free ports, or one that runs already.

It is started by the `observatory` command like any other, with the settings that a user would give it.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from loadtests.bench.tally import BenchError

OBSERVATORY = (sys.executable, "-m", "observatory.cli.main")
START_S = 120
NO_PROCESS_ENDS_S = 60

"""`python -m workers.chat`: one chat worker."""

from observatory.adapters.process import run
from workers.chat import worker

if __name__ == "__main__":
    run("chat", worker.run)

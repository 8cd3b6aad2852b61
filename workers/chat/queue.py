"""Requests that wait to be claimed: of each lane one at a time, in the order of arrival. Pure; time is passed in.

A lane is a conversation with history, or one request id; all others run side by side.
"""

import heapq
from collections import deque
from itertools import count

from observatory.adapters.postgres.journal import RequestKey
from workers.chat.delivery import Delivery, Lane

SAME_REQUEST_PAUSE_S = 0.2


class RequestQueue:
    """Deliveries by lane; the head of a lane is ready, being answered, or parked until a time."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Delivery]] = {}
        self._ready: deque[Lane] = deque()
        self._parked: list[tuple[float, int, Lane]] = []
        self._active: dict[RequestKey, Delivery] = {}
        self._order = count()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, delivery: Delivery) -> None:
        """A delivery joins the end of its lane."""
        lane = self._lanes.get(delivery.lane)
        if lane is None:
            self._lanes[delivery.lane] = deque((delivery,))
            self._ready.append(delivery.lane)
        else:
            lane.append(delivery)
        self._size += 1

    def take(self, limit: int, now: float) -> list[Delivery]:
        """Up to `limit` heads that are ready; each is active until `finish` or `park`."""
        self._unpark(now)
        taken: list[Delivery] = []
        while self._ready and len(taken) < limit:
            lane = self._ready.popleft()
            head = self._lanes[lane][0]
            if head.key in self._active:
                self._park_lane(lane, now + SAME_REQUEST_PAUSE_S)
                continue
            self._active[head.key] = head
            taken.append(head)
        return taken

    def finish(self, delivery: Delivery) -> None:
        """An active delivery needs no more work; its lane goes on."""
        del self._active[delivery.key]
        self._leave(delivery)

    def park(self, delivery: Delivery, until: float) -> None:
        """An active delivery waits; it holds back its lane, nothing else."""
        del self._active[delivery.key]
        self._park_lane(delivery.lane, until)

    def drop(self, partitions: set[int]) -> None:
        """Forgets what waits from these partitions: they are somebody else's now. Active deliveries stay."""
        for lane, deliveries in list(self._lanes.items()):
            kept = deque(d for d in deliveries if d.record.partition not in partitions or self._is_active(d))
            self._size -= len(deliveries) - len(kept)
            if kept:
                self._lanes[lane] = kept
            else:
                del self._lanes[lane]
        self._ready = deque(lane for lane in self._ready if lane in self._lanes)
        self._parked = [entry for entry in self._parked if entry[2] in self._lanes]
        heapq.heapify(self._parked)

    def next_ready(self, now: float) -> float | None:
        """When `take` may find something: `now`, the end of the next pause, or None."""
        if self._ready:
            return now
        return max(now, self._parked[0][0]) if self._parked else None

    def _is_active(self, delivery: Delivery) -> bool:
        return self._active.get(delivery.key) is delivery

    def _leave(self, delivery: Delivery) -> None:
        lane = self._lanes[delivery.lane]
        lane.popleft()
        self._size -= 1
        if lane:
            self._ready.append(delivery.lane)
        else:
            del self._lanes[delivery.lane]

    def _park_lane(self, lane: Lane, until: float) -> None:
        heapq.heappush(self._parked, (until, next(self._order), lane))

    def _unpark(self, now: float) -> None:
        while self._parked and self._parked[0][0] <= now:
            self._ready.append(heapq.heappop(self._parked)[2])

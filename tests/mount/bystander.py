"""How late this machine is by itself: what a loaded one adds to the times of a test that it has nothing to do with."""
import threading
import time

NAP_SECONDS = 0.005
HOPS = 10       # so often a call may have to wait for a processor on its way through two processes and back


class Bystander:
    """Sleeps for moments, and notes how much later than that it woke. With an idle processor: next to nothing."""

    def __init__(self):
        self.late, self.is_over = [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.is_over.is_set():
            start = time.monotonic()
            time.sleep(NAP_SECONDS)
            self.late.append(time.monotonic() - start - NAP_SECONDS)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        print(f"this machine by itself: {self.usual * 1e3:.1f} ms late, {self.longest * 1e3:.1f} ms at most")

    @property
    def usual(self):
        return sorted(self.late)[len(self.late) // 2] if self.late else 0.0

    @property
    def longest(self):
        return max(self.late, default=0.0)

"""The asyncio event loop of the kernel: cells run in it, and tasks go on in it between cells."""

import asyncio
import os
import sys
import traceback


class EventLoop:
    """Threads: the main thread."""

    def __init__(self):
        self._loop = None  # until the first cell
        self._of_parents = []
        self._cell = None  # the task of the running cell
        self.interrupted = False  # that cell was cancelled because of an interrupt

    def run(self, coroutine):
        """Runs a cell. KeyboardInterrupt cancels it where it awaits something."""
        self.interrupted = False
        if self._loop is None or self._loop.is_closed():  # by code of the user
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        self._cell = task = self._loop.create_task(coroutine)
        while not task.done():
            try:
                self._loop.run_until_complete(task)
            except KeyboardInterrupt:
                self.interrupted = True
                task.cancel()
            except SystemExit:
                if not task.done() or task.exception() is None:
                    traceback.print_exc()  # of another task, which is not to end the kernel
            except Exception:
                # Its own, or "Event loop stopped before Future completed": code has called stop().
                pass
        self._cell = None
        if self.interrupted and task.cancelled():  # before it had begun
            raise KeyboardInterrupt
        return task.result()

    def cancel_what_is_awaited(self, frame):
        """An interrupt in this frame. True when the cell awaits something, and is being cancelled;
        otherwise code runs, where KeyboardInterrupt is to be raised.

        Raised in the midst of asyncio's own work, it would make the loop forget what it was about
        to call, and the cell would wait for ever. A second interrupt is raised wherever it comes.
        """
        if self._cell is None or self.interrupted:
            return False
        is_in_asyncio = frame is not None and (
            frame.f_globals.get("__name__", "").partition(".")[0] == "asyncio"
        )
        if asyncio.current_task(self._loop) is not None and not is_in_asyncio:
            return False
        self.interrupted = True
        self._cell.cancel()
        self._loop.call_soon_threadsafe(lambda: None)  # it may be waiting for something to do
        return True

    def wait(self, *descriptors):
        """Lets tasks go on until one of the descriptors is readable. False where there is no loop
        to wait in."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return False
        for descriptor in descriptors:
            loop.add_reader(descriptor, loop.stop)
        try:
            loop.run_forever()
        except BaseException:  # SystemExit of a task: it is not for a task to end the kernel
            traceback.print_exc(file=sys.stderr)
        finally:
            for descriptor in descriptors:
                loop.remove_reader(descriptor)
        return True

    def tasks(self):
        if self._loop is None:
            return []
        return [task for task in asyncio.all_tasks(self._loop) if not task.done()]

    def descriptors(self):
        """Those of the loop itself."""
        parts = [getattr(self._loop, name, None) for name in ("_selector", "_ssock", "_csock")]
        return [part.fileno() for part in parts if part is not None]

    def close(self):
        """Nothing is to go on; the next cell begins with another loop."""
        if self._loop is not None:
            self._loop.close()
            asyncio.set_event_loop(None)
            self._loop = None

    def after_fork(self):
        """In the child of a fork: the loop, with the tasks in it, is the parent's."""
        asyncio._set_running_loop(None)
        if self._loop is None:
            return
        for descriptor in self.descriptors():
            os.close(descriptor)
        # It must not be closed properly, now or by the garbage collector: the set of descriptors
        # that the parent waits for is shared, and would be emptied.
        self._of_parents.append(self._loop)
        self._loop = None

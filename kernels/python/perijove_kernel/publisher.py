"""What goes out on iopub: messages, and the text of the two streams."""

import io
import os
import threading

import _perijove_kernel as core

from perijove_kernel.json_text import encode

# Text waits this long for more of it, and at most so much of it waits.
SECONDS = 0.1
CHARACTERS_MAX = 1 << 16

STDOUT_FILENO = 1
STDERR_FILENO = 2


class Publisher:
    """Publishes as a part of the cell, or of the message of a widget, that was the last to begin.

    The text that code prints is collected; it leaves before any other message, so that outputs
    keep their order, at the end of a cell, and a tenth of a second after it was printed.

    Threads: any.
    """

    def __init__(self):
        self.request_header = "{}"
        self.stdout = Stream(self, "stdout", STDOUT_FILENO)
        self.stderr = Stream(self, "stderr", STDERR_FILENO)
        self._texts = []  # (name of the stream, text), in the order in which they were printed
        self._characters = 0
        self._lock = threading.RLock()
        self._waiting = threading.Event()
        self._flusher = None
        self.process = os.getpid()

    def begin(self, request_header):
        """What is published from now on belongs to the request with this header (JSON text)."""
        self.flush()
        self.request_header = request_header

    def publish(self, msg_type, content, metadata=None, buffers=None):
        if os.getpid() != self.process:
            return  # a child of multiprocessing has no sockets
        self.flush()
        core.publish(
            self.request_header,
            msg_type,
            encode(content),
            encode(metadata or {}),
            [memoryview(buffer).tobytes() for buffer in buffers or ()],
        )

    def write(self, name, text):
        with self._lock:
            self._texts.append((name, text))
            self._characters += len(text)
            if self._characters > CHARACTERS_MAX:
                self._send()
                return
        if not self._waiting.is_set():
            self._waiting.set()
            if self._flusher is None:
                self._flusher = threading.Thread(
                    target=self._flush_from_time_to_time, name="perijove-streams", daemon=True
                )
                # What is printed while a debugger has stopped the others shall be seen.
                self._flusher.pydev_do_not_trace = True
                self._flusher.is_pydev_daemon_thread = True
                self._flusher.start()

    def flush(self):
        """Publishes all text that was printed, by Python code and by others."""
        if os.getpid() != self.process:
            return
        with self._lock:
            self._send()
        core.catch_up()

    def start_no_thread(self):
        """Until after_fork(): what is printed waits for the next flush."""
        self._waiting.set()

    def after_fork(self):
        """This process, a child, is a kernel from now on: threads, what they have held, and what
        was printed are the parent's."""
        self.process = os.getpid()
        self._lock = threading.RLock()
        self._waiting = threading.Event()
        self._flusher = None
        self._texts = []
        self._characters = 0

    def _send(self):
        # The lock is held, so that what is printed later leaves later.
        texts, self._texts, self._characters = self._texts, [], 0
        begin = 0
        while begin < len(texts):
            name = texts[begin][0]
            end = begin + 1
            while end < len(texts) and texts[end][0] == name:
                end += 1
            text = "".join([text for _, text in texts[begin:end]])
            core.publish(
                self.request_header, "stream", encode({"name": name, "text": text}), b"{}", []
            )
            begin = end

    def _flush_from_time_to_time(self):
        waiting = self._waiting
        pause = threading.Event()
        while True:
            waiting.wait()
            pause.wait(SECONDS)
            waiting.clear()
            with self._lock:
                self._send()


class Stream(io.TextIOBase):
    """sys.stdout or sys.stderr."""

    encoding = "UTF-8"
    errors = "replace"
    newlines = None
    line_buffering = False

    def __init__(self, publisher, name, descriptor):
        super().__init__()
        self._publisher = publisher
        self.name = name
        self._descriptor = descriptor
        self._of_child = ""  # text that waits for the end of its line

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        if os.getpid() == self._publisher.process:
            if text:
                self._publisher.write(self.name, text)
        else:
            self._of_child += text
            if "\n" in text:
                self._write_of_child()
        return len(text)

    def _write_of_child(self):
        """In a child of multiprocessing, whose parent reads what it writes here."""
        data, self._of_child = self._of_child.encode("utf-8", "replace"), ""
        while data:
            data = data[os.write(self._descriptor, data) :]

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        if os.getpid() == self._publisher.process:
            self._publisher.flush()
        else:
            self._write_of_child()

    def fileno(self):
        return self._descriptor

    def writable(self):
        return True

    def readable(self):
        return False

    def isatty(self):
        return False

    def close(self):
        """Stays open, as the kernel goes on printing to it."""

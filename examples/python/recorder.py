"""Records what the clients of a lock do, for `locksim check`."""

import itertools
import json
import threading
import time


class Refused(Exception):
    """The lock certainly was not granted, or certainly was not ours to release."""


class Recorder:
    def __init__(self, file, **header):
        self.file, self.mutex, self.zero = file, threading.Lock(), time.monotonic_ns()
        self.grants, self.processes = itertools.count(1), itertools.count()
        self.line({"schema": "lockproof.history/v1", **header})

    def line(self, fields):
        self.file.write(json.dumps(fields) + "\n")

    def event(self, **fields):
        with self.mutex:  # lines are in the order of their times
            self.line({"at": time.monotonic_ns() - self.zero, **fields})


class Client:
    def __init__(self, recorder, index, lock):
        self.recorder, self.process = recorder, next(recorder.processes)
        self.who, self.grant = {"client": index, "lock": lock}, 0

    def call(self, op, function):
        """Calls function and records how it ended; of an acquire it returns a token or None."""
        about = {"op": op, **self.who, **({"grant": self.grant} if op == "release" else {})}
        self.recorder.event(phase="invoke", process=self.process, **about)
        process = self.process
        try:
            result = function()
        except Refused as why:
            self.recorder.event(phase="fail", process=process, detail=str(why), **about)
            raise
        except BaseException as why:  # it may have happened, and may happen yet
            self.process = next(self.recorder.processes)
            self.recorder.event(phase="info", process=process, detail=str(why), **about)
            raise
        if op == "acquire":
            self.grant = about["grant"] = next(self.recorder.grants)
            about["token"] = result or 0
        self.recorder.event(phase="ok", process=process, **about)
        return result

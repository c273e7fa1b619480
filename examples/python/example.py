"""Three threads take a lock that is kept in a file, and record what they do.

    python3 example.py > history.jsonl
    locksim check history.jsonl --html report.html

With --broken the lock looks before it creates the file, in two steps.
"""

import os
import sys
import tempfile
import threading
import time

from recorder import Client, Recorder, Refused


def acquire(path, broken):
    if broken:
        if os.path.exists(path):
            raise Refused("the file exists")
        time.sleep(0.001)  # in which another may look, too
        open(path, "w").close()
        return
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        raise Refused("the file exists") from None


def release(path):
    try:
        os.remove(path)
    except FileNotFoundError:
        raise Refused("it is gone") from None


def work(client, path, broken):
    for _ in range(20):
        try:
            client.call("acquire", lambda: acquire(path, broken))
            time.sleep(0.002)
            client.call("release", lambda: release(path))
        except Refused:
            time.sleep(0.003)


def main():
    recorder = Recorder(sys.stdout)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lock")
        threads = [
            threading.Thread(target=work, args=(Client(recorder, i, "file"), path, "--broken" in sys.argv[1:]))
            for i in range(3)
        ]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


if __name__ == "__main__":
    main()

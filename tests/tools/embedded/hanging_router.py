#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hanging_router.py OMBT-ROUTER: an ombt-router that hangs from SIGUSR1 on: its port takes
connections, and nothing is passed on any more. SIGTERM ends it."""

import signal
import socket
import subprocess
import sys
import threading

hangs = threading.Event()


def carry(source, sink):
    try:
        while data := source.recv(65536):
            if hangs.is_set():
                return  # both stay open
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def end(*_):
    router.terminate()
    sys.exit(0)


router = subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE, text=True)
port = int(router.stdout.readline().rpartition(":")[2])
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGUSR1, lambda *_: hangs.set())
server = socket.create_server(("127.0.0.1", 0), backlog=1000)
print("amqp://127.0.0.1:%d" % server.getsockname()[1], flush=True)
kept = []
while True:
    client = server.accept()[0]
    kept.append(client)
    if hangs.is_set():
        continue
    there = socket.create_connection(("127.0.0.1", port))
    kept.append(there)
    for pair in ((client, there), (there, client)):
        threading.Thread(target=carry, args=pair, daemon=True).start()

# SPDX-License-Identifier: Apache-2.0
"""A proxy that ends TLS in front of the bus, and SASL EXTERNAL if wanted, and the certificates for
it and for its clients."""

import contextlib
import os
import select
import socket
import ssl
import struct
import subprocess
import tempfile
import threading

import amqp10_recorder
import bus
import stubs

# The beginning of a record of 16 KiB, a whole record that nobody encrypted, and no record at all.
HALF_A_RECORD = b"\x17\x03\x03\x40\x00" + bytes(100)
FALSE_RECORD = b"\x17\x03\x03\x00\x40" + bytes(range(64))
GARBAGE = bytes(range(256)) * 4


SASL = b"AMQP\x03\x01\x00\x00"


def sasl_frame(code, field):
    """A SASL frame with one field."""
    fields = b"\xc0" + bytes([len(field) + 1, 1]) + field
    return struct.pack(">IBBH", 8 + 3 + len(fields), 2, 1, 0) + b"\x00\x53" + bytes([code]) + fields


class Certificates:
    """A folder with an authority and what it signed, and another authority that signed nothing."""

    HERE = "DNS:localhost,IP:127.0.0.1"
    ADDRESS = "127.0.0.1"
    PASSWORD = "k3y-s3cr3t"  # of the key "encrypted"

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        for name in ("ca", "other-ca", "self-signed"):
            # Proton looks for an address in the common name only.
            common = self.ADDRESS if name == "self-signed" else name
            self.openssl("req", "-x509", *self.new_key(name), "-out", self.path(name), "-subj",
                         "/CN=" + common, "-addext", "subjectAltName=" + self.HERE)
        self.sign("server", self.HERE, common=self.ADDRESS)
        self.sign("elsewhere", "DNS:elsewhere.invalid,IP:127.0.0.2")
        self.sign("expired", self.HERE, "-days", "-1", common=self.ADDRESS)
        self.sign("client", "DNS:client.invalid")
        self.openssl("pkey", "-in", self.path("client", "key"), "-aes256", "-passout",
                     "pass:" + self.PASSWORD, "-out", self.path("encrypted", "key"))

    def path(self, name, kind="pem"):
        return os.path.join(self.folder.name, name + "." + kind)

    def new_key(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                self.path(name, "key")]

    def sign(self, name, names, *more, common=None):
        self.openssl("req", "-new", *self.new_key(name), "-out", self.path(name, "csr"), "-subj",
                     "/CN=" + (common or name), "-addext", "subjectAltName=" + names)
        self.openssl("x509", "-req", "-in", self.path(name, "csr"), "-CA", self.path("ca"),
                     "-CAkey", self.path("ca", "key"), "-copy_extensions", "copy", "-out",
                     self.path(name), *more)

    @staticmethod
    def openssl(*arguments):
        done = subprocess.run(["openssl", *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                              timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError("openssl %s: %s" % (arguments[0], done.stdout))

    def server(self, name="server", ask=False, version=None):
        """The TLS settings of a server; ask: for a client certificate that "ca" signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(name), self.path(name, "key"))
        if ask:
            context.load_verify_locations(self.path("ca"))
            context.verify_mode = ssl.CERT_REQUIRED
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context


class Link:
    """One connection through the proxy: TLS to the client, plain to the broker."""

    LIMIT = 1 << 18  # bytes that may wait for either side

    def __init__(self, client, context):
        self.client = client
        self.received, self.encrypted = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.received, self.encrypted, server_side=True)
        self.to_client, self.to_broker = bytearray(), bytearray()
        self.held = False  # nothing is read from the client
        self.end = None  # (last words, reset): once set, how it ends

    def handshake(self):
        """The TLS version agreed; or the alert is sent, and ssl.SSLError raised."""
        while True:
            try:
                self.tls.do_handshake()
                return self.tls.version()
            except ssl.SSLWantReadError:
                pass
            finally:
                with contextlib.suppress(OSError):
                    self.client.sendall(self.encrypted.read())
            data = self.client.recv(65536)
            if not data:
                raise ConnectionResetError("closed by the client")
            self.received.write(data)

    def decrypt(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            while data := self.tls.read(65536):  # nothing: the client has said goodbye
                self.to_broker += data

    def encrypt(self, data):
        while data:
            data = data[self.tls.write(data):]
            self.to_client += self.encrypted.read()

    def take(self, size):
        """So many bytes that the client said."""
        self.decrypt()
        while len(self.to_broker) < size:
            data = self.client.recv(65536)
            if not data:
                raise ConnectionResetError("closed by the client")
            self.received.write(data)
            self.decrypt()
        taken = bytes(self.to_broker[:size])
        del self.to_broker[:size]
        return taken

    def say(self, data):
        self.encrypt(data)
        self.client.sendall(self.to_client)
        self.to_client.clear()

    def log_in(self):
        """AMQP 1.0's SASL layer with EXTERNAL: (mechanism, response, the certificate's name). The
        bus behind has none."""
        self.say(SASL + sasl_frame(0x40, b"\xa3\x08EXTERNAL"))
        if self.take(8) != SASL:
            raise ConnectionResetError("no SASL")
        size, offset, _ = struct.unpack(">IBxH", self.take(8))
        init = amqp10_recorder.Cursor(self.take(size - 8)[offset * 4 - 8:]).value()
        mechanism, response = init.fields[:2]
        subject = dict(pair[0] for pair in self.tls.getpeercert()["subject"])
        self.say(sasl_frame(0x44, b"\x50\x00"))
        return mechanism.value, response.value, subject["commonName"]

    def carry(self, broker):
        """Until either side closes, or end is set."""
        self.client.setblocking(False)
        broker.setblocking(False)
        self.decrypt()  # what came together with the end of the handshake
        while self.end is None:
            readers = [self.client] * (len(self.to_broker) < self.LIMIT and not self.held)
            readers += [broker] * (len(self.to_client) < self.LIMIT)
            writers = [self.client] * bool(self.to_client) + [broker] * bool(self.to_broker)
            ready, free, _ = select.select(readers, writers, [], 0.05)
            if self.client in ready:
                data = self.client.recv(65536)
                if not data:
                    return
                self.received.write(data)
                self.decrypt()
            if broker in ready:
                data = broker.recv(65536)
                if not data:
                    return
                self.encrypt(data)
            if self.client in free:
                del self.to_client[:self.client.send(self.to_client[:65536])]
            if broker in free:
                del self.to_broker[:broker.send(self.to_broker[:65536])]
        last_words, reset = self.end
        self.client.settimeout(5)
        self.client.sendall(self.to_client + last_words)
        if reset:
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Proxy(stubs.Stub):
    """Ends TLS in front of the bus, a thread a connection. external: it ends SASL EXTERNAL too, and
    keeps the logins."""

    def __init__(self, context, to=None, external=False):
        super().__init__(self._serve)
        self.external, self.logins = external, []
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # clients have to wait
        self.context = context
        self.bus = to or bus.address()
        self.lock = threading.Lock()
        self.links, self.versions, self.refusals = [], [], []

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    def url(self, host="127.0.0.1", vhost=None, ssl="1", **options):
        query = "?ssl=" + ssl + "".join("&%s=%s" % pair for pair in options.items())
        return self.bus.url(port=self.port, host=host, vhost=vhost, query=query)

    def hold_all(self, held):
        with self.lock:
            for link in self.links:
                link.held = held

    def end_all(self, last_words, reset=False):
        with self.lock:
            for link in self.links:
                link.end = (last_words, reset)
            return len(self.links)

    def _serve(self, client):
        link = Link(client, self.context)
        try:
            version = link.handshake()
            login = link.log_in() if self.external else None
        except OSError as problem:  # ssl.SSLError is one
            with self.lock:
                self.refusals.append(str(problem))
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):  # or a reset could overtake the alert
                pass
            return
        with self.lock:
            self.links.append(link)
            self.versions.append(version)
            self.logins += [login] if login else []
        try:
            with socket.create_connection((self.bus.host, self.bus.port)) as broker:
                link.carry(broker)
        finally:
            with self.lock:
                self.links.remove(link)

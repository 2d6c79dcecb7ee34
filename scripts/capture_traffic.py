#!/usr/bin/env python3
"""The programs that talk while scripts/record-capture records.

  capture_traffic.py serve ADDRESS          HTTP server (port 8000) and a DNS responder (UDP port 53) on ADDRESS
  capture_traffic.py client LOCAL REMOTE    the client's side of the traffic, from LOCAL to REMOTE, then exit

The server is Python's own http.server over files that are made here in memory; the client is http.client. Sizes and pauses come
from a fixed seed; the rest (who is late, who acknowledges when) is the kernel's and differs from recording to recording.
"""
import http.client
import http.server
import io
import random
import socket
import socketserver
import struct
import sys
import threading
import time

HTTP_PORT = 8000
DNS_PORT = 53
BULK_BYTES = 2_000_000
REQUESTS = 200
QUERIES = 300
PARALLEL = 4


class Files(http.server.SimpleHTTPRequestHandler):
    """/N answers N bytes. HTTP/1.1, so that a connection can carry several requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536  # head and body of a small answer leave in one segment

    def send_head(self):
        size = int(self.path.strip("/"))
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        return io.BytesIO(bytes(size))

    def do_POST(self):
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def address_string(self):
        return self.client_address[0]  # no reverse look-up

    def log_message(self, *_):
        pass


class Answers(socketserver.BaseRequestHandler):
    """Answers a DNS query of one question with one to eight A records inside 10.0.0.0/8."""

    def handle(self):
        query, sock = self.request
        ident, name_end = query[:2], query.index(0, 12) + 1
        question = query[12:name_end + 4]
        count = 1 + len(question) % 8
        head = ident + struct.pack(">HHHHH", 0x8180, 1, count, 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4)
        sock.sendto(head + question + b"".join(record + bytes([10, 0, 0, i]) for i in range(count)), self.client_address)


class HttpServer(http.server.ThreadingHTTPServer):
    def server_bind(self):  # HTTPServer's own asks for the host's name
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


def serve(address):
    threading.Thread(target=socketserver.UDPServer((address, DNS_PORT), Answers).serve_forever, daemon=True).start()
    HttpServer((address, HTTP_PORT), Files).serve_forever()


def connect(local, remote):
    connection = http.client.HTTPConnection(remote, HTTP_PORT, timeout=10, source_address=(local, 0))
    connection.connect()
    return connection


def get(connection, size):
    connection.request("GET", f"/{size}")
    body = connection.getresponse().read()
    assert len(body) == size, (len(body), size)


def bulk(local, remote):
    connection = connect(local, remote)
    get(connection, BULK_BYTES)  # toward the client
    connection.request("POST", "/", bytes(BULK_BYTES // 3))  # and a third of that away from it
    connection.getresponse().read()
    connection.close()


def requests(local, remote, seed):
    rng = random.Random(seed)
    connection = None
    for _ in range(REQUESTS // PARALLEL):
        time.sleep(rng.expovariate(1 / 0.0008))
        if connection is None:
            connection = connect(local, remote)
        get(connection, rng.randrange(64, 1501))
        if rng.random() < 0.4:
            connection.close()
            connection = None
    if connection is not None:
        connection.close()


def queries(local, remote, seed):
    rng = random.Random(seed)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((local, 0))
    sock.settimeout(5)
    for ident in range(QUERIES):
        time.sleep(rng.expovariate(1 / 0.0004))
        label = b"x" * rng.randrange(3, 40)
        name = bytes([len(label)]) + label + b"\x07example\x00"
        sock.sendto(struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1), (remote, DNS_PORT))
        sock.recv(1500)


def client(local, remote):
    bulk(local, remote)
    workers = [threading.Thread(target=requests, args=(local, remote, seed)) for seed in range(PARALLEL)]
    workers.append(threading.Thread(target=queries, args=(local, remote, PARALLEL)))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    {"serve": serve, "client": client}[sys.argv[1]](*sys.argv[2:])

"""An HTTP/2 client of python3-h2 that floods: opens streams and takes them back, or sends PING or SETTINGS without end.

Usage: h2_flood.py PORT CA_FILE {reset|ping|settings} SECONDS
Prints one line: how many frames it sent, and whether the server ended the connection.
"""
import socket
import ssl
import sys
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions


def main():
    port, ca_file, kind, seconds = int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["h2"])
    raw = socket.create_connection(("127.0.0.1", port))
    tls = context.wrap_socket(raw, server_hostname="localhost")
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    tls.sendall(connection.data_to_send())
    tls.settimeout(0.01)
    fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", f"localhost:{port}"),
        (":path", "/bank/v1/accounts/acc-1001"),
    ]
    sent, ended, deadline = 0, False, time.monotonic() + seconds
    while not ended and time.monotonic() < deadline:
        try:
            for _ in range(50):
                if kind == "reset":
                    stream = connection.get_next_available_stream_id()
                    connection.send_headers(stream, fields, end_stream=True)
                    connection.reset_stream(stream, error_code=8)
                elif kind == "ping":
                    connection.ping(b"12345678")
                else:
                    connection.update_settings({4: 65535})
                sent += 1
            tls.sendall(connection.data_to_send())
            for event in connection.receive_data(tls.recv(65536)):
                ended = ended or isinstance(event, h2.events.ConnectionTerminated)
        except socket.timeout:
            continue
        except (OSError, h2.exceptions.ProtocolError):
            ended = True
    print(f"sent {sent} ended {ended}")


main()

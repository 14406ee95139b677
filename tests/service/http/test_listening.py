"""The listening socket and its copies."""

import contextlib
import socket

from service.http.listening import HANDLES, handles


def test_a_connection_can_be_accepted_at_each_handle() -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        copies = [stack.enter_context(one) for one in handles(listener)]
        assert len(copies) == HANDLES
        for one in copies:
            client = stack.enter_context(socket.create_connection(listener.getsockname()))
            accepted, address = one.accept()
            accepted.close()
            assert address == client.getsockname()

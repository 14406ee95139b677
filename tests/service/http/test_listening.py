"""Where the service can listen, and the copies of the listening socket."""

import contextlib
import re
import socket

import pytest

from service.http.listening import HANDLES, PortRefused, check, handles
from service.settings import BadSetting, Settings


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


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::1"])
def test_an_address_of_this_machine_is_right(host: str) -> None:
    if host == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    check(Settings(host=host, port=0))


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 64, " ", "192.0.2.1", "2001:db8::1", "127.0.0.1:8000"])
def test_any_other_host_is_a_wrong_setting(host: str) -> None:
    with pytest.raises(BadSetting, match=f"^SEEDLINGS_HOST: .*{re.escape(repr(host))}.*; name an address of this machine"):
        check(Settings(host=host, port=0))


def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        for setting, values in (("PORT", {"port": taken}), ("PROBE_PORT", {"port": 0, "probe_port": taken})):
            with pytest.raises(PortRefused, match=f"^SEEDLINGS_{setting}: Address already in use: {taken}; choose another port$"):
                check(Settings.model_validate(values))


def test_the_port_for_probes_that_workers_of_another_service_share_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        taken = other.getsockname()[1]
        with pytest.raises(PortRefused, match=r"^SEEDLINGS_PROBE_PORT: Address already in use"):
            check(Settings(port=0, probe_port=taken, workers=2))

"""The daemon as a process: it pairs over real sockets, and ends as its supervisor expects."""

import signal
import socket
import threading

import pytest

from tests.support.client import Client, connect, pair
from tests.support.daemon import DaemonProcess
from tests.support.frames import handshake

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def test_two_clients_meet_and_talk() -> None:
    """Nobody gets a video call at all."""
    with DaemonProcess() as daemon, Client(daemon.port) as one, Client(daemon.port) as other:
        first, second = pair(one, other)
        assert [first["initiator"], second["initiator"]].count(True) == 1
        one.send("offer", sdp="v=0\r\n")
        assert other.expect("offer") == {"type": "offer", "from": one.id, "sdp": "v=0\r\n"}
        other.send("answer", sdp={"type": "answer", "sdp": "v=0"})
        assert one.expect("answer") == {"type": "answer", "from": other.id, "sdp": {"type": "answer", "sdp": "v=0"}}
        for number in range(5):
            one.send("ice", candidate={"candidate": str(number)})
        assert [other.expect("ice")["candidate"]["candidate"] for _ in range(5)] == ["0", "1", "2", "3", "4"]
        other.send("leave")
        assert one.expect("partner-left") == {"type": "partner-left"}
        assert daemon.health()["clients"] == 2
        assert daemon.stop(one, other)[0] == 0
        assert daemon.errors == []


@pytest.mark.parametrize("number", SIGNALS)
def test_stop_closes_every_client_with_1001(number: signal.Signals) -> None:
    """Clients would not know that they should connect again, or a supervisor would take the stop for a crash."""
    with DaemonProcess() as daemon:
        clients = [Client(daemon.port) for _ in range(7)]
        for client in clients[1:]:
            client.send("available")
            client.sync()
        assert daemon.stop(*clients, number=number) == (0, [1001] * 7)
        assert daemon.errors == []
        for client in clients:
            client.socket.close()


@pytest.mark.parametrize("number", SIGNALS)
def test_stop_waits_for_nobody_who_does_not_answer(number: signal.Signals) -> None:
    """One frozen phone would hold up every deployment until the supervisor kills the daemon."""
    with DaemonProcess() as daemon:
        deaf = [Client(daemon.port, answers=False) for _ in range(3)]
        half_open = connect(daemon.port)
        half_open.sendall(handshake()[:-10])
        silent = connect(daemon.port)
        vanished = Client(daemon.port, answers=False)
        vanished.socket.shutdown(socket.SHUT_RD)
        assert daemon.stop(*deaf, number=number) == (0, [1001] * 3)
        assert daemon.errors == []
        for client in (*deaf, vanished):
            client.socket.close()
        half_open.close()
        silent.close()


def test_a_second_signal_does_not_matter() -> None:
    """An impatient operator would leave an error in the log, or an exit status that means a crash."""
    with DaemonProcess() as daemon:
        deaf = Client(daemon.port, answers=False)
        daemon.kill()
        assert deaf.wait_closed_frame() == 1001
        daemon.kill()
        daemon.kill(signal.SIGINT)
        assert daemon.wait_exit() == 0
        assert daemon.errors == []
        deaf.socket.close()


def test_nobody_new_while_stopping() -> None:
    """A client that connects during the stop would be dropped a second later instead of reaching the next instance."""
    with DaemonProcess() as daemon:
        port = daemon.port
        deaf = Client(port, answers=False)
        daemon.kill()
        assert deaf.wait_closed_frame() == 1001
        with pytest.raises(ConnectionError):
            connect(port)
        assert daemon.wait_exit() == 0
        deaf.socket.close()


def test_many_clients_come_and_go() -> None:
    """Clients that reload their page all the time would disturb each other, or leave memory behind."""
    with DaemonProcess(variables={"REMATCH_DELAY_SECONDS": "0"}) as daemon:
        failures: list[BaseException] = []

        def churn(kind: int) -> None:
            try:
                for turn in range(30):
                    client = Client(daemon.port)
                    client.send("available")
                    client.send("ice", candidate=None)
                    client.send("next" if kind else "leave")
                    client.sync()
                    if (turn + kind) % 3:
                        client.close()
                    else:
                        client.abort()
                    client.socket.close()
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=churn, args=(kind,)) for kind in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        daemon.wait_clients(0)
        with Client(daemon.port) as one, Client(daemon.port) as other:
            pair(one, other)
        assert daemon.stop()[0] == 0
        assert daemon.errors == []

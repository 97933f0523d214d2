"""The protocol of sections 1 and 2 on the wire, by the daemon as it is wired."""

import json

from tests.support.memory import MemoryClient, MemoryTest


class Pairing(MemoryTest):
    """Who meets whom, and what both are told."""

    def setUp(self) -> None:
        self.daemon = self.start()

    def waiting(self) -> MemoryClient:
        client = self.daemon.client()
        client.send("available")
        return client

    def assertPartners(self, one: MemoryClient, other: MemoryClient) -> None:
        (first,), (second,) = one.take(), other.take()
        self.assertEqual((first["type"], second["type"]), ("matched", "matched"))
        self.assertEqual(first["roomId"], second["roomId"])
        self.assertEqual((first["partnerId"], second["partnerId"]), (other.id, one.id))
        self.assertEqual({first["initiator"], second["initiator"]}, {True, False})

    def test_ready_is_first_and_ids_differ(self) -> None:
        """A client would not know its own id."""
        clients = [self.daemon.client() for _ in range(20)]
        self.assertEqual(len({client.id for client in clients}), 20)

    def test_oldest_first(self) -> None:
        """Somebody would wait while later comers are served."""
        self.daemon = self.start(REMATCH_DELAY_SECONDS="60", REQUEUE_ON_PARTNER_LEAVE="false")
        one, other = self.daemon.pair()
        one.send("next")
        other.send("available")
        self.assertEqual((one.types(), other.types()), ([], ["partner-left"]))
        third = self.waiting()
        self.assertPartners(one, third)
        fourth = self.waiting()
        self.assertPartners(other, fourth)

    def test_available_twice(self) -> None:
        """A page that asks twice would be matched with itself, or stand in the queue twice."""
        client = self.waiting()
        client.send("available")
        self.assertEqual(client.types(), [])
        partner = self.waiting()
        self.assertPartners(client, partner)
        self.assertEqual(self.waiting().types(), [])

    def test_available_while_paired(self) -> None:
        """A page would lose its partner, or have two."""
        one, other = self.daemon.pair()
        one.send("available")
        self.assertEqual([error["code"] for error in one.take()], ["ALREADY_PAIRED"])
        one.send("ice", candidate=None)
        self.assertEqual(other.types(), ["ice"])

    def test_without_partner(self) -> None:
        """A message for nobody would vanish without a word."""
        idle, waiting = self.daemon.client(), self.waiting()
        for client in (idle, waiting):
            for message in ({"type": "offer", "sdp": ""}, {"type": "answer", "sdp": ""}, {"type": "next"}):
                client.text(json.dumps(message))
                (error,) = client.take()
                self.assertEqual((error["type"], error["code"]), ("error", "NOT_PAIRED"))
            client.send("ice", candidate={})
            self.assertEqual([error["code"] for error in client.take()], ["NOT_PAIRED"])
        self.assertPartners(waiting, self.waiting())

    def test_leave(self) -> None:
        """Somebody who left would be called again, or its partner would not be told."""
        one, other = self.daemon.pair()
        one.send("leave")
        self.assertEqual(one.types(), [])
        self.assertEqual(other.types(), ["partner-left"])
        one.send("leave")
        self.assertEqual((one.types(), other.types()), ([], []))
        third = self.waiting()
        self.assertPartners(other, third)
        self.assertEqual(one.types(), [])

    def test_leave_the_queue(self) -> None:
        """Somebody who changed its mind would be matched."""
        client = self.waiting()
        client.send("leave")
        self.assertEqual(self.waiting().types(), [])
        self.assertEqual(client.types(), [])

    def test_next_queues_both(self) -> None:
        """The asker of `next` would never be matched again, as with the old server."""
        one, other = self.daemon.pair()
        one.send("next")
        self.assertEqual((one.types(), other.types()), ([], ["partner-left"]))
        third, fourth = self.waiting(), self.waiting()
        self.assertPartners(one, third)
        self.assertPartners(other, fourth)

    def test_two_alone_meet_again(self) -> None:
        """The only two people there would wait for ever."""
        one, other = self.daemon.pair()
        one.send("next")
        other.take()
        self.daemon.advance(2.5)
        self.assertEqual((one.types(), other.types()), ([], []))
        self.daemon.advance(1)
        self.assertPartners(one, other)

    def test_partner_waits_at_its_own_word_only(self) -> None:
        """With REQUEUE_ON_PARTNER_LEAVE=false somebody would be called who has not said `available`."""
        self.daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false")
        one, other = self.daemon.pair()
        one.send("next")
        self.assertEqual(other.types(), ["partner-left"])
        third = self.waiting()
        self.assertPartners(one, third)
        self.assertEqual(self.waiting().types(), [])
        self.assertEqual(other.types(), [])

    def test_old_client_says_available_after_partner_left(self) -> None:
        """A client of the old server says `available` after `partner-left`: it would get an error or wait twice."""
        one, other = self.daemon.pair()
        one.send("leave")
        other.take()
        other.send("available")
        self.assertEqual(other.types(), [])
        self.assertPartners(other, self.waiting())
        self.assertEqual(self.waiting().types(), [])

    def test_relay_only_to_the_partner(self) -> None:
        """Strangers would see somebody's addresses."""
        pairs = [self.daemon.pair() for _ in range(3)]
        pairs[1][0].send("offer", sdp="secret")
        self.assertEqual([client.types() for pair in pairs for client in pair], [[], [], [], ["offer"], [], []])

    def test_nothing_of_the_last_room(self) -> None:
        """A late candidate of the last partner would break the call with the new one."""
        one, other = self.daemon.pair()
        third = self.waiting()
        one.send("next")
        other.take()
        self.assertPartners(third, one)
        other.send("ice", candidate={"candidate": "late"})
        self.assertEqual([error["code"] for error in other.take()], ["NOT_PAIRED"])
        self.assertEqual((one.types(), third.types()), ([], []))

    def test_order(self) -> None:
        """A candidate before its offer cannot be used."""
        one, other = self.daemon.pair()
        one.send("offer", sdp="a")
        for number in range(20):
            one.send("ice", candidate={"n": number})
        one.send("ice", candidate=None)
        received = other.take()
        self.assertEqual([message["type"] for message in received], ["offer"] + ["ice"] * 21)
        self.assertEqual([message["candidate"]["n"] for message in received[1:-1]], list(range(20)))
        self.assertEqual({message["from"] for message in received}, {one.id})

    def test_from_is_the_servers_word(self) -> None:
        """Somebody could speak in another one's name."""
        one, other = self.daemon.pair()
        one.text('{"from":"somebody","type":"offer","sdp":"x","from":"else","roomId":"r"}')
        self.assertEqual(other.take(), [{"type": "offer", "from": one.id, "sdp": "x"}])

    def test_byte_for_byte(self) -> None:
        """What browsers put into SDP and candidates would be changed on its way."""
        one, other = self.daemon.pair()
        payload = '{"b":1,"a":"\\u00e9é\\/\\n","n":1e400,"i":123456789012345678901234567890,"b":2, "z" : [ ] }'
        one.text('{"type":"ice","candidate":' + payload + "}")
        self.assertEqual(other.frames[-1].payload, f'{{"type":"ice","from":"{one.id}","candidate":{payload}}}'.encode())

    def test_bad_input_changes_nothing(self) -> None:
        """A slip of one page would end its call."""
        one, other = self.daemon.pair()
        for text, code in (
            ("", "INVALID_FORMAT"),
            ("nonsense", "INVALID_FORMAT"),
            ("[]", "INVALID_FORMAT"),
            ("null", "INVALID_FORMAT"),
            ("{}", "INVALID_FORMAT"),
            ('{"type":7}', "INVALID_FORMAT"),
            ('{"type":"offer"}', "INVALID_FORMAT"),
            ('{"type":"ice","candidate":"x"}', "INVALID_FORMAT"),
            ('{"type":"dance"}', "UNKNOWN_TYPE"),
            ('{"type":"matched"}', "UNKNOWN_TYPE"),
        ):
            one.text(text)
            (error,) = one.take()
            self.assertEqual((error["type"], error["code"]), ("error", code), text)
            self.assertEqual(set(error), {"type", "code", "message"})
        one.send("ping")
        one.send("offer", sdp=1)
        self.assertEqual((one.types(), other.types()), (["pong"], ["offer"]))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_auth_is_silent(self) -> None:
        """A client that says who it is would be told of an error, or get a reply that it does not know."""
        client = self.daemon.client()
        for fields in ({}, {"userId": "me"}, {"userId": "me", "token": "t"}, {"userId": None}):
            client.send("auth", **fields)
        self.assertEqual(client.types(), [])


class PairingByAutobahn(Pairing):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False

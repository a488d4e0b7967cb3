"""A session of Tradewind in Python, by the standard library alone; written from docs/protocol: session.md, stream.md, orders.md.
Decides where the session is connected, what of its streams is new, and what is sent again: an order under its id alone.

    session = Session(["127.0.0.1:4001"], api_key, on_event)
    session.subscribe("fills", account="sim-1")
    session.submit({"instrument": "BTC/USD", "side": "buy", "type": "market", "quantity": "0.001", "time_in_force": "ioc"})

`on_event(type, frame)` is called on the thread that reads, in order: one that takes long makes the MarketManager wait, one that raises ends the session.
"""

import base64
import contextlib
import datetime
import hashlib
import http.client
import json
import os
import random
import socket
import struct
import threading
import time

DIAL_WITHIN, HELLO_WITHIN_MAX, DEAD_AFTER, LIVED = 0.5, 4.0, 3.0, 1.0
ANSWER_WITHIN, REPEAT_AFTER, REPEAT_AFTER_MAX, GIVE_UP_AFTER, RENEW_AGAIN_AFTER = 3.5, 0.05, 1.0, 30.0, 30.0
MESSAGE_BYTES_MAX, FILLS_REMEMBERED = 16 << 20, 65_536
NUMBERED = {"orders": "order", "fills": "fill", "trades": "trade"}
FROM_THE_BEGINNING = {"epoch": "none", "seq": 0}


class Problem(Exception):
    """Understood, and not done. `code` and `retry` say what may be done about it."""

    def __init__(self, told):
        super().__init__(f"{told.get('title')}: {told.get('detail')}")
        self.code, self.retry = told.get("code"), told["retry"]
        self.wait = min((told.get("retry_after_ms") or REPEAT_AFTER * 1000) / 1000, REPEAT_AFTER_MAX)


class Lost(OSError):
    """No answer, or a connection's end. `sent`: what was asked may have been done."""

    def __init__(self, why, sent=True):
        super().__init__(str(why))
        self.sent = sent


class Unknown(Exception):
    """It may or may not have been done: the same body sent again tells which, and does it no second time."""


def refusal(body, whose):
    """What an answer says that is not 2xx."""
    try:
        return Problem(json.loads(body))
    except (ValueError, LookupError, TypeError, AttributeError):
        return Lost(whose)  # Something else answers there, and what it has done is not known.


def ask(method, address, path, secret, body=None):
    """One request, one answer; raises Problem or Lost."""
    try:
        link = http.client.HTTPConnection(address, timeout=DIAL_WITHIN)
        link.connect()
    except (OSError, http.client.HTTPException) as failed:
        raise Lost(f"{address}: {failed}", sent=False) from failed
    content = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    try:
        link.sock.settimeout(ANSWER_WITHIN)
        link.request(method, path, content, headers)
        answer = link.getresponse()
        told = answer.read()
        if 200 <= answer.status < 300:
            return json.loads(told)
    except (OSError, ValueError, http.client.HTTPException) as failed:
        raise Lost(f"{address}: {failed}") from failed
    finally:
        link.close()
    raise refusal(told, f"{address} answered {answer.status}")


class WebSocket:
    """RFC 6455, the client's side: text, whole or in fragments, pings, pongs, close. It ends with an OSError."""

    GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    CONTINUED, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10

    def __init__(self, address, path, secret, within):
        self.address, self.read_ahead, self.sending = address, b"", threading.Lock()
        self.deadline = time.monotonic() + within
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host.strip("[]"), int(port)), DIAL_WITHIN)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16))
        self.socket.sendall((
            f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\nAuthorization: Bearer {secret}\r\n\r\n"
        ).encode())
        while b"\r\n\r\n" not in self.read_ahead:
            self._more()
        head, self.read_ahead = self.read_ahead.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if first.split(" ")[1:2] != ["101"]:
            count = headers.get("content-length", "")
            body = self._exactly(min(int(count), MESSAGE_BYTES_MAX)) if count.isdecimal() else b""
            raise refusal(body, f"{address}: {first}")
        accept = base64.b64encode(hashlib.sha1(key + self.GUID).digest()).decode()
        if headers.get("sec-websocket-accept") != accept:
            raise Lost(f"{address} is no WebSocket")

    def _more(self):
        left = self.deadline - time.monotonic()
        self.socket.settimeout(max(left, 0.001))
        piece = self.socket.recv(65_536)
        if not piece or left <= 0:
            raise Lost(f"{self.address}: cut, or silent for too long")
        self.read_ahead += piece

    def _exactly(self, count):
        while len(self.read_ahead) < count:
            self._more()
        found, self.read_ahead = self.read_ahead[:count], self.read_ahead[count:]
        return found

    def _frame(self, opcode, content):
        mask, count = os.urandom(4), len(content)
        # An algo sends none that is longer than 64 KiB.
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | count) if count < 126 else struct.pack("!BBH", 0x80 | opcode, 0xFE, count)
        with self.sending:
            self.socket.sendall(head + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(content)))

    def send(self, message):
        self._frame(self.TEXT, json.dumps(message).encode())

    def receive(self, within):
        """The next message, which has to come in time. Pings are answered meanwhile, and are no message."""
        self.deadline, whole = time.monotonic() + within, b""
        while True:
            first, second = self._exactly(2)
            count = second & 0x7F
            if count == 126:
                (count,) = struct.unpack("!H", self._exactly(2))
            elif count == 127:
                (count,) = struct.unpack("!Q", self._exactly(8))
            if first & 0x70 or second & 0x80 or len(whole) + count > MESSAGE_BYTES_MAX:
                raise Lost(f"{self.address} sent a frame that no server sends")
            opcode, content = first & 0x0F, self._exactly(count)
            if opcode == self.PING:
                self._frame(self.PONG, content)
            elif opcode == self.CLOSE:
                self._frame(self.CLOSE, content[:2])
                raise Lost(f"{self.address} closed it: {int.from_bytes(content[:2], 'big') or None}")
            elif opcode in (self.TEXT, self.CONTINUED):
                whole += content
                if first & 0x80:
                    return json.loads(whole)

    def close(self):
        """Says so, and does not wait for the other side's word. May be called twice, and from another thread."""
        with contextlib.suppress(OSError):
            self._frame(self.CLOSE, struct.pack("!H", 1000))
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Session:
    """Opened by an API key at the first InfrastructureManager that answers, connected to one MarketManager at a time."""

    def __init__(self, members, api_key, on_event=lambda kind, frame: None):
        self.members, self.api_key, self.on_event = list(members), api_key, on_event
        # The MarketManager that is used is the first.
        self.token, self.edges, self.renew_at = None, [], 0.0
        # By topic: what was asked for, the position up to which all was taken, whether a gap was told since.
        self.streams, self.fills_seen = {}, {}
        self.connections, self.sent_away, self.untold, self.whole_heartbeats = [], 0, 0, 0
        self.unknown, self.unanswered = 0, 0  # requests that were said to be so, and those of which nothing was said
        self.lock, self.renewing, self.socket = threading.RLock(), threading.Lock(), None
        self.connected, self.ended = threading.Event(), threading.Event()
        self.lost, self.failure = None, None  # why the last connection ended; what `on_event` has raised, by which the session did
        self.ids, self.count = os.urandom(8).hex(), 0
        until = time.monotonic() + GIVE_UP_AFTER
        while not self.edges:  # none is live yet
            try:
                self._renew(self.token)
            except (Problem, Lost) as failed:
                if getattr(failed, "retry", None) == "never" or time.monotonic() > until:
                    raise
            if not self.edges and (time.monotonic() > until or self.ended.wait(0.1)):
                raise Lost("no MarketManager is live")
        for run in (self._keep_connected, self._keep_fresh):
            threading.Thread(target=run, daemon=True).start()
        if not self.connected.wait(GIVE_UP_AFTER):
            self.close()
            raise Lost("no MarketManager has said hello")

    def close(self):
        self.ended.set()
        with self.lock:
            if self.socket:
                self.socket.close()

    def _renew(self, old):
        """Gets a token in place of `old`, unless another thread just has. By the token if there is one: the session stays."""
        with self.renewing:
            if self.token != old:
                return
            try:
                opened = self._opened_by(old or self.api_key)
            except Problem as refused:
                if refused.code != "unauthorized" or not old:
                    raise
                opened = self._opened_by(self.api_key)
            ends = datetime.datetime.fromisoformat(opened["expires_at"])
            life = (ends - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
            edges = [one["address"] for one in opened["market_managers"]]
            with self.lock:
                self.token, self.renew_at = opened["token"], time.monotonic() + max(life / 2, 1)
                self.members += [one for one in opened["infrastructure_managers"] if one not in self.members]
                if edges:  # The one that is used stays in use, if it is still among them.
                    at = edges.index(self.edges[0]) if self.edges[:1] and self.edges[0] in edges else 0
                    self.edges = edges[at:] + edges[:at]

    def _opened_by(self, secret):
        for member in list(self.members):
            try:
                return ask("POST", member, "/v1/sessions", secret)
            except (Problem, Lost) as failed:
                if getattr(failed, "retry", None) == "never":
                    raise
        raise Lost("no InfrastructureManager opens a session")

    def _keep_fresh(self):
        while not self.ended.wait(max(self.renew_at - time.monotonic(), 0)):
            try:
                self._renew(self.token)
            except (Problem, Lost):
                self.renew_at = time.monotonic() + RENEW_AGAIN_AFTER

    def _leave(self, edge):
        """It did not work: the next one, unless another thread has gone on already."""
        with self.lock:
            if self.edges[0] == edge:
                self.edges = self.edges[1:] + [edge]

    def _keep_connected(self):
        failures, moved = 0, None
        try:
            while not self.ended.is_set():
                edge, began = moved.address if moved else self.edges[0], time.monotonic()
                try:
                    here, moved = moved or self._dial(edge, min(DIAL_WITHIN * 2 ** min(failures, 4), HELLO_WITHIN_MAX)), None
                    moved = self._serve(here)
                    continue
                except Exception as failed:  # What cannot be read as a frame is a connection that is of no use.
                    self.lost, unauthorized = failed, getattr(failed, "code", None) == "unauthorized"
                failures = 0 if time.monotonic() - began >= LIVED else failures + 1
                self._leave(edge)
                rounds = failures // len(self.edges)
                if rounds:
                    self.ended.wait(min(0.02 * 2 ** min(rounds, 6), 0.5) * random.uniform(0.5, 1))
                if unauthorized or rounds >= 3:
                    with contextlib.suppress(Problem, Lost):  # The old lists are tried again.
                        self._renew(self.token)
        finally:
            self.ended.set()

    def _dial(self, edge, within):
        here = WebSocket(edge, "/v1/stream", self.token, within)
        while (frame := here.receive(within)).get("type") != "hello":
            if frame.get("type") == "error":
                raise Lost(f"{edge}: {frame.get('detail')}")
        return here

    def _serve(self, here):
        """Reads until the connection ends; gives another one that the server has named, if that one takes the session."""
        try:
            with self.lock:  # A wish that comes meanwhile is among these, or is sent behind them.
                self.socket = here
                self.connections.append(here.address)
                for stream in self.streams.values():
                    here.send(self._wish(stream))
            self.connected.set()
            while not self.ended.is_set():
                frame = here.receive(DEAD_AFTER)
                if frame.get("type") != "goaway":
                    self._take(frame)
                    continue
                self.sent_away += 1
                for edge in (one for one in frame["reconnect_to"] if one != here.address):
                    try:
                        there = self._dial(edge, DIAL_WITHIN)
                    except Exception:
                        continue
                    with self.lock:
                        self.edges = [edge] + [one for one in self.edges if one != edge]
                    return there
        finally:
            here.close()

    @staticmethod
    def _wish(stream):
        wish, last = stream["wish"], stream["last"]
        return wish | {"from": last} if last and wish["channel"] in NUMBERED else wish

    def subscribe(self, channel, instrument=None, account=None, last=None):
        """`last`: the position from which to go on; `FROM_THE_BEGINNING`: all that is kept of an account comes first."""
        about = {"instrument": instrument} if instrument else {"account": account}
        stream = {"wish": {"type": "subscribe", "channel": channel} | about, "last": last, "told": False}
        with self.lock:
            self.streams[json.dumps({channel: about})] = stream
            with contextlib.suppress(OSError):  # It is asked for again on the next connection.
                self.socket.send(self._wish(stream))

    def _take(self, frame):
        kind = frame.get("type")
        stream = self.streams.get(json.dumps(frame.get("topic")))
        if kind == "heartbeat":
            self.whole_heartbeats += self._is_whole({json.dumps(one["topic"]): one["position"] for one in frame["streams"]})
        elif kind == "subscribed" and stream:
            if frame["mode"] == "snapshot":
                stream["last"] = {"epoch": frame["position"]["epoch"], "seq": 0}
            elif frame["mode"] == "live" and (stream["told"] or not stream["last"]):
                stream["last"] = frame["position"] or stream["last"]
        elif kind == "gap" and stream:
            stream["told"] = True
        if kind not in NUMBERED.values() or self._is_new(kind, frame):
            try:
                self.on_event(kind, frame)
            except Exception as failed:  # What the algo has not taken it would miss: the session ends, and `request` says why.
                self.failure = failed
                self.close()

    def _is_whole(self, stands):
        """Whether all that there was of private streams has come; of one that is not named nothing can be said."""
        private = [(topic, stream["last"]) for topic, stream in list(self.streams.items()) if "account" in stream["wish"]]
        pairs = [(stands.get(topic), last) for topic, last in private]
        return all(at and last and at["epoch"] == last["epoch"] and at["seq"] <= last["seq"] for at, last in pairs)

    def _is_new(self, kind, frame):
        about = {name: frame[name] for name in ("instrument", "account") if name in frame}
        stream = self.streams.get(json.dumps({f"{kind}s": about}))
        if not stream:
            return False
        last, at = stream["last"], {"epoch": frame["epoch"], "seq": frame["seq"]}
        same = last is not None and last["epoch"] == at["epoch"]
        if same and at["seq"] <= last["seq"]:
            return False
        follows = last is None or (same and frame["prev"] <= last["seq"])
        self.untold += not follows and not stream["told"]
        stream["last"], stream["told"] = at, False
        if kind != "fill":
            return True
        execution = (frame["account"], frame["fill"]["exec_id"])
        is_new = execution not in self.fills_seen
        self.fills_seen[execution] = None
        if len(self.fills_seen) > FILLS_REMEMBERED:
            del self.fills_seen[next(iter(self.fills_seen))]
        return is_new

    def request(self, method, path, body=None):
        """Asks until there is an answer that stands: the same to the letter, here and at the next MarketManager."""
        if self.ended.is_set():
            raise Lost(f"the session has ended: {self.failure!r}", sent=False) from self.failure
        until, maybe_done, renewed = time.monotonic() + GIVE_UP_AFTER, False, False
        while True:
            edge, token, wait = self.edges[0], self.token, REPEAT_AFTER
            try:
                return ask(method, edge, path, token, body)
            except Problem as problem:
                last, wait, uncertain = problem, problem.wait, problem.retry == "same_id"
                self.unknown += uncertain
                if problem.code == "unauthorized" and not renewed:
                    renewed = True
                    with contextlib.suppress(Problem, Lost):  # Then the first refusal stands.
                        self._renew(token)
                        continue
                if problem.retry == "never":
                    # After an attempt whose end is not known a refusal says nothing of that one.
                    raise Unknown(str(problem)) if maybe_done and method in ("POST", "PATCH") else problem
            except Lost as lost:
                last, uncertain = lost, lost.sent
                self.unanswered += uncertain
                self._leave(edge)
            maybe_done |= uncertain
            if time.monotonic() + wait > until:
                raise Unknown(str(last)) if maybe_done else last
            time.sleep(wait)

    def submit(self, order):
        """Gives the order once it is durable. Submitted again under its id, here or later, it is the same order."""
        body = order if "client_order_id" in order else order | {"client_order_id": self.next_id()}
        return self.request("POST", "/v1/orders", body)

    def next_id(self):
        with self.lock:
            self.count += 1
            return f"{self.ids}-{self.count}"

#!/usr/bin/env python3
"""Trades N small market orders, in turn over some instruments, and prints one JSON line of what it asked for and saw.
Decides when it has seen all: each order has ended, and every private stream is whole. SIGTERM ends it sooner, in the same order.

    TRADEWIND_INFRASTRUCTURE=127.0.0.1:PORT TRADEWIND_API_KEY=KEY python3 examples/python/trades.py 20 BTC/USD
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time

from tradewind import GIVE_UP_AFTER, Lost, Problem, Session, Unknown

ENDED = ("filled", "canceled", "rejected", "expired")
PAUSE = 0.005


class Saw:
    """What comes over the streams; written by the thread that reads alone."""

    def __init__(self):
        self.quotes, self.trades, self.gaps, self.fills, self.states = 0, 0, [], [], {}

    def take(self, kind, frame):
        if kind == "quote":
            self.quotes += 1
        elif kind == "trade":
            self.trades += 1
        elif kind == "gap":
            self.gaps.append(frame["topic"])
        elif kind == "fill":
            self.fills.append(frame["fill"]["exec_id"])
        elif kind == "order":
            self.states[frame["order"]["client_order_id"]] = frame["order"]["state"]


def until(holds, within):
    """Whether it holds in time."""
    ends = time.monotonic() + within
    while not holds() and time.monotonic() < ends:
        time.sleep(0.02)
    return holds()


def trade(session, count, instruments, stopped):
    """Gives the ids of what was asked for, by what came of it."""
    asked = {"accepted": [], "refused": [], "unknown": []}
    for n in range(count):
        order = {
            "client_order_id": session.next_id(), "instrument": instruments[n % len(instruments)],
            "side": "buy" if n % 2 == 0 else "sell", "type": "market", "quantity": "0.001", "time_in_force": "ioc",
        }
        try:
            session.submit(order)
            came = "accepted"
        except (Problem, Lost) as failed:
            print(failed, file=sys.stderr)
            came = "refused"
        except Unknown as failed:
            print(failed, file=sys.stderr)
            came = "unknown"
        asked[came].append(order["client_order_id"])
        if stopped.wait(PAUSE):
            break
    return asked


def main():
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    count, instruments = int(sys.argv[1]), sys.argv[2:] or ["BTC/USD"]
    members = os.environ["TRADEWIND_INFRASTRUCTURE"].split(",")
    saw = Saw()
    with contextlib.closing(Session(members, os.environ["TRADEWIND_API_KEY"], saw.take)) as session:
        for account in session.request("GET", "/v1/accounts")["accounts"]:
            session.subscribe("orders", account=account)
            session.subscribe("fills", account=account)
        for instrument in instruments:
            session.subscribe("quotes", instrument=instrument)
            session.subscribe("trades", instrument=instrument)
        # Without a position nothing is told of what was before a stream began.
        whole = until(lambda: session.whole_heartbeats > 0, GIVE_UP_AFTER)
        asked = trade(session, count, instruments, stopped)
        whole &= until(lambda: all(saw.states.get(one) in ENDED for one in asked["accepted"]), GIVE_UP_AFTER)
        seen = session.whole_heartbeats
        # The next one may have been made before the last order ended; the one behind it was not.
        whole &= until(lambda: session.whole_heartbeats > seen + 1, GIVE_UP_AFTER)
    print(json.dumps(asked | {
        "whole": whole, "states": saw.states, "fills": saw.fills, "quotes": saw.quotes, "trades": saw.trades,
        "gaps": saw.gaps, "untold": session.untold, "said_unknown": session.unknown, "unanswered": session.unanswered,
        "connections": session.connections, "sent_away": session.sent_away,
    }))
    return 0 if whole and not session.untold else 1


if __name__ == "__main__":
    sys.exit(main())

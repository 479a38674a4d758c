"""What `make logs` shows."""

import unittest
from collections import Counter

from infra.local import observe


class Pages:
    """A log service that answers with the given events."""

    class exceptions:
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, events):
        self.events = events

    def get_paginator(self, _name):
        return self

    def paginate(self, **_):
        return [{"events": self.events}]


def event(message, stream="s", timestamp=1):
    return {"logStreamName": stream, "timestamp": timestamp, "message": message}


class Logs(unittest.TestCase):
    def test_an_event_is_shown_once_though_it_is_read_again(self):
        seen = Counter()
        events = [event("a"), event("a"), event("b")]
        first = observe.new_events(Pages(events), "g", 0, seen)
        self.assertEqual([e["message"] for e in first], ["a", "a", "b"])
        again = observe.new_events(Pages([*events, event("a"), event("a", timestamp=2)]), "g", 0, seen)
        self.assertEqual([(e["message"], e["timestamp"]) for e in again], [("a", 1), ("a", 2)])

    def test_errors_are_told_from_the_rest(self):
        for line in ('{"level":"ERROR","message":"x"}', '{"level":"WARN"}', "Task timed out after 60.00 seconds",
                     "thread 'main' panicked at src/main.rs"):
            self.assertTrue(observe.is_error(line), line)
        for line in ('{"level":"INFO","message":"ERROR"}', "END RequestId: 1", "[1]", ""):
            self.assertFalse(observe.is_error(line), line)


if __name__ == "__main__":
    unittest.main()

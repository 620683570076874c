"""A member of the group as Python services are: eager assignment, one record after the other, and the
offset of a record is stored once it is handled. It writes the journal of `ledger-member`."""

import json
import os
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaError

name = os.environ["MEMBER_NAME"]
run = int(os.environ["MEMBER_RUN"])
takes = int(os.environ["MEMBER_TAKES_FROM_MS"]) / 1000
journal = open(os.environ["MEMBER_JOURNAL"], "a", buffering=1)
stopping = False


def stop(*_):
    global stopping
    stopping = True


def note(what, rest):
    journal.write(f"{what} {time.time_ns() // 1000} {name} {rest}\n")


def listed(partitions):
    return " ".join(f"{one.topic}/{one.partition}" for one in partitions)


def assigned(_, partitions):
    note("assigned", listed(partitions))
    print("assigned", listed(partitions), flush=True)


def revoked(consumer, partitions):
    try:
        consumer.commit(asynchronous=False)
    except Exception as error:  # nothing to commit, or the group goes on without us
        if error.args[0].code() != KafkaError._NO_OFFSET:
            note("commit-failed", error)
    note("revoked", listed(partitions))
    print("revoked", listed(partitions), flush=True)


settings = {
    "bootstrap.servers": os.environ["EVENT_BROKERS"],
    "group.id": os.environ["EVENT_GROUP"],
    "client.id": name,
    "auto.offset.reset": "earliest",
    "enable.auto.offset.store": False,
    "auto.commit.interval.ms": 1000,
}
settings.update(json.loads(os.environ.get("MEMBER_PROPERTIES", "{}")))
signal.signal(signal.SIGTERM, stop)
consumer = Consumer(settings)
consumer.subscribe(
    ["payment_events", "ledger_events"], on_assign=assigned, on_revoke=revoked, on_lost=revoked
)
while not stopping:
    message = consumer.poll(0.1)
    if message is None:
        continue
    if message.error():
        note("error", message.error())
        continue
    value = json.loads(message.value())
    data = value.get("data", value)
    if data.get("run") == run:
        at = f"{message.topic()} {message.partition()} {message.offset()}"
        what = f"{at} {data['account']} {data['sequence']} 1"
        note("begin", what)
        time.sleep(takes)
        note("done", what)
    consumer.store_offsets(message)
consumer.close()
sys.exit(0)

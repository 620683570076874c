"""Publishes CLAIM_ADDED as an existing Python service does."""

import argparse
import json

from confluent_kafka import Producer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True, help="for example 127.0.0.1:9092")
    parser.add_argument("--count", type=int, default=1000, help="how many events")
    arguments = parser.parse_args()

    failures = []

    def acknowledged(error, _message):
        if error is not None:
            failures.append(error)

    producer = Producer({"bootstrap.servers": arguments.brokers, "enable.idempotence": True})
    for number in range(1, arguments.count + 1):
        event = {
            "eventType": "CLAIM_ADDED",
            "userId": 42,
            "data": {"id": number, "roleId": number % 7},
        }
        key = str(event["data"]["roleId"])
        while True:
            try:
                producer.produce("role_events", json.dumps(event), key, on_delivery=acknowledged)
                break
            except BufferError:
                # The queue is full: let some of it go out.
                producer.poll(0.1)
        producer.poll(0)

    waiting = producer.flush(30)
    if failures or waiting:
        raise SystemExit(f"{len(failures)} failed, {waiting} not acknowledged: {failures[:1]}")
    print(f"published {arguments.count} events")


if __name__ == "__main__":
    main()

"""Reads role events as an existing Python service does, and prints them."""

import argparse
import json

from confluent_kafka import Consumer, KafkaException


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True, help="for example 127.0.0.1:9092")
    parser.add_argument("--count", type=int, default=1, help="stop after this many events")
    parser.add_argument("--timeout", type=float, default=30, help="seconds to wait for each")
    arguments = parser.parse_args()

    consumer = Consumer(
        {
            "bootstrap.servers": arguments.brokers,
            "group.id": "interop",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["role_events"])
    try:
        for number in range(arguments.count):
            message = consumer.poll(arguments.timeout)
            if message is None:
                raise SystemExit(f"only {number} of {arguments.count} events arrived")
            if message.error():
                raise KafkaException(message.error())
            event = json.loads(message.value())
            print(event["eventType"], event.get("userId"), json.dumps(event["data"]), flush=True)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()

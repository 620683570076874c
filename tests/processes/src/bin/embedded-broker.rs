//! An embedded broker in a process of its own, for members that are processes too. It prints its
//! address, takes the words `down` and `up` as lines, and ends when there are no more.

use std::time::Duration;

use event_core::Result;
use event_core::broker::kafka::EmbeddedBroker;
use process_tests::cluster::{EMBEDDED_SESSION, HEARTBEAT};
use process_tests::events::TOPICS;

fn main() -> Result {
    let session: Duration = EMBEDDED_SESSION;
    let broker = EmbeddedBroker::start_with_session(session, HEARTBEAT)?;
    for (topic, partitions) in TOPICS {
        broker.create_topic(topic, partitions)?;
    }
    println!("{}", broker.address());
    for line in std::io::stdin().lines() {
        match line?.as_str() {
            "down" => broker.take_down()?,
            "up" => broker.bring_up()?,
            other => eprintln!("{other:?} is neither `down` nor `up`"),
        }
        println!("done");
    }
    Ok(())
}

use event_core::event::TopicName;

const ORDERS: TopicName = TopicName::foreign_static("orders v1");

fn main() {
    println!("{ORDERS}");
}

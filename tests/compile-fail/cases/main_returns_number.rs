#[event_core::main]
async fn main() -> u32 {
    panic!()
}

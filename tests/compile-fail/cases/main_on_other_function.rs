mod service {
    #[event_core::main]
    async fn start() {}
}

fn main() {}

//! An HTTP service that publishes an event for what it changes.
//!
//! `POST /roles/3/claims` with `{"id": 7}` attaches claim 7 to role 3. The answer is 201 once the
//! broker has the event, and 503 when it does not take it.

mod routes;

use std::time::Duration;

use event_core::{EventProducer, Result};
use tokio::net::TcpListener;

#[event_core::main]
async fn main() -> Result {
    let producer = EventProducer::from_env("roles")?;
    let address = std::env::var("ROLES_ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, routes::router(producer.clone()))
        .with_graceful_shutdown(event_core::app::signals())
        .await?;
    producer.flush(Duration::from_secs(5)).await?;
    Ok(())
}

//! Which claims each role has: HTTP routes and event handlers in one process.
//!
//! `POST /roles/3/claims` with `{"id": 7}` attaches claim 7 to role 3: it publishes `CLAIM_ADDED`, and the
//! service's own handler writes the claim down, as it does with those that other services publish.
//! `GET /roles/3/claims` lists them.

mod claims;
mod handlers;
mod routes;

use event_core::app::AppContext;
use event_core::prelude::*;
use tokio::net::TcpListener;

use crate::claims::Claims;

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("roles")?
        .state_with(Claims::from_env)
        .samples(include_str!("../samples.jsonl"))
        .serve(http)
        .main()
        .await
}

async fn http(app: AppContext) -> Result {
    let address = std::env::var("ROLES_ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let router = routes::router(app.producer(), app.state()?);
    axum::serve(listener, router).with_graceful_shutdown(app.shutdown()).await?;
    Ok(())
}

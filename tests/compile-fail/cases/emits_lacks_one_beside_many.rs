use event_core::prelude::*;
use serde::Serialize;

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_ONE")]
struct AuthorizationGrantedByAdministratorOne {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_TWO")]
struct AuthorizationGrantedByAdministratorTwo {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_THREE")]
struct AuthorizationGrantedByAdministratorThree {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_FOUR")]
struct AuthorizationGrantedByAdministratorFour {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_FIVE")]
struct AuthorizationGrantedByAdministratorFive {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_SIX")]
struct AuthorizationGrantedByAdministratorSix {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_SEVEN")]
struct AuthorizationGrantedByAdministratorSeven {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_EIGHT")]
struct AuthorizationGrantedByAdministratorEight {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_NINE")]
struct AuthorizationGrantedByAdministratorNine {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_TEN")]
struct AuthorizationGrantedByAdministratorTen {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_ELEVEN")]
struct AuthorizationGrantedByAdministratorEleven {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "AUTHORIZATION_GRANTED_BY_ADMINISTRATOR_TWELVE")]
struct AuthorizationGrantedByAdministratorTwelve {}

#[derive(Event, Serialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[event_handler(topic = "role_events", event = "ROLE_GIVEN", emits(AuthorizationGrantedByAdministratorOne, AuthorizationGrantedByAdministratorTwo, AuthorizationGrantedByAdministratorThree, AuthorizationGrantedByAdministratorFour, AuthorizationGrantedByAdministratorFive, AuthorizationGrantedByAdministratorSix, AuthorizationGrantedByAdministratorSeven, AuthorizationGrantedByAdministratorEight, AuthorizationGrantedByAdministratorNine, AuthorizationGrantedByAdministratorTen, AuthorizationGrantedByAdministratorEleven, AuthorizationGrantedByAdministratorTwelve))]
async fn on_role_given(
    _producer: Producer<(
        AuthorizationGrantedByAdministratorOne,
        AuthorizationGrantedByAdministratorTwo,
        AuthorizationGrantedByAdministratorThree,
        AuthorizationGrantedByAdministratorFour,
        AuthorizationGrantedByAdministratorFive,
        AuthorizationGrantedByAdministratorSix,
    )>,
    _other: Producer<(
        AuthorizationGrantedByAdministratorSeven,
        AuthorizationGrantedByAdministratorEight,
        AuthorizationGrantedByAdministratorNine,
        AuthorizationGrantedByAdministratorTen,
        AuthorizationGrantedByAdministratorEleven,
        AuthorizationGrantedByAdministratorTwelve,
    )>,
) -> Emit<ClaimAdded> {
    Emit(ClaimAdded {})
}

fn main() {}

//! Whether the settings fit to what is linked: the same for a service and for one under test.

use super::Settings;
use crate::handler::HandlerOverrides;
use crate::registry::{DeliveryBounds, Registry, StartupReport};

/// Finds everything in `settings` that does not fit to the handlers of `registry`.
pub(crate) fn check_settings(registry: &Registry, settings: &Settings) -> StartupReport {
    let mut report = StartupReport::default();
    report.add_warnings(settings.warnings.iter().cloned());
    report.add_warnings(settings.stranger_in_log(&registry.crates()));
    if let Some(topics) = &settings.topics {
        let (problems, warnings) = registry.check_topics(topics, settings.source("topics"));
        report.add_problems(problems);
        report.add_warnings(warnings);
    }
    let policy = &settings.policy;
    report.add_problems(registry.check_named(&settings.named_tables()));
    let bounds =
        DeliveryBounds { drain: policy.drain_timeout, max_concurrency: policy.max_concurrency };
    report.add_warnings(registry.check_policies(bounds, |handler| policy.of(handler)));
    let given = |id: &str, key, is_given: fn(&HandlerOverrides) -> bool| {
        let of_handler = policy.handlers.get(id).filter(|given| is_given(given));
        of_handler.map(|_| settings.source_for_handler(id, key).to_owned())
    };
    report.add_problems(
        registry.check_blocking(|id| given(id, "timeout", |given| given.timeout.is_some())),
    );
    report.add_warnings(
        registry
            .check_concurrency(|id| given(id, "concurrency", |given| given.concurrency.is_some())),
    );
    report
}

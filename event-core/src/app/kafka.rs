//! From settings to Kafka.

use super::exit::print_error;
use super::{Settings, SettingsOverrides};
use crate::broker::Broker;
use crate::broker::kafka::{KafkaBroker, KafkaSettings};
use crate::producer::EventProducer;
use crate::registry::{StartupProblem, StartupReport};

impl EventProducer {
    /// A producer on the cluster that the settings of `service` name: `event.toml` and `EVENT_*`, as
    /// for the service's own commands. The cluster is reached with the first event.
    ///
    /// # Errors
    ///
    /// A [`StartupReport`] with everything that is wrong with the settings.
    ///
    /// ```no_run
    /// use event_core::EventProducer;
    /// let producer = EventProducer::from_env("roles")?;
    /// # Ok::<(), event_core::Error>(())
    /// ```
    pub fn from_env(service: &str) -> Result<Self, StartupReport> {
        let settings = Settings::load(service, &SettingsOverrides::default(), std::env::vars_os());
        let settings = or_report(settings)?;
        let producer = kafka_broker(service, &settings)?.producer();
        producer.map(EventProducer::new).map_err(|error| report(StartupProblem::Broker(error)))
    }
}

pub(crate) fn kafka_broker(
    service: &str,
    settings: &Settings,
) -> Result<KafkaBroker, StartupReport> {
    let settings = KafkaSettings {
        brokers: settings.brokers.clone(),
        client_id: service.to_owned(),
        properties: settings.kafka.clone().into_iter().collect(),
    };
    KafkaBroker::connect(settings).map_err(|error| report(StartupProblem::Broker(error)))
}

/// The settings, once what deserves a look is printed.
pub(crate) fn or_report(
    settings: Result<Settings, StartupReport>,
) -> Result<Settings, StartupReport> {
    print_warnings(match &settings {
        Ok(settings) => &settings.warnings,
        Err(report) => report.warnings(),
    });
    settings
}

/// Prints what deserves a look to standard error.
pub(crate) fn print_warnings(warnings: &[StartupProblem]) {
    for warning in warnings {
        print_error(format_args!("warning: {warning}"));
    }
}

fn report(problem: StartupProblem) -> StartupReport {
    StartupReport::new(vec![problem])
}

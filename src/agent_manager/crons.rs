//! The three periodic jobs.

use std::time::Duration;

use super::internal::{history::CleanUpHistory, metrics::CleanUpMetrics, webhook_processing::RetryFailedWebhooks};
use crate::{CronSchedule, Registration};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Registers them.
pub(super) fn register(registration: &mut Registration) {
    registration
        .cron("cleanup_old_metrics", CronSchedule::every(6 * HOUR), CleanUpMetrics {})
        .cron("cleanup_old_history", CronSchedule::every(24 * HOUR), CleanUpHistory {})
        .cron("retry_failed_webhooks", CronSchedule::every(5 * MINUTE), RetryFailedWebhooks {});
}

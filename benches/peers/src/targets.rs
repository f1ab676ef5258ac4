//! What tropism must reach beside the others, measure by measure.

use std::fmt;

use tropism::Config;

use crate::{measures::MEGABYTE, results::Results};

/// One demand on tropism's figure.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// A rate of at least so many times the rival's.
    AtLeast(f64, Rival),
    /// A time or size of at most so many times the rival's, and an allowance on top.
    AtMost(f64, Rival, f64),
    /// A time of at most so much.
    Within(f64),
}

/// Whose figure tropism's is compared with.
#[derive(Debug, Clone, Copy)]
enum Rival {
    /// This system's in the same measure.
    System(&'static str),
    /// The best rate of any of these in the same measure.
    BestOf(&'static [&'static str]),
    /// tropism's own in another measure.
    Own(&'static str),
}

const PEERS: &[&str] = &["redb", "sqlite", "native_db", "fjall", "heed"];
const PEERS_BUT_REDB: &[&str] = &["sqlite", "native_db", "fjall", "heed"];
const REDB: Rival = Rival::System("redb");

fn targets(measure: &str) -> Vec<Target> {
    use Target::{AtLeast, AtMost, Within};
    match measure {
        "durable_insert_1" => vec![AtLeast(2.3, REDB), AtLeast(1.3, Rival::BestOf(PEERS_BUT_REDB))],
        "durable_insert_8" => vec![AtLeast(4.0, Rival::BestOf(PEERS))],
        "durable_insert_64" => vec![AtLeast(5.0, Rival::Own("durable_insert_1"))],
        "relaxed_update_1" => {
            vec![AtLeast(3.0, Rival::System("redb_relaxed")), AtLeast(1.0, Rival::System("fjall_relaxed"))]
        }
        "bulk_load" => vec![AtLeast(1.3, Rival::BestOf(PEERS))],
        "get_fresh" | "range_20" | "range_100" => vec![AtLeast(1.0, REDB)],
        "get_reused" => vec![AtLeast(0.8, REDB)],
        "subscribe_latency" | "subscribe_latency_p99" => vec![AtMost(1.0, Rival::System("by_hand"), 0.0)],
        "fanout_10k" => vec![AtMost(1.0, Rival::Own("fanout_0"), 3.0)],
        "schedule_100k" => vec![AtLeast(3.0, Rival::System("apalis_sqlite"))],
        "open_clean" => vec![Within(5.0)],
        "open_crashed" => vec![Within(50.0)],
        "disk_size" => vec![AtMost(1.5, REDB, 0.0)],
        "peak_memory" => vec![AtMost(1.5, REDB, Config::default().overlay_limit_bytes as f64 / MEGABYTE)],
        _ => Vec::new(),
    }
}

/// A target beside what was reached.
#[derive(Debug)]
pub(crate) struct Check {
    text: String,
    reached: bool,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text, if self.reached { "reached" } else { "NOT REACHED" })
    }
}

/// Every target of the measure for which tropism's and the rival's figures are there.
pub(crate) fn checks(measure: &str, results: &Results) -> Vec<Check> {
    let Some(own) = results.median(measure, "tropism") else { return Vec::new() };
    targets(measure).into_iter().filter_map(|target| target.check(own, measure, results)).collect()
}

impl Target {
    fn check(self, own: f64, measure: &str, results: &Results) -> Option<Check> {
        Some(match self {
            Self::AtLeast(times, rival) => {
                let (name, value) = rival.value(measure, results)?;
                let ratio = own / value;
                Check { text: format!("{ratio:.2} × {name} of {times}"), reached: ratio >= times }
            }
            Self::AtMost(times, rival, allowance) if allowance > 0.0 => {
                let (name, value) = rival.value(measure, results)?;
                let excess = own - times * value;
                let text = format!("{excess:.2} above {times} × {name} of at most {allowance:.1}");
                Check { text, reached: excess <= allowance }
            }
            Self::AtMost(times, rival, _) => {
                let (name, value) = rival.value(measure, results)?;
                let ratio = own / value;
                Check { text: format!("{ratio:.2} × {name} of at most {times}"), reached: ratio <= times }
            }
            Self::Within(most) => Check { text: format!("at most {most}"), reached: own <= most },
        })
    }
}

impl Rival {
    fn value(self, measure: &str, results: &Results) -> Option<(&'static str, f64)> {
        match self {
            Self::System(name) => Some((name, results.median(measure, name)?)),
            Self::BestOf(names) => {
                let figures = names.iter().filter_map(|name| Some((*name, results.median(measure, name)?)));
                figures.max_by(|left, right| left.1.total_cmp(&right.1))
            }
            Self::Own(other) => Some((other, results.median(other, "tropism")?)),
        }
    }
}

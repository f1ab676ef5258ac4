//! What tropism must reach beside the others, measure by measure.

use std::fmt;

use crate::{
    measures,
    results::{Results, Spread},
};

/// The name of tropism in the results.
pub(crate) const TROPISM: &str = "tropism";

/// One demand on tropism's figure.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// A rate of at least so many times the rival's.
    AtLeast(f64, Rival),
    /// A time or size of at most so many times the rival's.
    AtMost(f64, Rival),
    /// A time of at most so much more than tropism's own in another measure.
    Above(f64, &'static str),
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
    /// The disk's in another measure.
    Disk(&'static str),
}

const PEERS: &[&str] = &["redb", "sqlite", "native_db", "fjall", "heed"];
const REDB: Rival = Rival::System("redb");
const SQLITE: Rival = Rival::System("sqlite");
const NATIVE_DB: Rival = Rival::System("native_db");
const FJALL: Rival = Rival::System("fjall");
const HEED: Rival = Rival::System("heed");
/// A rate that is no slower than 1.2 times another.
const NO_SLOWER_THAN_1_2: f64 = 1.0 / 1.2;

/// What has no goal of its own must stay where the README's figures were when the goals were set: these are their
/// ratios, rounded in tropism's favour by at most a hundredth or two.
fn targets(measure: &str) -> Vec<Target> {
    use Target::{Above, AtLeast, AtMost, Within};
    match measure {
        "durable_insert_1" => vec![AtLeast(0.93, Rival::Disk("log_sync")), AtLeast(1.0, FJALL)],
        "durable_insert_8" => vec![AtLeast(4.0, Rival::BestOf(PEERS))],
        "durable_insert_64" => vec![AtLeast(6.0, Rival::Own("durable_insert_1"))],
        "relaxed_update_1" => vec![AtLeast(2.5, Rival::System("fjall_relaxed"))],
        "queue_pop" => vec![
            AtLeast(1.0, Rival::System("redb_relaxed")),
            AtLeast(1.0, Rival::System("sqlite_relaxed")),
            AtLeast(NO_SLOWER_THAN_1_2, Rival::Own("queue_pop_first")),
        ],
        "bulk_load" => vec![AtLeast(1.3, Rival::BestOf(PEERS))],
        "bulk_load_4m" => vec![AtLeast(1.0, Rival::BestOf(PEERS))],
        "write_stall" => vec![Within(100.0)],
        "get_fresh" => at_least([1.14, 3.1, 2.18, 1.82, 0.83]),
        "get_reused" => at_least([0.71, 1.24, 2.42, 2.0, 0.8]),
        "range_20" => at_least([0.96, 1.04, 1.18, 2.0, 0.79]),
        "range_100" => at_least([0.98, 1.26, 1.16, 2.08, 0.78]),
        "subscribe_latency" => vec![AtMost(1.02, Rival::System("by_hand"))],
        "fanout_0" => vec![Within(3.0)],
        "fanout_10k" => vec![Above(2.0, "fanout_0")],
        "schedule_100k" => vec![AtLeast(25.8, Rival::System("apalis_sqlite"))],
        "open_clean" => vec![Within(5.0), AtMost(2.93, REDB)],
        "open_crashed" => vec![Within(50.0), AtMost(1.2, REDB)],
        "reopen_200" => vec![AtMost(3.0, Rival::Own("reopen_first"))],
        "disk_size" => vec![AtMost(1.3, REDB)],
        "peak_memory" => vec![AtMost(1.63, REDB)],
        _ => Vec::new(),
    }
}

/// So many times the rate of each of redb, SQLite, native_db, fjall and heed.
fn at_least(times: [f64; 5]) -> Vec<Target> {
    let rivals = [REDB, SQLITE, NATIVE_DB, FJALL, HEED];
    times.into_iter().zip(rivals).map(|(times, rival)| Target::AtLeast(times, rival)).collect()
}

/// Every rival that a target names: tropism's measure, the rival's measure, the rival.
pub(crate) fn rivals() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut rivals = Vec::new();
    for measure in measures::NAMES {
        for target in targets(measure) {
            match target {
                Target::AtLeast(_, rival) | Target::AtMost(_, rival) => {
                    rivals.extend(rival.candidates(measure).into_iter().map(|(other, name)| (measure, other, name)));
                }
                Target::Above(_, other) => rivals.push((measure, other, TROPISM)),
                Target::Within(_) => {}
            }
        }
    }
    rivals
}

/// A target beside what was reached.
#[derive(Debug)]
pub(crate) struct Check {
    measure: &'static str,
    text: String,
    reached: bool,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reached = if self.reached { "reached" } else { "NOT REACHED" };
        write!(f, "{:<22}{}: {reached}", self.measure, self.text)
    }
}

/// Every target for which tropism's and the rival's figures are there.
pub(crate) fn checks(results: &Results) -> Vec<Check> {
    let of = |measure| targets(measure).into_iter().filter_map(move |target| target.check(measure, results));
    measures::NAMES.into_iter().flat_map(of).collect()
}

impl Target {
    fn check(self, measure: &'static str, results: &Results) -> Option<Check> {
        let own = results.spread(measure, TROPISM)?;
        let (text, reached) = match self {
            Self::AtLeast(least, rival) => {
                let (name, ratio) = rival.ratio(measure, results)?;
                (format!("{} × {name}, at least {least:.2}", show(ratio)), ratio.median >= least)
            }
            Self::AtMost(most, rival) => {
                let (name, ratio) = rival.ratio(measure, results)?;
                (format!("{} × {name}, at most {most:.2}", show(ratio)), ratio.median <= most)
            }
            Self::Above(most, other) => {
                let excess = own.median - results.spread(other, TROPISM)?.median;
                (format!("{excess:.2} above {other}, at most {most}"), excess <= most)
            }
            Self::Within(most) => (format!("{}, at most {most}", show(own)), own.median <= most),
        };
        Some(Check { measure, text, reached })
    }
}

fn show(Spread { median, low, high }: Spread) -> String {
    format!("{median:.2} ({low:.2} – {high:.2})")
}

impl Rival {
    /// Those among whom the rival is, each with the measure in which it is one.
    fn candidates(self, measure: &'static str) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::System(name) => vec![(measure, name)],
            Self::BestOf(names) => names.iter().map(|name| (measure, *name)).collect(),
            Self::Own(other) => vec![(other, TROPISM)],
            Self::Disk(other) => vec![(other, "disk")],
        }
    }

    /// The rival's name, and how many times its figure tropism's is.
    fn ratio(self, measure: &'static str, results: &Results) -> Option<(String, Spread)> {
        let rate = |candidate: &(&str, &str)| Some(results.spread(candidate.0, candidate.1)?.median);
        let present = self.candidates(measure).into_iter().filter_map(|candidate| Some((candidate, rate(&candidate)?)));
        let ((other, name), _) = present.max_by(|left, right| left.1.total_cmp(&right.1))?;
        let shown = if other == measure { name.to_owned() } else { format!("{other} of {name}") };
        Some((shown, results.ratio(measure, other, name)?))
    }
}

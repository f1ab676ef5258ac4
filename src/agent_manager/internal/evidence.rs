//! What was reported of a thing in its newest seconds, from which follows how it stands, in whatever order it arrived.
//!
//! GitHub's times are whole seconds, so several reports may carry the same. [`Evidence`] is the set of those of the newest
//! seconds; how the thing stands is a function of that set alone. So the order of arrival does not matter, and neither
//! does a repetition. Within a second, what the actions say decides: [`last_value`] puts changes from one value to
//! another into the only order in which they fit.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Different reports that are kept of one second. Beyond that some are forgotten; which, does not depend on the order.
const MOST_REPORTS: usize = 32;

/// The reports of the newest seconds of a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "R: Ord + DeserializeOwned"))]
pub(super) struct Evidence<R> {
    /// Oldest first.
    seconds: Vec<Second<R>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "R: Ord + DeserializeOwned"))]
struct Second<R> {
    /// How much these reports know: one that knows more counts, whatever its time.
    knows: u8,
    at: i64,
    reports: BTreeSet<R>,
}

impl<R> Default for Evidence<R> {
    fn default() -> Self {
        Self { seconds: Vec::new() }
    }
}

impl<R: Ord + Serialize + DeserializeOwned> Evidence<R> {
    /// Reads what [`write`](Self::write) wrote. Any other text is no evidence.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As a text to be stored.
    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Adds a report, and forgets all seconds but the newest `kept`.
    pub(super) fn add(&mut self, knows: u8, at: i64, report: R, kept: usize) {
        let place = self.seconds.binary_search_by_key(&(knows, at), |second| (second.knows, second.at));
        match place {
            Ok(place) => {
                let reports = &mut self.seconds[place].reports;
                reports.insert(report);
                if reports.len() > MOST_REPORTS {
                    reports.pop_first();
                }
            }
            Err(place) => self.seconds.insert(place, Second { knows, at, reports: BTreeSet::from([report]) }),
        }
        self.seconds.drain(..self.seconds.len().saturating_sub(kept));
    }

    /// How much the newest reports know.
    pub(super) fn knows(&self) -> Option<u8> {
        self.seconds.last().map(|second| second.knows)
    }

    /// Goes from each second to the next: `next` says how the thing stands after a second, given how it stood before.
    pub(super) fn fold<'e, S>(&'e self, next: impl Fn(Option<S>, &'e BTreeSet<R>) -> S) -> Option<S> {
        self.seconds.iter().fold(None, |before, second| Some(next(before, &second.reports)))
    }
}

/// What the reports of one second say of one value.
#[derive(Debug, Default)]
pub(super) struct Views<'e> {
    /// The value with which the thing began, if it began in this second.
    pub(super) first: Option<&'e str>,
    /// Changes: from what, if that is known, to what.
    pub(super) changes: BTreeSet<(Option<&'e str>, &'e str)>,
    /// What reports of something else have seen.
    pub(super) seen: BTreeSet<&'e str>,
}

/// The last value of a second, which began with `before`: nothing if the reports say nothing of it.
pub(super) fn last_value<'e>(before: Option<&'e str>, views: &Views<'e>) -> Option<&'e str> {
    if views.changes.is_empty() {
        // Whoever saw another value than the first one saw it later.
        let is_new = |value: &&&str| Some(**value) != views.first.or(before);
        let seen = || views.seen.iter().filter(|value| !value.is_empty());
        return seen().rfind(is_new).or_else(|| seen().next_back()).copied().or(views.first);
    }
    let mut current = views.first.or(before);
    let mut left: Vec<_> = views.changes.iter().filter(|(from, to)| *from != Some(*to)).copied().collect();
    while !left.is_empty() {
        let continues = |value: &str| left.iter().any(|(from, _)| *from == Some(value));
        let follows = |(from, _): &(Option<&str>, &str)| from.is_some() && *from == current;
        let fits = |change: &(Option<&str>, &str)| follows(change) && continues(change.1);
        // Where something is missing in between, go on where a chain begins; with what is not known to follow, last.
        let begins = |(from, _): &(Option<&str>, &str)| from.is_some_and(|from| left.iter().all(|(_, to)| *to != from));
        let place = (left.iter().position(fits))
            .or_else(|| left.iter().position(follows))
            .or_else(|| left.iter().position(begins))
            .or_else(|| left.iter().position(|(from, _)| from.is_some()))
            .unwrap_or(0);
        current = Some(left.remove(place).1);
    }
    current.or_else(|| views.changes.iter().next_back().map(|(_, to)| *to))
}

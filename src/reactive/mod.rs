//! Queries that are subscriptions: which ones a commit concerns, when they run again, how their values arrive.
//!
//! Behaviour (the numbers are the design's):
//! 1. The first value comes first, then values in commit order; each is the query's result at exactly one commit.
//! 2. The last value delivered equals a fresh run; no commit that alters the result is missed.
//! 3. A commit outside the read set costs the subscription nothing; one inside it that leaves the result equal is not
//!    delivered.
//! 4. A reader that stops early depends only on what it read.
//! 5. Identical queries with identical arguments are one live query, evaluated once per commit, whoever subscribes; a
//!    one-shot query is answered from it. (What is identical, the floor above knows.)
//! 8. Writers never wait for subscribers. A slow subscriber skips to the newest value; memory stays bounded.
//! 9. A query that fails delivers its error, stays subscribed and recovers. A panic likewise.
//! 10. A subscription is a blocking iterator, a channel to `select!` on, and a callback; dropping it ends it.
//! 12. It does not see time, randomness or the outside world.
//!
//! This floor knows read sets and commits. It must not know rows, indexes or files.
//!
//! - `value_set.rs`, `sweep.rs`, `range_tree.rs`, `interval_map.rs`: which ranges contain some of many sorted keys.
//! - `live_query.rs`: what a live query is to those who evaluate it.
//! - `commit_keys.rs`: the keys of one commit and the ranges of one read set, compared in order.
//! - `live_queries.rs`, `recent_commits.rs`, `unmatched_commits.rs`: parts of the registry.
//! - `registry.rs`: the live queries and what they depend on, behind one lock.
//! - `registration.rs`: takes in what queries read; `matching.rs`: finds the queries that a commit concerns.
//! - `deliver.rs`: the newest value into the subscriber's hands.
//! - `watched_query.rs`: runs one live query and cuts off where the result is equal.
//! - `shared.rs`: one live query for all who ask the same.
//! - `callbacks.rs`: callbacks that wait for their turn; `threads.rs`: the threads of a reactor.
//! - `reactor.rs`: matches and evaluates, on a thread or step by step.
//! - `callback_subscription.rs`, `subscription.rs`: the subscriber's hands.

mod value_set;
mod sweep;
mod range_tree;
mod interval_map;
mod live_query;
mod commit_keys;
mod live_queries;
mod recent_commits;
mod unmatched_commits;
mod registry;
mod registration;
mod matching;
mod deliver;
mod watched_query;
mod shared;
mod callbacks;
mod threads;
mod reactor;
mod callback_subscription;
mod subscription;

pub use callback_subscription::CallbackSubscription;
pub(crate) use deliver::Value;
pub(crate) use live_query::Label;
pub use live_query::{Evaluation, LiveQueryHealth, LiveQueryId, Outcome};
pub use reactor::Reactor;
pub(crate) use reactor::ReactorCore;
pub(crate) use registry::Registry;
pub(crate) use shared::Identity;
pub use subscription::{Iter, Subscription};

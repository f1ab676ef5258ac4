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
//! - `interval_map.rs`: which ranges contain a key; `range_tree.rs` and `value_set.rs` serve it.
//! - `registry.rs`: which live queries a commit concerns; the recent commits that a registration is checked against.
//! - `evaluate.rs`: runs one live query and cuts off where the result is equal.
//! - `reactor.rs`: evaluates what is dirty, on a thread or step by step.
//! - `deliver.rs`: the newest value into the subscriber's hands.
//! - `shared.rs`: one live query for all who ask the same.
//! - `subscription.rs`: those hands.

mod deliver;
mod evaluate;
mod interval_map;
mod range_tree;
mod reactor;
mod registry;
mod shared;
mod subscription;
mod value_set;

use crate::encoding::byte_range;
pub(crate) use deliver::Value;
pub(crate) use evaluate::{Label, message_of};
pub(crate) use reactor::ReactorCore;
pub use reactor::{Evaluation, Outcome, Reactor};
pub(crate) use registry::Registry;
pub(crate) use shared::Identity;
pub use subscription::{CallbackSubscription, Iter, LiveQueryId, Subscription};

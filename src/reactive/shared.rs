//! One live query for all who ask the same: subscribers, and those who read once.

use std::{
    any::{Any, TypeId},
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::watched_query::WatchedQuery;

/// The function's type and its arguments as bytes.
type IdentityKey = (TypeId, Box<[u8]>);

/// What makes two queries the same: the function, and its arguments.
pub(crate) struct Identity {
    /// The function's type and the arguments as bytes. Equal arguments have equal bytes; the reverse is not promised.
    key: IdentityKey,
    arguments: Arc<dyn Any + Send + Sync>,
    is_equal: fn(&dyn Any, &dyn Any) -> bool,
}

impl Identity {
    /// The identity of a function with these arguments, and their bytes.
    pub(crate) fn new<Q: PartialEq + Send + Sync + 'static>(arguments: Arc<Q>, bytes: Vec<u8>) -> Self {
        let is_equal = |one: &dyn Any, other: &dyn Any| match (one.downcast_ref::<Q>(), other.downcast_ref::<Q>()) {
            (Some(one), Some(other)) => one == other,
            (Some(_) | None, _) => false,
        };
        Self { key: (TypeId::of::<Q>(), bytes.into()), arguments, is_equal }
    }

    /// The identity of a function whose arguments are equal if their bytes are.
    pub(crate) fn of_bytes<Q: 'static>(bytes: Vec<u8>) -> Self {
        Self { key: (TypeId::of::<Q>(), bytes.into()), arguments: Arc::new(()), is_equal: |_, _| true }
    }
}

/// The live queries that can be joined.
///
/// One lock, held to look up, to put in and to take out, and nothing else is locked meanwhile. Arguments are compared and
/// dropped without it: that is the host's code. Entries are weak: a live query lives as long as the registry has it.
#[derive(Default)]
pub(super) struct SharedQueries {
    entries: Mutex<HashMap<IdentityKey, Joinable>>,
}

#[derive(Clone)]
struct Joinable {
    arguments: Arc<dyn Any + Send + Sync>,
    query: Weak<dyn Any + Send + Sync>,
}

/// Where a query is to be evaluated.
pub(super) enum Found<T, E> {
    /// Somebody has it.
    Live(Arc<WatchedQuery<T, E>>),
    /// Nobody had it; the one at hand is what others find from now on.
    New,
    /// Other arguments with the same bytes are there; the one at hand is not shared.
    Taken,
}

impl SharedQueries {
    /// The live query with this identity, or `query` in its place.
    pub(super) fn find_or_insert<T, E>(&self, identity: &Identity, query: &Arc<WatchedQuery<T, E>>) -> Found<T, E>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let weak: Weak<dyn Any + Send + Sync> = Arc::downgrade(&(Arc::clone(query) as Arc<dyn Any + Send + Sync>));
        let own = Joinable { arguments: Arc::clone(&identity.arguments), query: weak };
        loop {
            let there = match self.entries.lock().entry(identity.key.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(own);
                    return Found::New;
                }
                Entry::Occupied(entry) => entry.get().clone(),
            };
            match there.query.upgrade() {
                None => self.remove_entry(identity, &there.query),
                Some(_) if !(identity.is_equal)(&*there.arguments, &*identity.arguments) => return Found::Taken,
                Some(live) => return live.downcast().map_or(Found::Taken, Found::Live),
            }
        }
    }

    /// The live query with this identity, if there is one.
    pub(super) fn find<T, E>(&self, identity: &Identity) -> Option<Arc<WatchedQuery<T, E>>>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let there = self.entries.lock().get(&identity.key).cloned()?;
        let live = there.query.upgrade()?;
        (identity.is_equal)(&*there.arguments, &*identity.arguments).then_some(live)?.downcast().ok()
    }

    /// Forgets a live query, unless another has taken its place.
    pub(super) fn remove<T, E>(&self, identity: &Identity, query: &Arc<WatchedQuery<T, E>>)
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let weak = Arc::downgrade(query);
        self.remove_entry(identity, &(weak as Weak<dyn Any + Send + Sync>));
    }

    fn remove_entry(&self, identity: &Identity, query: &Weak<dyn Any + Send + Sync>) {
        let mut entries = self.entries.lock();
        let is_it = |there: &Joinable| std::ptr::addr_eq(there.query.as_ptr(), query.as_ptr());
        let is_there = entries.get(&identity.key).is_some_and(is_it);
        let removed = is_there.then(|| entries.remove(&identity.key));
        drop(entries);
        drop(removed);
    }
}

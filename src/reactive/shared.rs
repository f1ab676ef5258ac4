//! One live query for all who ask the same: subscribers, and those who read once.

use std::{
    any::{Any, TypeId},
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::{evaluate::WatchedQuery, reactor::ReactorCore};

/// The function's type and its arguments as bytes.
type Key = (TypeId, Box<[u8]>);

/// What makes two queries the same: the function, and its arguments.
pub(crate) struct Identity {
    /// The function's type and the arguments as bytes. Equal arguments have equal bytes; the reverse is not promised.
    key: Key,
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
}

/// The live queries that can be joined.
///
/// One lock, held to look up and to put in, and nothing else is locked meanwhile. Entries are weak: a live query lives
/// as long as the registry has it.
#[derive(Default)]
pub(super) struct SharedQueries {
    entries: Mutex<HashMap<Key, Shared>>,
}

struct Shared {
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
        let shared = Shared { arguments: Arc::clone(&identity.arguments), query: weak };
        match self.entries.lock().entry(identity.key.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(shared);
                Found::New
            }
            Entry::Occupied(mut entry) => match entry.get().query.upgrade() {
                None => {
                    entry.insert(shared);
                    Found::New
                }
                Some(_) if !(identity.is_equal)(&*entry.get().arguments, &*identity.arguments) => Found::Taken,
                Some(live) => live.downcast().map_or(Found::Taken, Found::Live),
            },
        }
    }

    fn find<T, E>(&self, identity: &Identity) -> Option<Arc<WatchedQuery<T, E>>>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let entries = self.entries.lock();
        let shared = entries.get(&identity.key)?;
        let is_same = (identity.is_equal)(&*shared.arguments, &*identity.arguments);
        shared.query.upgrade().filter(|_| is_same)?.downcast().ok()
    }

    /// Forgets a live query, unless another has taken its place.
    pub(super) fn remove<T: 'static, E: 'static>(&self, identity: &Identity, query: &Arc<WatchedQuery<T, E>>) {
        let mut entries = self.entries.lock();
        let is_it = |shared: &Shared| std::ptr::addr_eq(shared.query.as_ptr(), Arc::as_ptr(query));
        if entries.get(&identity.key).is_some_and(is_it) {
            entries.remove(&identity.key);
        }
    }
}

impl ReactorCore {
    /// The result of a live query with this identity, if there is one and no visible commit has touched it since.
    pub(crate) fn fresh_result<T, E>(&self, identity: &Identity) -> Option<Arc<T>>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        // Taken first: what becomes visible later, the caller need not see.
        let visible_ts = self.pipeline.store().visible_ts();
        let query: Arc<WatchedQuery<T, E>> = self.shared.find(identity)?;
        // Held until the registry has answered: a value from before an evaluation is not what is fresh after it.
        let last = query.try_read()?;
        let is_fresh = self.registry.is_fresh(query.id(), visible_ts);
        last.as_ref().filter(|_| is_fresh)?.as_ref().ok().cloned()
    }
}

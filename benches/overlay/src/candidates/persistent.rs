//! (a) and (d): persistent B-trees. A clone is a snapshot, and a change copies the shared nodes on its path.

use std::{marker::PhantomData, sync::Arc};

use parking_lot::Mutex;

use super::{Change, Order, Overlay, Scan, Snapshot, Value};
use crate::key::Key;

macro_rules! persistent {
    ($overlay:ident, $imbl:ident, $name:literal) => {
        #[doc = concat!("`OrdMap` of ", stringify!($imbl), ".")]
        #[derive(Default)]
        pub struct $overlay {
            newest: Mutex<$imbl::OrdMap<Key, Value>>,
        }

        impl Overlay for $overlay {
            type Snapshot = $imbl::OrdMap<Key, Value>;

            const NAME: &'static str = $name;

            fn commit(&self, _ts: u64, changes: &[Change]) {
                let mut newest = self.newest.lock();
                for (key, value) in changes {
                    newest.insert(key.clone(), value.clone());
                }
            }

            fn snapshot(self: &Arc<Self>) -> Self::Snapshot {
                self.newest.lock().clone()
            }
        }

        impl Snapshot for $imbl::OrdMap<Key, Value> {
            type Scan<'a> = Walk<'a, $imbl::ordmap::RangedIter<'a, Key, Value, $imbl::shared_ptr::DefaultSharedPtr>>;

            fn get<R>(&self, key: &Key, read: impl FnOnce(Option<&[u8]>) -> R) -> Option<R> {
                self.get(key).map(|value| read(value.as_deref()))
            }

            fn scan(&self, start: &Key, end: &Key, order: Order) -> Self::Scan<'_> {
                Walk { range: self.range::<_, Key>(start..end), order, entries: PhantomData }
            }
        }
    };
}

persistent!(Persistent, imbl, "a persistent");
persistent!(PersistentSmall, imbl_small, "d persistent, small nodes");

/// A range from either end.
pub struct Walk<'a, I> {
    range: I,
    order: Order,
    entries: PhantomData<&'a Key>,
}

impl<'a, I: DoubleEndedIterator<Item = (&'a Key, &'a Value)>> Scan for Walk<'a, I> {
    fn next(&mut self) -> Option<(&[u8], &Value)> {
        let entry = match self.order {
            Order::Ascending => self.range.next(),
            Order::Descending => self.range.next_back(),
        };
        entry.map(|(key, value)| (key.local(), value))
    }
}

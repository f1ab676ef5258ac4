//! Committed changes that are not in the base yet: ordered, versioned, in memory.
//!
//! Every key has its versions, each with the commit that made it. A snapshot is a commit's number: it reads, of each
//! key, the newest version that is not newer. So a snapshot costs nothing, and a commit copies nothing for the sake of
//! snapshots. Versions are not collected one by one: the whole overlay is dropped when a checkpoint has carried it into
//! the base, and its size is bounded by the log written since the checkpoint before. `docs/decisions/0001-overlay.md`
//! has the alternatives and their figures.
//!
//! One writer at a time applies commits. The lock is held for a bounded number of entries at a time, by the writer and
//! by readers; a commit that is half applied does not show, since its number is not visible yet.

mod cursor;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;

pub(super) use self::cursor::OverlayCursor;
use super::record::{Change, Commit};
use crate::encoding::Key;

/// What an entry costs beside its bytes: the slot in its node, with the node's slack, and the value's header.
const ENTRY_OVERHEAD_BYTES: usize = 112;
/// What a further version of a key costs beside its bytes.
const VERSION_OVERHEAD_BYTES: usize = 48;
/// Entries that are applied or looked at while the lock is held.
const ENTRIES_PER_LOCK: usize = 256;
/// An overlay of this size takes about a millisecond to free.
const SLOW_TO_FREE_BYTES: usize = 512 << 10;

/// A stored value, or the fact that the key was deleted.
pub(super) type Value = Option<Arc<[u8]>>;

/// An ordered map from keys to their versions: a tree for each keyspace, so that keys of one keyspace cost nothing in
/// another, and a reader of one does not meet a writer of another.
#[derive(Default)]
pub(crate) struct Overlay {
    /// In the order of their numbers.
    keyspaces: RwLock<Vec<(u32, Arc<Keyspace>)>>,
    /// Memory in use, estimated from the sizes of keys and values. Written by the one who applies.
    size_bytes: AtomicUsize,
}

#[derive(Default)]
struct Keyspace {
    entries: RwLock<BTreeMap<Key, Versions>>,
}

/// The versions of a key, oldest first. Most keys have one.
enum Versions {
    One(Version),
    Many(Vec<Version>),
}

struct Version {
    ts: u64,
    value: Value,
}

impl Versions {
    fn newest(&self) -> &Version {
        match self {
            Self::One(version) => version,
            Self::Many(versions) => versions.last().expect("there are two at least"),
        }
    }

    /// The version that a snapshot at `ts` reads.
    fn at(&self, ts: u64) -> Option<&Value> {
        match self {
            Self::One(version) => (version.ts <= ts).then_some(&version.value),
            Self::Many(versions) => {
                // Nearly every reader is at the newest version.
                if let Some(newest) = versions.last().filter(|version| version.ts <= ts) {
                    return Some(&newest.value);
                }
                let visible = versions.partition_point(|version| version.ts <= ts);
                versions[..visible].last().map(|version| &version.value)
            }
        }
    }

    fn push(&mut self, version: Version) {
        match self {
            Self::Many(versions) => versions.push(version),
            Self::One(_) => {
                let Self::One(first) = std::mem::replace(self, Self::Many(Vec::with_capacity(4))) else { return };
                let Self::Many(versions) = self else { return };
                versions.extend([first, version]);
            }
        }
    }
}

impl Overlay {
    /// Takes in what a commit changed. O(log n) for each change.
    pub(super) fn apply(&self, commit: &Commit) {
        let mut changes = commit.changes().peekable();
        while let Some((key, _)) = changes.peek() {
            let number = key.keyspace();
            let keyspace = self.keyspace_or_new(number);
            let mut added_bytes = 0;
            let mut entries = keyspace.entries.write();
            for _ in 0..ENTRIES_PER_LOCK {
                let Some((key, change)) = changes.next_if(|(key, _)| key.keyspace() == number) else { break };
                added_bytes += apply_change(&mut entries, key, change, commit.ts);
            }
            drop(entries);
            self.size_bytes.fetch_add(added_bytes, Ordering::Relaxed);
        }
    }

    /// Takes in a commit while nobody has a snapshot: older versions are replaced.
    pub(super) fn replay(&self, commit: &Commit) {
        for (key, change) in commit.changes() {
            let value = match change {
                Change::Put(value) => Some(Arc::clone(value)),
                Change::Delete => None,
                Change::Touch => continue,
            };
            let value_bytes = value.as_ref().map_or(0, |value| value.len());
            let version = Versions::One(Version { ts: commit.ts, value });
            let replaced = self.keyspace_or_new(key.keyspace()).entries.write().insert(key.clone(), version);
            let size_bytes = self.size_bytes() + value_bytes;
            let size_bytes = match &replaced {
                Some(versions) => size_bytes - versions.newest().value.as_ref().map_or(0, |value| value.len()),
                None => size_bytes + ENTRY_OVERHEAD_BYTES + key.len(),
            };
            self.size_bytes.store(size_bytes, Ordering::Relaxed);
        }
    }

    /// What a snapshot at `ts` reads. `None`: the overlay does not know the key. `Some(None)`: it was deleted.
    pub(super) fn get(&self, key: &Key, ts: u64) -> Option<Value> {
        let keyspaces = self.keyspaces.read();
        let at = keyspaces.binary_search_by_key(&key.keyspace(), |(number, _)| *number).ok()?;
        keyspaces[at].1.entries.read().get(key)?.at(ts).cloned()
    }

    /// Hands over the newest version of every key, in key order. For an overlay to which nothing is applied any more.
    pub(super) fn with_newest<R>(
        &self,
        take: impl for<'a> FnOnce(&mut (dyn Iterator<Item = (&'a Key, Option<&'a [u8]>)> + 'a)) -> R,
    ) -> R {
        let keyspaces = self.keyspaces.read();
        let trees: Vec<_> = keyspaces.iter().map(|(_, keyspace)| keyspace.entries.read()).collect();
        let entries = trees.iter().flat_map(|tree| tree.iter());
        take(&mut entries.map(|(key, versions)| (key, versions.newest().value.as_deref())))
    }

    fn keyspace(&self, number: u32) -> Option<Arc<Keyspace>> {
        let keyspaces = self.keyspaces.read();
        let at = keyspaces.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(Arc::clone(&keyspaces[at].1))
    }

    fn keyspace_or_new(&self, number: u32) -> Arc<Keyspace> {
        if let Some(keyspace) = self.keyspace(number) {
            return keyspace;
        }
        let keyspace = Arc::<Keyspace>::default();
        let mut keyspaces = self.keyspaces.write();
        let at = keyspaces.partition_point(|(other, _)| *other < number);
        keyspaces.insert(at, (number, Arc::clone(&keyspace)));
        keyspace
    }

    /// Memory in use, estimated.
    pub(super) fn size_bytes(&self) -> usize {
        self.size_bytes.load(Ordering::Relaxed)
    }

    /// Whether nothing was ever applied.
    pub(super) fn is_empty(&self) -> bool {
        self.size_bytes() == 0
    }
}

impl Drop for Overlay {
    /// Whoever lets go last is often a reader or a writer, which shall not wait until so many entries are freed.
    fn drop(&mut self) {
        if self.size_bytes() < SLOW_TO_FREE_BYTES {
            return;
        }
        let keyspaces = std::mem::take(self.keyspaces.get_mut());
        let freeing = std::thread::Builder::new().name("tropism-free".to_owned()).spawn(move || drop(keyspaces));
        if let Err(error) = freeing {
            // They went with the closure.
            tracing::debug!(target: "tropism", %error, "no thread could be started to free an overlay");
        }
    }
}

/// Puts one change into a tree; returns by how much its memory grew.
fn apply_change(entries: &mut BTreeMap<Key, Versions>, key: &Key, change: &Change, ts: u64) -> usize {
    let value = match change {
        Change::Put(value) => Some(Arc::clone(value)),
        Change::Delete => None,
        Change::Touch => return 0,
    };
    let value_bytes = value.as_ref().map_or(0, |value| value.len());
    let version = Version { ts, value };
    match entries.entry(key.clone()) {
        Entry::Vacant(entry) => {
            entry.insert(Versions::One(version));
            value_bytes + key.len() + ENTRY_OVERHEAD_BYTES
        }
        Entry::Occupied(mut entry) => {
            entry.get_mut().push(version);
            value_bytes + VERSION_OVERHEAD_BYTES
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{storage::order::Order, time::Timestamp};

    fn key(number: u32) -> Key {
        Key::from_slice(&[&[0, 0, 0, 16], number.to_be_bytes().as_slice()].concat())
    }

    fn put(text: &str) -> Change {
        Change::Put(Arc::from(text.as_bytes()))
    }

    fn overlay(commits: &[&[(u32, Change)]]) -> Overlay {
        let overlay = Overlay::default();
        for (ts, changes) in (1..).zip(commits) {
            let changes = changes.iter().map(|(number, change)| (key(*number), change.clone())).collect();
            overlay.apply(&Commit::new(ts, Timestamp::EPOCH, changes));
        }
        overlay
    }

    fn seen(overlay: &Overlay, ts: u64, order: Order) -> Vec<(u32, Option<String>)> {
        let mut cursor = OverlayCursor::new(overlay, ts, &key(0), &key(u32::MAX), order).unwrap();
        let text = |value: Value| value.map(|value| String::from_utf8(value.to_vec()).unwrap());
        let number = |key: Key| u32::from_be_bytes(key[4..8].try_into().unwrap());
        std::iter::from_fn(|| cursor.next()).map(|(key, value)| (number(key), text(value))).collect()
    }

    #[test]
    fn a_snapshot_sees_the_newest_version_that_is_not_newer() {
        let overlay =
            overlay(&[&[(1, put("a")), (2, put("b"))], &[(1, Change::Delete), (3, put("c"))], &[(1, put("d"))]]);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(seen(&overlay, 0, Order::Ascending), []);
        assert_eq!(seen(&overlay, 1, Order::Ascending), [(1, text("a")), (2, text("b"))]);
        assert_eq!(seen(&overlay, 2, Order::Ascending), [(1, None), (2, text("b")), (3, text("c"))]);
        assert_eq!(seen(&overlay, 3, Order::Descending), [(3, text("c")), (2, text("b")), (1, text("d"))]);
        assert_eq!(overlay.get(&key(1), 2), Some(None));
        assert_eq!(overlay.get(&key(3), 1), None);
    }

    #[test]
    fn a_key_with_many_versions_reads_as_of_any_commit() {
        let changes: Vec<Vec<(u32, Change)>> = (1..=100).map(|ts| vec![(7, put(&ts.to_string()))]).collect();
        let overlay = overlay(&changes.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for ts in 1..=100 {
            let value = overlay.get(&key(7), ts).flatten().expect("it was put");
            assert_eq!(*value, *ts.to_string().as_bytes());
        }
        assert_eq!(overlay.get(&key(7), 0), None);
    }

    #[test]
    fn a_large_overlay_is_freed_though_not_by_whoever_lets_go_of_it() {
        let value: Arc<[u8]> = vec![7; 1_000].into();
        let changes: Vec<(u32, Change)> = (0..5_000).map(|number| (number, Change::Put(Arc::clone(&value)))).collect();
        let overlay = overlay(&[&changes]);
        drop(changes);
        assert!(overlay.size_bytes() > SLOW_TO_FREE_BYTES && Arc::strong_count(&value) == 5_001);
        drop(overlay);
        while Arc::strong_count(&value) > 1 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_cursor_walks_more_entries_than_it_takes_at_a_time_and_skips() {
        let changes: Vec<(u32, Change)> = (0..1_000).map(|number| (number, put("x"))).collect();
        let newer: Vec<(u32, Change)> = (1_000..3_000).map(|number| (number, put("y"))).collect();
        let overlay = overlay(&[&changes, &newer]);
        for order in [Order::Ascending, Order::Descending] {
            assert_eq!(seen(&overlay, 1, order).len(), 1_000, "entries that are too new are passed over");
            let mut cursor = OverlayCursor::new(&overlay, 2, &key(0), &key(3_000), order).unwrap();
            for _ in 0..10 {
                cursor.next();
            }
            cursor.skip(&key(5), &key(2_990));
            let rest: Vec<Key> = std::iter::from_fn(|| cursor.next()).map(|(key, _)| key).collect();
            let expected: Vec<Key> = match order {
                Order::Ascending => (2_990..3_000).map(key).collect(),
                Order::Descending => (0..5).rev().map(key).collect(),
            };
            assert_eq!(rest, expected);
        }
    }
}

//! Every candidate against a map that is copied for each commit.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    candidates::{
        Order, Overlay, Scan as _, Snapshot, Value,
        leaves::Leaves,
        persistent::{Persistent, PersistentSmall},
        runs::Runs,
        skip_list::SkipList,
        spaces::Spaces,
        tree::OneTree,
    },
    key::{Key, TreeKey as _, WordKey},
    workload::{Seeded, keyspaces},
};

fn some_key(seeded: &mut Seeded) -> Key {
    let [rows, entries] = keyspaces().map(|(start, _)| start.keyspace());
    match seeded.below(2) {
        0 => Key::new(rows, &[&seeded.below(600).to_be_bytes()]),
        _ => {
            let long = vec![7; seeded.below(40) as usize];
            Key::new(entries, &[&seeded.below(50).to_be_bytes(), &long])
        }
    }
}

fn walked<S: Snapshot>(snapshot: &S, start: &Key, end: &Key, order: Order) -> Vec<(Vec<u8>, Value)> {
    let mut scan = snapshot.scan(start, end, order);
    let mut found = Vec::new();
    while let Some((key, value)) = scan.next() {
        found.push((key.to_vec(), value.clone()));
    }
    found
}

fn is_like_the_model<O: Overlay>() {
    let mut seeded = Seeded(7);
    let overlay = Arc::new(O::default());
    let mut model: BTreeMap<Key, Value> = BTreeMap::new();
    let mut past = Vec::new();
    for ts in 1..400 {
        let size = if seeded.below(8) == 0 { 100 } else { 1 + seeded.below(4) };
        let mut changes = BTreeMap::new();
        for _ in 0..size {
            let value = (seeded.below(4) > 0).then(|| Arc::from(seeded.next().to_be_bytes()));
            changes.insert(some_key(&mut seeded), value);
        }
        model.extend(changes.clone());
        overlay.commit(ts, &changes.into_iter().collect::<Vec<_>>());
        if ts % 9 == 0 {
            past.push((overlay.snapshot(), model.clone()));
        }
    }
    for (snapshot, model) in &past {
        for _ in 0..50 {
            let key = some_key(&mut seeded);
            let found = snapshot.get(&key, |value| value.map(<[u8]>::to_vec));
            assert_eq!(found, model.get(&key).map(|value| value.as_ref().map(|value| value.to_vec())));
        }
        for (start, end) in keyspaces() {
            let inner = Key::new(start.keyspace(), &[&seeded.below(60).to_be_bytes()]);
            for (start, end) in [(&start, &end), (&inner, &end), (&start, &inner), (&inner, &inner)] {
                let range = model.range::<Key, _>(start..end).map(|(key, value)| (key.local().to_vec(), value.clone()));
                let mut expected: Vec<_> = range.collect();
                assert_eq!(walked(snapshot, start, end, Order::Ascending), expected, "{}", O::NAME);
                expected.reverse();
                assert_eq!(walked(snapshot, start, end, Order::Descending), expected, "{}", O::NAME);
            }
        }
    }
}

#[test]
fn every_snapshot_of_every_candidate_is_like_the_model() {
    is_like_the_model::<Persistent>();
    is_like_the_model::<PersistentSmall>();
    is_like_the_model::<SkipList>();
    is_like_the_model::<OneTree<Key>>();
    is_like_the_model::<OneTree<WordKey>>();
    is_like_the_model::<Runs>();
    is_like_the_model::<Spaces>();
    is_like_the_model::<Leaves>();
}

#[test]
fn keys_compare_in_words_as_their_bytes_do() {
    let mut seeded = Seeded(3);
    let mut bytes = || (0..seeded.below(40)).map(|_| seeded.below(2) as u8).collect::<Vec<_>>();
    for _ in 0..10_000 {
        let (one, other) = (bytes(), bytes());
        let [one_key, other_key] = [&one, &other].map(|bytes| WordKey::of(&Key::from_slice(bytes)));
        assert_eq!(one_key.cmp(&other_key), one.cmp(&other));
    }
}

#[test]
fn a_key_takes_32_bytes() {
    assert_eq!(size_of::<Key>(), 32);
}

//! From a row to what its indexes say of it: their keys, the types of these, and the rows it refers to.
//!
//! The macro writes one function per table, [`Table::visit_index`], which shows a visitor the fields of an index. All
//! the rest is a visitor, so that each field is named, and each misuse reported, once.

use super::{
    definition::IndexKind,
    index_visitor::IndexVisitor,
    key_type::{KeyType, MultiField},
    reference::ReferenceField,
    table::Table,
};
use crate::encoding::{Key, KeyWriter};

/// The types of an index's key, one description per part.
pub fn key_types<T: Table>(index: usize) -> Vec<String> {
    let mut types = KeyTypes(Vec::new());
    T::visit_index(index, &mut types);
    types.0
}

/// Name of the table that an index's first field refers to; the index says `on delete`.
pub fn reference_target<T: Table>(index: usize) -> &'static str {
    let mut target = ReferenceTarget(None);
    T::visit_index(index, &mut target);
    target.0.expect("an index that says `on delete` shows its reference")
}

/// Number of the id that an index's first field holds: `None` if the index is no reference, or the field is null.
pub(crate) fn referenced<T: Table>(row: &T, index: usize) -> Option<u64> {
    let mut referenced = Referenced { row, number: None };
    T::visit_index(index, &mut referenced);
    referenced.number
}

/// Collects the index keys of one row: `keyspace ‖ index key ‖ id`, with the position of their index.
///
/// One per index, but for a `multi` index one per distinct element.
#[derive(Debug)]
pub struct IndexKeys<'a> {
    keyspaces: &'a [u32],
    id: u64,
    /// The one index whose keys are wanted; `None`: all of them.
    only: Option<usize>,
    keys: Vec<(usize, Key)>,
}

impl<'a> IndexKeys<'a> {
    /// For the row with this id; `keyspaces` has the keyspace of every declared index, in their order.
    pub(crate) fn new(keyspaces: &'a [u32], id: u64) -> Self {
        Self { keyspaces, id, only: None, keys: Vec::with_capacity(keyspaces.len()) }
    }

    /// The same, for the index at this position alone.
    pub(crate) fn of_one(keyspaces: &'a [u32], id: u64, position: usize) -> Self {
        Self { keyspaces, id, only: Some(position), keys: Vec::new() }
    }

    /// Every key, ordered by the position of the index and then by itself.
    pub(crate) fn finish(self) -> Vec<(usize, Key)> {
        self.keys
    }

    /// Adds the keys of every index of `row`.
    pub(crate) fn add_row<T: Table>(&mut self, row: &T) {
        let indexes = T::DEFINITION.indexes;
        assert_eq!(indexes.len(), self.keyspaces.len(), "every declared index has a keyspace");
        for (position, (index, &keyspace)) in indexes.iter().zip(self.keyspaces).enumerate() {
            if self.only.is_some_and(|only| only != position) {
                continue;
            }
            let mut entries = IndexEntries { row, position, keyspace, key: KeyWriter::new(keyspace), collected: self };
            T::visit_index(position, &mut entries);
            entries.finish(index.kind);
        }
    }
}

/// Writes the keys of one index.
struct IndexEntries<'r, 'c, 'a, T> {
    row: &'r T,
    position: usize,
    keyspace: u32,
    key: KeyWriter,
    collected: &'c mut IndexKeys<'a>,
}

impl<T> IndexEntries<'_, '_, '_, T> {
    fn finish(mut self, kind: IndexKind) {
        match kind {
            IndexKind::Plain | IndexKind::Unique => {
                self.key.id(self.collected.id);
                self.collected.keys.push((self.position, self.key.finish()));
            }
            IndexKind::Multi => {}
        }
    }
}

impl<T> IndexVisitor<T> for IndexEntries<'_, '_, '_, T> {
    fn part<K: KeyType>(&mut self, field: fn(&T) -> &K) {
        self.key.part(field(self.row));
    }

    fn elements<V: MultiField>(&mut self, field: fn(&T) -> &V) {
        let keys = &mut self.collected.keys;
        let first = keys.len();
        for element in field(self.row).elements() {
            let mut key = KeyWriter::new(self.keyspace);
            key.part(element);
            key.id(self.collected.id);
            keys.push((self.position, key.finish()));
        }
        keys[first..].sort_unstable();
        // Keys of other indexes cannot be equal to these: their position is another.
        keys.dedup();
    }

    fn reference<R: ReferenceField>(&mut self, _: fn(&T) -> &R) {}
}

/// Describes the parts.
struct KeyTypes(Vec<String>);

impl<T> IndexVisitor<T> for KeyTypes {
    fn part<K: KeyType>(&mut self, _: fn(&T) -> &K) {
        self.0.push(K::describe());
    }

    fn elements<V: MultiField>(&mut self, _: fn(&T) -> &V) {
        self.0.push(V::Element::describe());
    }

    fn reference<R: ReferenceField>(&mut self, _: fn(&T) -> &R) {}
}

/// Names the table that is referred to.
struct ReferenceTarget(Option<&'static str>);

impl<T> IndexVisitor<T> for ReferenceTarget {
    fn part<K: KeyType>(&mut self, _: fn(&T) -> &K) {}

    fn elements<V: MultiField>(&mut self, _: fn(&T) -> &V) {}

    fn reference<R: ReferenceField>(&mut self, _: fn(&T) -> &R) {
        self.0 = Some(R::target());
    }
}

/// Reads the reference of one row.
struct Referenced<'a, T> {
    row: &'a T,
    number: Option<u64>,
}

impl<T> IndexVisitor<T> for Referenced<'_, T> {
    fn part<K: KeyType>(&mut self, _: fn(&T) -> &K) {}

    fn elements<V: MultiField>(&mut self, _: fn(&T) -> &V) {}

    fn reference<R: ReferenceField>(&mut self, field: fn(&T) -> &R) {
        self.number = field(self.row).referenced();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Id;

    crate::schema! {
        pub enum State { Open = "open", Closed = "closed" }

        pub table Project in "projects" { name: String }

        pub table Task in "tasks" {
            project: Id<Project>,
            parent: Option<Id<Task>>,
            state: State,
            labels: Vec<String>,
        } with {
            index by_project (project, state) on delete cascade;
            multi by_label (labels);
            unique by_parent (parent) on delete set null;
            index by_labels_of_state (state, parent);
        }
    }

    fn task() -> Task {
        let labels = ["b", "a", "b"].map(str::to_owned).to_vec();
        Task { project: Id::from_raw(3), parent: None, state: State::Closed, labels }
    }

    fn key(keyspace: u32, write: impl FnOnce(&mut KeyWriter)) -> Vec<u8> {
        let mut key = KeyWriter::new(keyspace);
        write(&mut key);
        key.id(9);
        key.finish().to_vec()
    }

    #[test]
    fn a_row_has_one_key_per_index_and_one_per_distinct_element_of_a_multi_index() {
        let mut keys = IndexKeys::new(&[20, 21, 22, 23], 9);
        keys.add_row(&task());
        let keys: Vec<(usize, Vec<u8>)> = keys.finish().into_iter().map(|(at, key)| (at, key.to_vec())).collect();
        let expected = [
            (0, key(20, |key| key.part(&(3u64, 1u8)))),
            (1, key(21, |key| key.part("a"))),
            (1, key(21, |key| key.part("b"))),
            (2, key(22, |key| key.part(&None::<u64>))),
            (3, key(23, |key| key.part(&(1u8, None::<u64>)))),
        ];
        assert_eq!(keys, expected);
        for position in 0..4 {
            let mut keys = IndexKeys::of_one(&[20, 21, 22, 23], 9, position);
            keys.add_row(&task());
            let keys = keys.finish().into_iter().map(|(at, key)| (at, key.to_vec()));
            assert!(keys.eq(expected.iter().filter(|(at, _)| *at == position).cloned()));
        }
    }

    #[test]
    fn key_types_are_described_by_what_is_in_the_key() {
        let types = [0, 1, 2, 3].map(|index| key_types::<Task>(index).join(", "));
        let state = "enum(open|closed)";
        let by_project = format!("Id<projects>, {state}");
        let by_state = format!("{state}, Option<Id<tasks>>");
        assert_eq!(types, [by_project.as_str(), "String", "Option<Id<tasks>>", by_state.as_str()]);
    }

    #[test]
    fn references_name_their_table_and_give_the_id_that_is_held() {
        assert_eq!(reference_target::<Task>(0), "projects");
        assert_eq!(reference_target::<Task>(2), "tasks");
        let mut task = task();
        task.parent = Some(Id::from_raw(5));
        assert_eq!([0, 1, 2, 3].map(|index| referenced(&task, index)), [Some(3), None, Some(5), None]);
        task.clear_reference(2);
        assert_eq!(task.parent, None);
        assert_eq!([0, 1, 2, 3].map(|index| referenced(&task, index)), [Some(3), None, None, None]);
    }
}

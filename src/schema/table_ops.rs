//! [`TableOps`]: what can be done with the rows of a table whose type is not at hand; [`Tables`]: many of them.

use std::any::TypeId;

use super::{
    definition::TableDefinition,
    keys::IndexKeys,
    table::{StoredRow, Table, decode_row, encode_row},
};
use crate::{encoding::Layouts, error::RowError};

/// A table without its type: what opening, deleting with references and index building need.
///
/// Rows go in and out as stored; errors of decoding leave the row's id to the caller.
#[derive(Debug, Clone, Copy)]
pub struct TableOps {
    /// What was declared.
    pub definition: &'static TableDefinition,
    /// The type that was erased.
    pub type_id: fn() -> TypeId,
    /// Collects every key of every index.
    pub index_keys: fn(&[u8], &Layouts, &mut IndexKeys<'_>) -> Result<(), RowError>,
    /// The row with the reference of one index set to `None`, in the current layout.
    pub clear_reference: fn(&[u8], &Layouts, usize) -> StoredRow,
    /// The row in the current layout.
    pub rewrite: fn(&[u8], &Layouts) -> StoredRow,
}

impl TableOps {
    /// Erases the type of `T`.
    pub const fn of<T: Table>() -> Self {
        Self {
            definition: T::DEFINITION,
            type_id: TypeId::of::<T>,
            index_keys: index_keys::<T>,
            clear_reference: clear_reference::<T>,
            rewrite: rewrite::<T>,
        }
    }
}

fn index_keys<T: Table>(row: &[u8], layouts: &Layouts, keys: &mut IndexKeys<'_>) -> Result<(), RowError> {
    let (value, _) = decode_row::<T>(row, layouts)?;
    keys.add_row(&value);
    Ok(())
}

fn clear_reference<T: Table>(row: &[u8], layouts: &Layouts, index: usize) -> StoredRow {
    let (mut value, created_at) = decode_row::<T>(row, layouts)?;
    value.clear_reference(index);
    encode_row(&value, layouts.current, created_at)
}

fn rewrite<T: Table>(row: &[u8], layouts: &Layouts) -> StoredRow {
    let (value, created_at) = decode_row::<T>(row, layouts)?;
    encode_row(&value, layouts.current, created_at)
}

/// One table, or a tuple of up to 24 elements of which each is one or again such a tuple.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a table nor a tuple of tables",
    label = "expected `(Project, Task, …)` of tables that `schema!` declares, at most 24 in one tuple",
    note = "more tables go into tuples within the tuple"
)]
pub trait Tables {
    /// Every table, in order.
    fn tables() -> Vec<TableOps>;
}

impl<T: Table> Tables for T {
    fn tables() -> Vec<TableOps> {
        vec![TableOps::of::<T>()]
    }
}

/// Implements [`Tables`] for the tuple of all names, and for every shorter one.
macro_rules! tuples_of_tables {
    () => {};
    ($first:ident $($rest:ident)*) => {
        impl<$first: Tables, $($rest: Tables),*> Tables for ($first, $($rest,)*) {
            fn tables() -> Vec<TableOps> {
                [$first::tables(), $($rest::tables()),*].concat()
            }
        }

        tuples_of_tables!($($rest)*);
    };
}

tuples_of_tables!(A B C D E F G H I J K L M N O P Q R S T U V W X);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{encoding::LayoutPlan, schema::Id, time::Timestamp};

    crate::schema! {
        pub table Project in "projects" { name: String }

        pub table Task in "tasks" { title: String, project: Option<Id<Project>>, parent: Option<Id<Task>> } with {
            index by_title (title);
            index by_project (project) on delete set null;
            index by_parent (parent) on delete restrict;
        }
    }

    const CREATED_AT: Timestamp = Timestamp::from_millis(1_000);

    fn layouts() -> Layouts {
        Layouts { current: 0, plans: vec![LayoutPlan::Current] }
    }

    fn task() -> Task {
        Task { title: "Lift off".to_owned(), project: Some(Id::from_raw(3)), parent: None }
    }

    #[test]
    fn a_row_reads_back_with_its_creation_time() {
        let row = encode_row(&task(), 0, CREATED_AT).expect("it encodes");
        assert_eq!(decode_row::<Task>(&row, &layouts()).expect("it was just written"), (task(), CREATED_AT));
        assert!(decode_row::<Task>(&row[..row.len() - 1], &layouts()).is_err());
    }

    #[test]
    fn the_same_can_be_done_without_the_type() {
        let ops = TableOps::of::<Task>();
        assert_eq!((ops.definition.name, (ops.type_id)()), ("tasks", TypeId::of::<Task>()));
        let row = encode_row(&task(), 0, CREATED_AT).expect("it encodes");
        assert_eq!((ops.rewrite)(&row, &layouts()).expect("it decodes"), row);

        let mut keys = IndexKeys::new(&[20, 21, 22], 1);
        (ops.index_keys)(&row, &layouts(), &mut keys).expect("it decodes");
        assert_eq!(keys.finish().iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);

        let cleared = (ops.clear_reference)(&row, &layouts(), 1).expect("it decodes");
        let expected = (Task { project: None, ..task() }, CREATED_AT);
        assert_eq!(decode_row::<Task>(&cleared, &layouts()).expect("it was just written"), expected);
    }

    #[test]
    fn tables_come_in_tuples_and_tuples_of_tuples() {
        let names = |tables: Vec<TableOps>| tables.iter().map(|table| table.definition.name).collect::<Vec<_>>();
        assert_eq!(names(<(Task,)>::tables()), ["tasks"]);
        assert_eq!(names(<(Task, (Project, (Task,)), Project)>::tables()), ["tasks", "projects", "tasks", "projects"]);
    }
}

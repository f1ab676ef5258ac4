//! [`Index`], and how values become a typed prefix of its key.

use std::{fmt, marker::PhantomData};

use super::table::Table;
use crate::encoding::{KeyPart, KeyWriter};

/// An index of table `T` whose key is made of the parts `K`, a tuple: `Index<Task, (Id<Project>, Category)>`.
///
/// [`schema!`](crate::schema!) makes one constant per index (`Task::by_project`) and `by_id` for every table. It only
/// names the index, and costs nothing to copy.
pub struct Index<T, K> {
    position: usize,
    row_and_key: PhantomData<fn() -> (T, K)>,
}

/// The position of `by_id`, which is the table's own keyspace and not among the declared indexes.
const BY_ID: usize = usize::MAX;

impl<T, K> Index<T, K> {
    /// The index declared at this position, from 0. That `K` is its key, the macro sees to.
    #[doc(hidden)]
    pub const fn declared(position: usize) -> Self {
        Self { position, row_and_key: PhantomData }
    }

    /// The table's own keyspace, in the order of ids.
    #[doc(hidden)]
    pub const fn by_id() -> Self {
        Self::declared(BY_ID)
    }

    /// Its position among the table's declared indexes; `None` for `by_id`.
    pub(crate) const fn position(self) -> Option<usize> {
        if self.position == BY_ID { None } else { Some(self.position) }
    }
}

impl<T: Table, K> Index<T, K> {
    /// Its name, as declared.
    pub fn name(self) -> &'static str {
        match self.position() {
            Some(position) => T::DEFINITION.indexes[position].name,
            None => "by_id",
        }
    }
}

impl<T: Table, K> fmt::Debug for Index<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", T::DEFINITION.name, self.name())
    }
}

impl<T, K> Clone for Index<T, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, K> Copy for Index<T, K> {}

/// A value that can stand for a key part of type `A`: an `A`, an `&A`; `&str` for `String`; bytes for `Vec<u8>`.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` does not fit the key part `{A}`",
    label = "the key has `{A}` here",
    note = "`String` is also taken as `&str`, `Vec<u8>` as `&[u8]`, and every part by reference"
)]
pub trait AsPart<A> {
    /// Appends the value as the part.
    #[doc(hidden)]
    fn write_part(&self, key: &mut KeyWriter);
}

impl<A: KeyPart> AsPart<A> for A {
    fn write_part(&self, key: &mut KeyWriter) {
        key.part(self);
    }
}

impl<A: KeyPart> AsPart<A> for &A {
    fn write_part(&self, key: &mut KeyWriter) {
        key.part(*self);
    }
}

impl AsPart<String> for &str {
    fn write_part(&self, key: &mut KeyWriter) {
        key.part(*self);
    }
}

impl AsPart<Vec<u8>> for &[u8] {
    fn write_part(&self, key: &mut KeyWriter) {
        key.part(*self);
    }
}

impl<const N: usize> AsPart<Vec<u8>> for &[u8; N] {
    fn write_part(&self, key: &mut KeyWriter) {
        key.part(self.as_slice());
    }
}

/// The first parts of a key `K`: the first alone (`.eq(project)`), or a tuple of as many as are known
/// (`.eq((project, Category::Todo))`), in the order of the index.
///
/// `M` tells the two forms apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a prefix of the key `{K}`",
    label = "give the key's first part, or a tuple of its first parts in their order",
    note = "the parts of the index's key are `{K}`"
)]
pub trait Prefix<K, M> {
    /// The parts of the key that are left, `()` when it is complete.
    type Rest;

    /// Appends the parts.
    #[doc(hidden)]
    fn write(&self, key: &mut KeyWriter);

    /// How many parts it has.
    #[doc(hidden)]
    fn parts() -> usize;
}

/// The form of a [`Prefix`] that is the key's first part itself.
#[doc(hidden)]
#[derive(Debug)]
pub enum OnePart {}

/// The form of a [`Prefix`] that is a tuple.
#[doc(hidden)]
#[derive(Debug)]
pub enum TupleOfParts {}

/// What a [`Prefix`] left of a key, as long as there is a part left to compare.
#[diagnostic::on_unimplemented(
    message = "the key has no part left to compare",
    label = "all parts of the key are given already",
    note = "the parts of the key that are left are `{Self}`"
)]
pub trait NextPart {
    /// The next part.
    type Part: KeyPart;
    /// The parts after it.
    type Rest;
}

/// Implements [`Prefix`] and [`NextPart`] for keys of these parts, and the tuple forms of every length up to theirs.
macro_rules! keys {
    ($([$($part:ident $given:ident $position:tt),+])+) => { $(
        keys!(@next $($part),+);
        keys!(@tuples [] $($part $given $position),+);
    )+ };
    (@next $first:ident $(, $rest:ident)*) => {
        impl<Value: AsPart<$first>, $first, $($rest),*> Prefix<($first, $($rest,)*), OnePart> for Value {
            type Rest = ($($rest,)*);

            fn write(&self, key: &mut KeyWriter) {
                self.write_part(key);
            }

            fn parts() -> usize {
                1
            }
        }

        impl<$first: KeyPart, $($rest),*> NextPart for ($first, $($rest,)*) {
            type Part = $first;
            type Rest = ($($rest,)*);
        }
    };
    (@tuples [$($part:ident $given:ident $position:tt),*]) => {};
    (
        @tuples [$($part:ident $given:ident $position:tt),*]
        $next:ident $next_given:ident $next_position:tt $(, $rest:ident $rest_given:ident $rest_position:tt)*
    ) => {
        impl<$($part, $given: AsPart<$part>,)* $next, $next_given: AsPart<$next>, $($rest),*>
            Prefix<($($part,)* $next, $($rest,)*), TupleOfParts> for ($($given,)* $next_given,)
        {
            type Rest = ($($rest,)*);

            fn write(&self, key: &mut KeyWriter) {
                $(self.$position.write_part(key);)*
                self.$next_position.write_part(key);
            }

            fn parts() -> usize {
                $next_position + 1
            }
        }

        keys! {
            @tuples [$($part $given $position,)* $next $next_given $next_position]
            $($rest $rest_given $rest_position),*
        }
    };
}

keys! {
    [A GivenA 0]
    [A GivenA 0, B GivenB 1]
    [A GivenA 0, B GivenB 1, C GivenC 2]
    [A GivenA 0, B GivenB 1, C GivenC 2, D GivenD 3]
    [A GivenA 0, B GivenB 1, C GivenC 2, D GivenD 3, E GivenE 4]
    [A GivenA 0, B GivenB 1, C GivenC 2, D GivenD 3, E GivenE 4, F GivenF 5]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Id;

    crate::schema! {
        pub enum Category { Backlog = "backlog", Todo = "todo", Done = "done" }

        pub table Project in "projects" { name: String }

        pub table Task in "tasks" {
            project_id: Id<Project>,
            title: String,
            category: Category,
            labels: Vec<String>,
            priority: u8,
            parent: Option<Id<Task>>,
            digest: Vec<u8>,
        } with {
            index by_project_and_category (project_id, category);
            index by_title (title);
            multi by_label (labels);
            index by_parent (parent);
            index by_digest (digest);
            index by_all (priority, title, digest, parent, category, project_id);
        }
    }

    /// Looks a key up part by part, as the query builder does, and keeps what was given.
    struct Lookup<R> {
        parts: usize,
        key: Vec<u8>,
        rest: PhantomData<R>,
    }

    impl<R> Lookup<R> {
        fn of<T>(_: Index<T, R>) -> Self {
            Self { parts: 0, key: Vec::new(), rest: PhantomData }
        }

        fn eq<P: Prefix<R, M>, M>(self, prefix: P) -> Lookup<P::Rest> {
            Lookup { parts: P::parts(), key: written(|key| prefix.write(key)), rest: PhantomData }
        }

        fn from<V: AsPart<R::Part>>(self, value: V) -> Vec<u8>
        where
            R: NextPart,
        {
            [self.key, written(|key| value.write_part(key))].concat()
        }
    }

    fn written(write: impl FnOnce(&mut KeyWriter)) -> Vec<u8> {
        let mut key = KeyWriter::new(0);
        write(&mut key);
        key.finish().local().to_vec()
    }

    #[test]
    fn a_prefix_is_a_bare_part_or_a_tuple_of_any_length() {
        let project = Id::<Project>::from_raw(3);
        let by_both = || Lookup::of(Task::by_project_and_category);
        let bare = by_both().eq(project);
        assert_eq!((bare.parts, &bare.key), (1, &vec![0, 0, 0, 0, 0, 0, 0, 3]));
        assert_eq!(by_both().eq((project,)).key, bare.key);
        assert_eq!(by_both().eq(&project).key, bare.key);
        let whole: Lookup<()> = by_both().eq((project, Category::Done));
        assert_eq!((whole.parts, &whole.key), (2, &vec![0, 0, 0, 0, 0, 0, 0, 3, 2]));
        assert_eq!(bare.from(Category::Done), whole.key);
    }

    #[test]
    fn parts_are_given_by_value_by_reference_or_borrowed() {
        let title = "Lift off".to_owned();
        let expected = Lookup::of(Task::by_title).eq(title.clone()).key;
        assert_eq!(Lookup::of(Task::by_title).eq("Lift off").key, expected);
        assert_eq!(Lookup::of(Task::by_title).eq(("Lift off",)).key, expected);
        assert_eq!(Lookup::of(Task::by_title).eq(title.as_str()).key, expected);
        assert_eq!(Lookup::of(Task::by_title).eq(&title).key, expected);
        assert_eq!(Lookup::of(Task::by_title).from("Lift off"), expected);
        assert_eq!(Lookup::of(Task::by_label).eq("rocket").parts, 1);
    }

    #[test]
    fn literals_and_none_take_the_type_of_the_part() {
        let by_all = || Lookup::of(Task::by_all);
        assert_eq!(by_all().eq(5).key, [5]);
        assert_eq!(by_all().eq((5, "a")).parts, 2);
        assert_eq!(by_all().eq((5, "a", b"b")).parts, 3);
        assert_eq!(by_all().eq((5, "a", b"b", None)).parts, 4);
        assert_eq!(by_all().eq((5, "a", b"b", None, Category::Done)).parts, 5);
        let whole: Lookup<()> = by_all().eq((5, "a", b"b", Some(Id::from_raw(1)), Category::Done, Id::from_raw(2)));
        assert_eq!(whole.parts, 6);
        assert_eq!(by_all().eq((5, "a", b"b")).from(None), by_all().eq((5, "a", b"b", None)).key);
        assert_eq!(by_all().from(7), by_all().eq(7).key);
        assert_eq!(Lookup::of(Task::by_parent).eq(None).key, [0]);
        assert_eq!(Lookup::of(Task::by_parent).eq(Some(Id::from_raw(1))).key, [1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(Lookup::of(Task::by_id).eq(Id::from_raw(1)).parts, 1);
    }

    #[test]
    fn bytes_are_borrowed_too() {
        let expected = Lookup::of(Task::by_digest).eq(vec![1, 2]).key;
        assert_eq!(Lookup::of(Task::by_digest).eq(b"\x01\x02").key, expected);
        assert_eq!(Lookup::of(Task::by_digest).eq([1, 2].as_slice()).key, expected);
    }
}

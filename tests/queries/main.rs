//! The index query builder: what each step narrows, in which order rows come, and how pages hold together.

mod against_a_model;
mod many_elements;
mod pages;
mod queues;

use tropism::{Error, TransactionError, prelude::*};

schema! {
    pub enum State { Open = "open", Closed = "closed" }

    pub table Project in "projects" { name: String }

    pub table Task in "tasks" {
        project: u32,
        state: State,
        title: String,
        score: Option<i16>,
        labels: Vec<String>,
    } with {
        index by_all (project, state, score);
        unique by_title (title);
        index by_score (score);
        multi by_label (labels);
    }
}

fn task(project: u32, state: State, title: &str, score: Option<i16>) -> Task {
    Task { project, state, title: title.into(), score, labels: Vec::new() }
}

fn labelled(title: &str, labels: &[&str]) -> Task {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    Task { labels, ..task(0, State::Open, title, None) }
}

fn db_of(tasks: impl IntoIterator<Item = Task>) -> Db {
    let db = Db::builder().tables::<(Project, Task)>().driven_by_hand().in_memory().unwrap();
    db.write(|tx| tasks.into_iter().try_for_each(|task| tx.insert(task).map(drop))).unwrap();
    db
}

/// Two projects, two states, scores up and down.
fn board() -> Db {
    use State::{Closed, Open};
    db_of([
        task(1, Open, "a", Some(5)),
        task(1, Open, "b", Some(-5)),
        task(1, Closed, "c", Some(0)),
        task(1, Open, "d", None),
        task(2, Open, "e", Some(5)),
        task(2, Closed, "f", Some(7)),
    ])
}

/// The titles that a query finds, joined.
fn titles(db: &Db, query: impl FnOnce(&ReadTx) -> Result<Vec<Doc<Task>>, Error>) -> String {
    db.read(query).unwrap().iter().map(|task| task.title.as_str()).collect()
}

#[test]
fn every_prefix_of_a_compound_key_narrows_and_the_rest_orders() {
    let db = board();
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).collect()), "dbacef");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).eq(1).collect()), "dbac");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).eq((1,)).collect()), "dbac");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).eq((1, State::Open)).collect()), "dba");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).eq((1, State::Open, Some(5))).collect()), "a");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).eq((1, State::Open, None)).collect()), "d");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).eq(3).collect()), "");
}

#[test]
fn a_range_is_over_the_part_after_the_prefix_with_either_end_in_or_out() {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let db = db_of((0..6).map(|n| task(1, State::Open, &n.to_string(), Some(n))));
    let ranged =
        |lower, upper| titles(&db, |tx| tx.query(Task::by_all).eq((1, State::Open)).range((lower, upper)).collect());
    assert_eq!(ranged(Included(Some(1)), Excluded(Some(4))), "123");
    assert_eq!(ranged(Excluded(Some(1)), Included(Some(4))), "234");
    assert_eq!(ranged(Unbounded, Included(Some(2))), "012");
    assert_eq!(ranged(Excluded(Some(3)), Unbounded), "45");
    assert_eq!(ranged(Excluded(None), Unbounded), "012345");
    assert_eq!(ranged(Unbounded, Excluded(Some(0))), "");
    assert_eq!(ranged(Included(Some(4)), Excluded(Some(1))), "", "crossed ends are an empty range");
    assert_eq!(ranged(Excluded(Some(2)), Excluded(Some(2))), "");
    assert_eq!(ranged(Included(Some(2)), Included(Some(2))), "2");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).eq(1).range(State::Closed..).collect()), "");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).range(..=1u32).collect()), "012345");
}

#[test]
fn an_extreme_value_is_in_its_inclusive_and_not_in_its_exclusive_range() {
    let db = db_of([task(u32::MAX, State::Open, "max", Some(i16::MAX)), task(0, State::Closed, "min", Some(i16::MIN))]);
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).range(u32::MAX..).collect()), "max");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).range(..u32::MAX).collect()), "min");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).eq(u32::MAX).collect()), "max");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_score).range(..=Some(i16::MIN)).collect()), "min");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_score).range(Some(i16::MAX)..).collect()), "max");
}

#[test]
fn texts_with_zeros_and_prefixes_of_each_other_are_told_apart() {
    let db = db_of(["", "a", "a\0", "a\0b", "aa", "b"].map(|title| task(0, State::Open, title, None)));
    let found = |range: (std::ops::Bound<&str>, std::ops::Bound<&str>)| {
        db.read(|tx| tx.query(Task::by_title).range::<&str>(range).count()).unwrap()
    };
    use std::ops::Bound::{Excluded, Included, Unbounded};
    assert_eq!(found((Included("a"), Excluded("aa"))), 3);
    assert_eq!(found((Excluded("a"), Unbounded)), 4);
    assert_eq!(found((Unbounded, Included(""))), 1);
    assert_eq!(titles(&db, |tx| tx.query(Task::by_title).eq("a\0").collect()), "a\0");
}

#[test]
fn descending_is_the_exact_reverse_and_ascending_takes_it_back() {
    let db = board();
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).descending().collect()), "fecabd");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).descending().ascending().collect()), "dbacef");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).eq(1).range(State::Open..).descending().collect()), "cabd");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_id).descending().collect()), "fedcba");
}

#[test]
fn equal_keys_come_in_the_order_of_insertion() {
    let db = db_of("hgfe".chars().map(|title| task(1, State::Open, &title.to_string(), Some(1))));
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).collect()), "hgfe");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_all).descending().collect()), "efgh");
}

#[test]
fn by_id_is_an_index_like_any_other() {
    let db = board();
    let ids: Vec<_> = db.read(|tx| tx.query(Task::by_id).collect()).unwrap().iter().map(Doc::id).collect();
    assert_eq!(titles(&db, |tx| tx.query(Task::by_id).eq(ids[2]).collect()), "c");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_id).range(ids[1]..ids[3]).collect()), "bc");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_id).range(ids[4]..).collect()), "ef");
}

#[test]
fn every_filter_must_hold_and_a_limit_counts_what_passed() {
    let db = board();
    let scored = |tx: &ReadTx, limit| {
        let query = tx.query(Task::by_title).filter(|task| task.score.is_some()).filter(|task| task.score != Some(5));
        query.take(limit).collect()
    };
    assert_eq!(titles(&db, |tx| scored(tx, 9)), "bcf");
    assert_eq!(titles(&db, |tx| scored(tx, 2)), "bc");
    assert_eq!(titles(&db, |tx| scored(tx, 0)), "");
    let count = db.read(|tx| tx.query(Task::by_title).filter(|task| task.score == Some(5)).count()).unwrap();
    assert_eq!(count, 2);
}

#[test]
fn the_smallest_limit_holds() {
    let db = board();
    assert_eq!(titles(&db, |tx| tx.query(Task::by_title).take(3).take(5).collect()), "abc");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_title).descending().take(2).collect()), "fe");
    assert_eq!(db.read(|tx| tx.query(Task::by_title).take(4).count()).unwrap(), 4);
    assert_eq!(db.read(|tx| tx.query(Task::by_title).take(0).first()).unwrap(), None);
}

#[test]
fn first_is_the_first_in_order_or_none() {
    let db = board();
    let first =
        |query: fn(&ReadTx) -> Result<Option<Doc<Task>>, Error>| db.read(query).unwrap().map(|task| task.title.clone());
    assert_eq!(first(|tx| tx.query(Task::by_score).first()).as_deref(), Some("d"));
    assert_eq!(first(|tx| tx.query(Task::by_score).descending().first()).as_deref(), Some("f"));
    assert_eq!(first(|tx| tx.query(Task::by_score).eq(Some(99)).first()), None);
}

#[test]
fn unique_is_the_only_row_or_none_and_names_both_where_there_are_two() {
    let db = board();
    assert_eq!(db.read(|tx| tx.query(Task::by_title).eq("c").unique()).unwrap().unwrap().score, Some(0));
    assert_eq!(db.read(|tx| tx.query(Task::by_title).eq("zzz").unique()).unwrap(), None);
    let ids: Vec<_> = db.read(|tx| tx.query(Task::by_id).collect()).unwrap().iter().map(Doc::id).collect();
    match db.read(|tx| tx.query(Task::by_score).eq(Some(5)).unique()) {
        Err(Error::Transaction(TransactionError::NotUnique { table, index, first, second })) => {
            assert_eq!((table, index), ("tasks", "by_score"));
            assert_eq!((first, second), (ids[0].to_string(), ids[4].to_string()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_are_read_as_they_are_asked_for() {
    let db = board();
    db.read(|tx| -> Result<(), Error> {
        let looked_at = std::cell::Cell::new(0);
        let mut rows = tx.query(Task::by_title).filter(|_| looked_at.replace(looked_at.get() + 1) < 100).iter()?;
        assert_eq!(rows.next().unwrap()?.title, "a");
        assert_eq!(rows.next().unwrap()?.title, "b");
        drop(rows);
        assert_eq!(looked_at.get(), 2);
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_iterator_that_has_ended_stays_ended() {
    let db = board();
    db.read(|tx| -> Result<(), Error> {
        let mut rows = tx.query(Task::by_score).range(Some(5)..).iter()?;
        assert_eq!(rows.by_ref().count(), 3);
        assert!(rows.next().is_none());
        assert!(rows.next().is_none());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_row_with_several_elements_in_a_range_comes_once_at_the_first() {
    let db = db_of([labelled("x", &["a", "c", "e"]), labelled("y", &["b", "c"]), labelled("z", &[])]);
    assert_eq!(titles(&db, |tx| tx.query(Task::by_label).collect()), "xy");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_label).range("b"..).collect()), "yx");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_label).descending().collect()), "xy");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_label).range(.."d").descending().collect()), "yx");
    assert_eq!(titles(&db, |tx| tx.query(Task::by_label).eq("c").collect()), "xy");
    assert_eq!(db.read(|tx| tx.query(Task::by_label).count()).unwrap(), 2);
    assert_eq!(titles(&db, |tx| tx.query(Task::by_label).take(1).collect()), "x");
}

#[test]
fn a_repeated_element_is_one_entry_and_a_removed_one_none() {
    let db = db_of([labelled("x", &["a", "a", "b", "a"])]);
    let id = db.read(|tx| tx.query(Task::by_id).first()).unwrap().unwrap().id();
    assert_eq!(db.read(|tx| tx.query(Task::by_label).eq("a").count()).unwrap(), 1);
    db.write(|tx| tx.patch(id, |task| task.labels = vec!["b".into(), "b".into()])).unwrap();
    assert_eq!(db.read(|tx| tx.query(Task::by_label).eq("a").count()).unwrap(), 0);
    assert_eq!(db.read(|tx| tx.query(Task::by_label).eq("b").count()).unwrap(), 1);
    db.write(|tx| tx.delete(id)).unwrap();
    assert_eq!(db.read(|tx| tx.query(Task::by_label).count()).unwrap(), 0);
}

#[test]
fn a_query_in_a_write_sees_what_the_write_did() {
    let db = board();
    db.write(|tx| -> Result<(), Error> {
        let c = tx.query(Task::by_title).eq("c").unique()?.unwrap().id();
        tx.patch(c, |task| (task.title, task.score) = ("C".into(), Some(99)))?;
        tx.insert(labelled("n", &["new"]))?;
        let f = tx.query(Task::by_title).eq("f").unique()?.unwrap().id();
        tx.delete(f)?;
        let scores: String = tx.query(Task::by_score).collect()?.iter().map(|task| task.title.clone()).collect();
        assert_eq!(scores, "dnbaeC");
        let reverse: String =
            tx.query(Task::by_score).descending().collect()?.iter().map(|task| task.title.clone()).collect();
        assert_eq!(reverse, "Ceabnd");
        assert_eq!(tx.query(Task::by_label).count()?, 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_table_that_is_not_registered_is_named() {
    let db = Db::builder().tables::<(Project,)>().driven_by_hand().in_memory().unwrap();
    let error = db.read(|tx| tx.query(Task::by_title).collect()).unwrap_err();
    assert!(matches!(&error, Error::Transaction(TransactionError::UnknownTable { table: "tasks" })), "{error}");
    assert!(db.read(|tx| tx.query(Task::by_title).page(3, None)).is_err());
    assert!(db.read(|tx| tx.query(Task::by_title).count()).is_err());
    assert!(db.write(|tx| tx.insert(task(1, State::Open, "a", None))).is_err());
}

//! Pages neither repeat nor skip a row that is there throughout, whatever happens between them.

use tropism::{Cursor, Error, Page, TransactionError, prelude::*};

use super::{State, Task, board, db_of, labelled, task};

type PageOf<'a> = &'a dyn Fn(&ReadTx, Option<&Cursor>) -> Result<Page<Task>, Error>;

fn titles_of(page: &Page<Task>) -> String {
    page.docs.iter().map(|task| task.title.as_str()).collect()
}

/// Every page's titles, with what happens before each but the first.
fn pages(db: &Db, page: PageOf<'_>, mut between: impl FnMut(usize)) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let page = db.read(|tx| page(tx, cursor.as_ref())).unwrap();
        found.push(titles_of(&page));
        let Some(next) = page.next else { return found };
        // As text, as a client would hold it.
        cursor = Some(next.to_string().parse().unwrap());
        between(found.len());
        assert!(found.len() < 100, "pages do not end: {found:?}");
    }
}

fn lettered() -> Db {
    db_of(('a'..='g').map(|title| task(1, State::Open, &title.to_string(), Some(0))))
}

fn delete(db: &Db, title: &str) {
    db.write(|tx| {
        let id = tx.query(Task::by_title).eq(title).unique()?.unwrap().id();
        tx.delete(id)
    })
    .unwrap();
}

#[test]
fn pages_cut_a_query_in_its_order_and_the_last_has_no_cursor() {
    let db = lettered();
    let none = |_| ();
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_title).page(3, after), none), ["abc", "def", "g"]);
    assert_eq!(
        pages(&db, &|tx, after| tx.query(Task::by_title).descending().page(3, after), none),
        ["gfe", "dcb", "a"]
    );
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_title).page(7, after), none), ["abcdefg"]);
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_title).range("c".."f").page(2, after), none), ["cd", "e"]);
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_title).eq("zzz").page(2, after), none), [""]);
    // All keys are equal here, so the cursor must tell rows apart by their ids.
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_all).eq(1).page(4, after), none), ["abcd", "efg"]);
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_id).page(4, after), none), ["abcd", "efg"]);
}

#[test]
fn a_filter_leaves_pages_full() {
    let db = lettered();
    let odd = |tx: &ReadTx, after: Option<&Cursor>| {
        tx.query(Task::by_title).filter(|task| "aceg".contains(&task.title)).page(3, after)
    };
    assert_eq!(pages(&db, &odd, |_| ()), ["ace", "g"]);
}

#[test]
fn the_row_at_the_cursor_may_be_deleted() {
    for (descending, expected) in [(false, ["abc", "def", "g"]), (true, ["gfe", "dcb", "a"])] {
        let db = lettered();
        let page = |tx: &ReadTx, after: Option<&Cursor>| {
            let query = tx.query(Task::by_title);
            if descending { query.descending().page(3, after) } else { query.page(3, after) }
        };
        let last = expected[0].chars().last().unwrap().to_string();
        assert_eq!(
            pages(&db, &page, |done| if done == 1 {
                delete(&db, &last)
            }),
            expected
        );
    }
}

#[test]
fn inserts_and_deletes_before_the_cursor_change_nothing_and_those_after_it_show() {
    let db = lettered();
    let page = |tx: &ReadTx, after: Option<&Cursor>| tx.query(Task::by_title).page(3, after);
    let between = |done| {
        if done == 1 {
            delete(&db, "a");
            delete(&db, "e");
            for title in ["B", "aa", "ca", "dd"] {
                db.write(|tx| tx.insert(task(1, State::Open, title, None))).unwrap();
            }
            db.checkpoint().unwrap();
        }
    };
    assert_eq!(pages(&db, &page, between), ["abc", "caddd", "fg"]);
}

#[test]
fn pages_over_a_multi_index_do_not_repeat_a_row_that_has_a_later_element() {
    let rows = || [labelled("x", &["a", "d", "f"]), labelled("y", &["b", "e"]), labelled("z", &["c"])];
    for size in 1..=4 {
        let db = db_of(rows());
        let ascending = |tx: &ReadTx, after: Option<&Cursor>| tx.query(Task::by_label).page(size, after);
        assert_eq!(pages(&db, &ascending, |_| ()).concat(), "xyz", "pages of {size}");
        let descending = |tx: &ReadTx, after: Option<&Cursor>| tx.query(Task::by_label).descending().page(size, after);
        assert_eq!(pages(&db, &descending, |_| ()).concat(), "xyz", "pages of {size}, descending");
        let ranged = |tx: &ReadTx, after: Option<&Cursor>| tx.query(Task::by_label).range("b"..).page(size, after);
        assert_eq!(pages(&db, &ranged, |_| ()).concat(), "yzx", "pages of {size}, in a range");
    }
}

#[test]
fn a_cursor_of_another_index_range_or_order_is_refused() {
    let db = board();
    let next = |page: PageOf<'_>| db.read(|tx| page(tx, None)).unwrap().next.unwrap();
    let cursor = next(&|tx, after| tx.query(Task::by_title).page(2, after));
    let refused = |page: PageOf<'_>| match db.read(|tx| page(tx, Some(&cursor))) {
        Err(Error::Transaction(TransactionError::InvalidCursor { .. })) => {}
        other => panic!("{other:?}"),
    };
    refused(&|tx, after| tx.query(Task::by_score).page(2, after));
    refused(&|tx, after| tx.query(Task::by_title).descending().page(2, after));
    refused(&|tx, after| tx.query(Task::by_title).range("b"..).page(2, after));
    refused(&|tx, after| tx.query(Task::by_id).page(2, after));
    // Another size or filter is the same place in the same query.
    let page = db.read(|tx| tx.query(Task::by_title).filter(|task| task.title != "d").page(9, Some(&cursor))).unwrap();
    assert_eq!(titles_of(&page), "cef");
}

#[test]
fn a_cursor_is_the_same_as_text_and_as_json_and_damaged_text_is_refused() {
    let db = board();
    let cursor = db.read(|tx| tx.query(Task::by_title).page(2, None)).unwrap().next.unwrap();
    let text = cursor.to_string();
    assert!(text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter)), "{text}");
    assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
    let json = serde_json::to_string(&cursor).unwrap();
    assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
    for damaged in ["", "x", "zz", &text[..5], &text[..text.len() - 1], "ä"] {
        let error = damaged.parse::<Cursor>().unwrap_err();
        assert!(matches!(error, TransactionError::InvalidCursor { .. }), "{damaged:?}: {error}");
    }
    // Whole, but of no query: refused when it is used.
    let foreign = format!("{}{}", "0".repeat(16), &text[16..]).parse::<Cursor>().unwrap();
    assert!(db.read(|tx| tx.query(Task::by_title).page(2, Some(&foreign))).is_err());
}

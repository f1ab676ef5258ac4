//! Pages neither repeat nor skip a row that is there throughout, whatever happens between them.

use std::cell::RefCell;

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
fn a_limit_holds_for_all_pages_together() {
    let db = lettered();
    let none = |_| ();
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_title).take(5).page(3, after), none), ["abc", "de"]);
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_title).take(6).page(3, after), none), ["abc", "def"]);
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_title).take(2).page(3, after), none), ["ab"]);
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_title).take(9).page(4, after), none), ["abcd", "efg"]);
    assert_eq!(pages(&db, &|tx, after| tx.query(Task::by_title).take(0).page(4, after), none), [""]);
    let odd = |tx: &ReadTx, after: Option<&Cursor>| {
        tx.query(Task::by_title).descending().filter(|task| "aceg".contains(&task.title)).take(3).page(2, after)
    };
    assert_eq!(pages(&db, &odd, none), ["ge", "c"]);
}

#[test]
fn a_cursor_of_another_limit_is_refused() {
    let db = lettered();
    let next = db.read(|tx| tx.query(Task::by_title).take(5).page(3, None)).unwrap().next.unwrap();
    for limit in [4, 6, usize::MAX] {
        let error = db.read(|tx| tx.query(Task::by_title).take(limit).page(3, Some(&next))).unwrap_err();
        assert!(matches!(error, Error::Transaction(TransactionError::InvalidCursor { .. })), "{error}");
    }
    // A client cannot raise what is left: the limit is part of the query.
    let text = next.to_string();
    let raised = format!("{}{}{}", &text[..18], "f".repeat(16), &text[34..]).parse::<Cursor>().unwrap();
    assert!(db.read(|tx| tx.query(Task::by_title).take(5).page(3, Some(&raised))).is_err());
}

#[test]
fn a_page_puts_no_row_after_its_last_to_the_filter() {
    let db = lettered();
    let seen = RefCell::new(String::new());
    let page = |size, after: Option<&Cursor>| {
        seen.borrow_mut().clear();
        let filter = |task: &Doc<Task>| {
            seen.borrow_mut().push_str(&task.title);
            task.title.as_str() < "d"
        };
        let page = db.read(|tx| tx.query(Task::by_title).filter(filter).page(size, after)).unwrap();
        (titles_of(&page), seen.take(), page.next)
    };
    let (titles, looked_at, next) = page(2, None);
    assert_eq!((titles.as_str(), looked_at.as_str()), ("ab", "ab"));
    let (titles, looked_at, next) = page(1, next.as_ref());
    assert_eq!((titles.as_str(), looked_at.as_str()), ("c", "c"));
    // Whether one of the others passes shows only when they are looked at.
    let (titles, looked_at, next) = page(1, next.as_ref());
    assert_eq!((titles.as_str(), looked_at.as_str(), next), ("", "defg", None));
}

#[test]
fn a_page_depends_on_its_rows_and_the_entry_after_them() {
    let db = lettered();
    let page = db.watch(|tx| tx.query(Task::by_title).filter(|task| task.title.as_str() < "c").page(2, None)).unwrap();
    page.recv();
    let reactor = db.reactor().unwrap();
    let runs_after = |change: &dyn Fn(&mut WriteTx) -> Result<(), Error>| {
        db.write(change).unwrap();
        reactor.run().len()
    };
    let patch = |title: &'static str| {
        move |tx: &mut WriteTx| {
            let id = tx.query(Task::by_title).eq(title).unique()?.unwrap().id();
            tx.patch(id, |task| task.score = task.score.map(|score| score + 1))
        }
    };
    assert_eq!(runs_after(&|tx| tx.insert(task(1, State::Open, "x", None)).map(drop)), 0);
    assert_eq!(runs_after(&|tx| tx.insert(task(1, State::Open, "ca", None)).map(drop)), 0);
    assert_eq!(runs_after(&patch("e")), 0);
    // The entry of the next row counts, and not what is in the row.
    assert_eq!(runs_after(&patch("c")), 0);
    assert_eq!(runs_after(&patch("b")), 1);
    assert_eq!(runs_after(&|tx| tx.insert(task(1, State::Open, "bb", None)).map(drop)), 1);
}

#[test]
fn a_page_over_a_multi_index_does_not_walk_all_elements_of_its_last_row_to_look_ahead() {
    let many: Vec<String> = (0..1_000).map(|number| format!("b{number:03}")).collect();
    let db =
        db_of([labelled("x", &["a"]), Task { labels: many, ..task(1, State::Open, "y", None) }, labelled("z", &["c"])]);
    let page = |tx: &ReadTx, after: Option<&Cursor>| tx.query(Task::by_label).page(2, after);
    assert_eq!(pages(&db, &page, |_| ()), ["xy", "z"]);
    let first_two = db.watch(|tx| tx.query(Task::by_label).page(2, None)).unwrap();
    first_two.recv();
    db.write(|tx| tx.insert(labelled("new", &["b900x"]))).unwrap();
    assert_eq!(db.reactor().unwrap().run().len(), 0);
    delete(&db, "z");
    delete(&db, "new");
    // The bound was reached, so the page after it is empty.
    assert_eq!(pages(&db, &page, |_| ()), ["xy", ""]);
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

//! Behaviour 4: a reader that stops early depends only on what it read.

use super::*;

#[test]
fn first_wakes_for_what_comes_before_it_and_not_for_what_comes_after() {
    let (board, ids) = Board::ranked(3);
    let first = board.watch(|tx| Ok(tx.query(Task::by_rank).range(1..).first()?.map(|task| task.rank)));
    board.insert(task(1, Column::Todo, "after", 11));
    board.db.write(|tx| tx.delete(ids[2])).unwrap();
    // Before the range.
    board.patch(ids[0], |task| task.rank = -3);
    board.assert_quiet();
    board.insert(task(1, Column::Todo, "before", 9));
    board.assert_ran(&first, Delivered);
    assert_eq!(*first.current().unwrap(), Some(9));
    // What was the first is out of sight now.
    board.db.write(|tx| tx.delete(ids[1])).unwrap();
    board.assert_quiet();
}

#[test]
fn take_wakes_for_what_enters_or_leaves_the_rows_it_took() {
    let (board, ids) = Board::ranked(5);
    let top = board.watch(|tx| Ok(titles(&tx.query(Task::by_rank).take(2).collect()?)));
    board.patch(ids[3], |task| task.rank = 31);
    board.insert(task(1, Column::Todo, "15", 15));
    board.assert_quiet();
    board.patch(ids[4], |task| task.rank = 10);
    assert_eq!(board.ran(), [], "behind the last taken, by its id");
    board.insert(task(1, Column::Todo, "5", 5));
    board.assert_ran(&top, Delivered);
    assert_eq!(*top.current().unwrap(), "0 5");
    board.db.write(|tx| tx.delete(ids[0])).unwrap();
    board.assert_ran(&top, Delivered);
    assert_eq!(*top.current().unwrap(), "5 10");
}

#[test]
fn descending_readers_stop_early_from_the_other_end() {
    let (board, ids) = Board::ranked(5);
    let last = board.watch(|tx| Ok(tx.query(Task::by_rank).descending().first()?.map(|task| task.rank)));
    let last_two = board.watch(|tx| Ok(titles(&tx.query(Task::by_rank).descending().take(2).collect()?)));
    board.patch(ids[0], |task| task.rank = 29);
    board.assert_quiet();
    board.patch(ids[3], |task| task.rank = 35);
    board.assert_ran(&last_two, Unchanged);
    board.insert(task(1, Column::Todo, "99", 99));
    assert_eq!(board.ran(), [(last.live_query(), Delivered), (last_two.live_query(), Delivered)]);
    assert_eq!(*last_two.current().unwrap(), "99 40");
}

#[test]
fn a_filter_depends_on_the_rows_that_it_passed_over() {
    let (board, ids) = Board::ranked(5);
    let first_late = board.watch(|tx| {
        let found = tx.query(Task::by_rank).filter(|task| task.title != "0" && task.title != "10").first()?;
        Ok(found.map(|task| task.title.clone()))
    });
    assert_eq!(first_late.current().unwrap().as_deref(), Some("20"));
    board.patch(ids[3], |task| task.title = "thirty".into());
    board.assert_quiet();
    board.patch(ids[1], |task| task.title = "ten".into());
    board.assert_ran(&first_late, Delivered);
    assert_eq!(first_late.current().unwrap().as_deref(), Some("ten"));
}

#[test]
fn an_iterator_that_is_left_early_depends_on_what_it_gave() {
    let (board, ids) = Board::ranked(5);
    let until_ten = board.watch(|tx| {
        let mut sum = 0;
        for task in tx.query(Task::by_rank).iter()? {
            sum += task?.rank;
            if sum >= 10 {
                break;
            }
        }
        Ok(sum)
    });
    board.db.write(|tx| tx.delete(ids[2])).unwrap();
    board.assert_quiet();
    board.patch(ids[0], |task| task.rank = 3);
    board.assert_ran(&until_ten, Delivered);
    assert_eq!(*until_ten.current().unwrap(), 13);
}

#[test]
fn a_page_depends_on_its_rows_and_on_whether_there_are_more() {
    let (board, ids) = Board::ranked(6);
    let page = board.watch(|tx| {
        let page = tx.query(Task::by_rank).page(2, None)?;
        Ok((titles(&page.docs), page.next.is_some()))
    });
    board.patch(ids[4], |task| task.rank = 41);
    board.assert_quiet();
    board.insert(task(1, Column::Todo, "5", 5));
    board.assert_ran(&page, Delivered);
    assert_eq!(*page.current().unwrap(), ("0 5".to_owned(), true));
    board
        .db
        .write(|tx| tx.query(Task::by_rank).range(6..).collect()?.iter().try_for_each(|task| tx.delete(task.id())))
        .unwrap();
    board.assert_ran(&page, Delivered);
    assert_eq!(*page.current().unwrap(), ("0 5".to_owned(), false));
}

#[test]
fn unique_depends_on_its_key_only() {
    let (board, ids) = Board::ranked(3);
    let ten = board.watch(|tx| tx.query(Task::by_title).eq("10").unique());
    board.patch(ids[0], |task| task.title = "1".into());
    board.patch(ids[2], |task| task.title = "100".into());
    board.assert_quiet();
    board.patch(ids[1], |task| task.rank = 11);
    board.assert_ran(&ten, Delivered);
}

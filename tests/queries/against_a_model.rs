//! Random rows and random queries, against a filter and a sort over a `Vec`: in every layer that rows can be in, the
//! base, the overlay that a checkpoint is writing into it, the overlay, and a transaction's own changes.

use std::{
    ops::{Bound, RangeBounds},
    sync::mpsc,
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use proptest::{prelude::*, sample::Index};
use tropism::{
    Cursor, Error, IndexQuery, TransactionError,
    disk::{SimulatedDisk, SyncStage},
    prelude::*,
};

use super::{Project, State, Task};

#[derive(Debug, Clone)]
enum Step {
    Insert(Task),
    Replace(Index, Task),
    Delete(Index),
}

/// In which layers the rows are when they are queried.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Layers {
    Overlay,
    Base,
    BaseAndOverlay,
    BaseFrozenAndOverlay,
}

#[derive(Debug, Clone)]
struct Asked {
    over: Over,
    is_descending: bool,
    limit: usize,
    filter: Option<State>,
    page_size: usize,
}

type Ends<T> = (Bound<T>, Bound<T>);

#[derive(Debug, Clone)]
enum Over {
    Projects(Ends<u32>),
    States(u32, Ends<State>),
    Scores(u32, State, Ends<Option<i16>>),
    Whole(u32, State, Option<i16>),
    Titles(Ends<String>),
    AllScores(Ends<Option<i16>>),
    Labels(Ends<String>),
    Label(String),
    Ids(Ends<Index>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Collect,
    Iterate,
    Count,
    First,
}

/// Rows in the order of insertion, and every id that ever was.
#[derive(Clone, Default)]
struct Model {
    rows: Vec<(Id<Task>, Task)>,
    ids: Vec<Id<Task>>,
}

fn state() -> impl Strategy<Value = State> {
    prop::sample::select(State::ALL)
}

fn score() -> impl Strategy<Value = Option<i16>> {
    prop::option::of(prop_oneof![-2..3i16, Just(i16::MIN), Just(i16::MAX)])
}

/// Few and short, so that queries meet rows; with the letters that encodings trip over.
fn text(longest: usize) -> impl Strategy<Value = String> {
    let letter = prop::sample::select(vec!['\0', 'a', 'b', '\u{7f}', 'ÿ']);
    prop::collection::vec(letter, 0..=longest).prop_map(|letters| letters.into_iter().collect())
}

fn task() -> impl Strategy<Value = Task> {
    let labels = prop::collection::vec(text(1), 0..4);
    (0..3u32, state(), text(4), score(), labels).prop_map(|(project, state, title, score, labels)| Task {
        project,
        state,
        title,
        score,
        labels,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => task().prop_map(Step::Insert),
        3 => (any::<Index>(), task()).prop_map(|(at, task)| Step::Replace(at, task)),
        2 => any::<Index>().prop_map(Step::Delete),
    ];
    prop::collection::vec(step, 0..16)
}

fn ends<T: Clone + std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Ends<T>> {
    let end = |value: T, kind| match kind {
        0 => Bound::Unbounded,
        1 => Bound::Included(value),
        _ => Bound::Excluded(value),
    };
    // The smaller kind is likelier first, but crossed ends occur, and must find nothing.
    (prop::array::uniform2((value, 0..3))).prop_map(move |[(a, from), (b, to)]| (end(a, from), end(b, to)))
}

fn asked() -> impl Strategy<Value = Asked> {
    let over = prop_oneof![
        ends(0..3u32).prop_map(Over::Projects),
        (0..3u32, ends(state())).prop_map(|(project, ends)| Over::States(project, ends)),
        (0..3u32, state(), ends(score())).prop_map(|(project, state, ends)| Over::Scores(project, state, ends)),
        (0..3u32, state(), score()).prop_map(|(project, state, score)| Over::Whole(project, state, score)),
        ends(text(2)).prop_map(Over::Titles),
        ends(score()).prop_map(Over::AllScores),
        ends(text(1)).prop_map(Over::Labels),
        text(1).prop_map(Over::Label),
        ends(any::<Index>()).prop_map(Over::Ids),
    ];
    let limit = prop_oneof![Just(usize::MAX), 0..5usize];
    (over, any::<bool>(), limit, prop::option::of(state()), 1..4usize).prop_map(
        |(over, is_descending, limit, filter, page_size)| Asked { over, is_descending, limit, filter, page_size },
    )
}

fn layers() -> impl Strategy<Value = Layers> {
    use Layers::{Base, BaseAndOverlay, BaseFrozenAndOverlay, Overlay};
    prop_oneof![Just(Overlay), Just(Base), Just(BaseAndOverlay), Just(BaseFrozenAndOverlay)]
}

impl Model {
    /// Does to the database and to the model the same.
    fn apply(&mut self, tx: &mut WriteTx, steps: &[Step]) -> Result<(), Error> {
        for step in steps {
            let at = |index: &Index| (!self.rows.is_empty()).then(|| index.index(self.rows.len()));
            match step {
                Step::Insert(task) => {
                    if let Some(id) = self.unless_taken(tx.insert(task.clone()), None, task)? {
                        self.rows.push((id, task.clone()));
                        self.ids.push(id);
                    }
                }
                Step::Replace(index, task) => {
                    let Some(at) = at(index) else { continue };
                    let id = self.rows[at].0;
                    if self.unless_taken(tx.replace(id, task.clone()), Some(id), task)?.is_some() {
                        self.rows[at].1 = task.clone();
                    }
                }
                Step::Delete(index) => {
                    let Some(at) = at(index) else { continue };
                    tx.delete(self.rows.remove(at).0)?;
                }
            }
        }
        Ok(())
    }

    /// The answer, or `None` where the title belongs to another row, which the database must have said as well.
    fn unless_taken<R>(&self, done: Result<R, Error>, own: Option<Id<Task>>, task: &Task) -> Result<Option<R>, Error> {
        let holder = self.rows.iter().find(|(id, row)| Some(*id) != own && row.title == task.title);
        match (done, holder) {
            (Err(Error::Transaction(TransactionError::UniqueViolation { holder, .. })), Some((id, _))) => {
                assert_eq!(holder, id.to_string());
                Ok(None)
            }
            (done, None) => done.map(Some),
            (_, Some((id, _))) => panic!("{id} has the title {:?} already", task.title),
        }
    }

    /// What the query finds, without its limit.
    fn answer(&self, asked: &Asked) -> Vec<Id<Task>> {
        let mut entries: Vec<(SortKey<'_>, Id<Task>)> = Vec::new();
        for (id, task) in &self.rows {
            entries.extend(self.entries(&asked.over, *id, task).into_iter().map(|key| (key, *id)));
        }
        entries.sort();
        if asked.is_descending {
            entries.reverse();
        }
        let mut found: Vec<Id<Task>> = Vec::new();
        for (_, id) in entries {
            let is_kept = |wanted| self.rows.iter().any(|(at, task)| *at == id && task.state == wanted);
            if asked.filter.is_none_or(is_kept) && !found.contains(&id) {
                found.push(id);
            }
        }
        found
    }

    /// The keys under which the index has the row, of those that are in the range.
    fn entries<'a>(&self, over: &Over, id: Id<Task>, task: &'a Task) -> Vec<SortKey<'a>> {
        let Task { project, state, title, score, labels } = task;
        let all = (*project, Some(*state), *score, "");
        let only = |is_in: bool, key| if is_in { vec![key] } else { Vec::new() };
        let of_labels = |is_in: &dyn Fn(&String) -> bool| {
            labels.iter().filter(|label| is_in(label)).map(|label| (0, None, None, label.as_str())).collect()
        };
        match over {
            Over::Projects(ends) => only(ends.contains(project), all),
            Over::States(p, ends) => only(project == p && ends.contains(state), all),
            Over::Scores(p, s, ends) => only((project, state) == (p, s) && ends.contains(score), all),
            Over::Whole(p, s, wanted) => only((project, state, score) == (p, s, wanted), all),
            Over::Titles(ends) => only(ends.contains(title), (0, None, None, title)),
            Over::AllScores(ends) => only(ends.contains(score), (0, None, *score, "")),
            Over::Labels(ends) => of_labels(&|label| ends.contains(label)),
            Over::Label(wanted) => of_labels(&|label| label == wanted),
            Over::Ids(ends) => only(self.id_ends(ends).contains(&id), (0, None, None, "")),
        }
    }

    fn id_ends(&self, (from, to): &Ends<Index>) -> Ends<Id<Task>> {
        let end = |end: &Bound<Index>| match end {
            _ if self.ids.is_empty() => Bound::Unbounded,
            end => end.as_ref().map(|index| *index.get(&self.ids)),
        };
        (end(from), end(to))
    }
}

/// Project, state, score, text; what an index does not have is equal for all.
type SortKey<'a> = (u32, Option<State>, Option<i16>, &'a str);

/// Asks the database, from the beginning or, for a page, after a cursor.
fn ask<R>(tx: &ReadTx, model: &Model, asked: &Asked, run: impl Run<Answer = R>) -> Result<R, Error> {
    match asked.over.clone() {
        Over::Projects(ends) => run.run(narrowed(tx.query(Task::by_all).range(ends), asked)),
        Over::States(project, ends) => run.run(narrowed(tx.query(Task::by_all).eq(project).range(ends), asked)),
        Over::Scores(project, state, ends) => {
            run.run(narrowed(tx.query(Task::by_all).eq((project, state)).range(ends), asked))
        }
        Over::Whole(project, state, score) => {
            run.run(narrowed(tx.query(Task::by_all).eq((project, state, score)), asked))
        }
        Over::Titles(ends) => run.run(narrowed(tx.query(Task::by_title).range(ends), asked)),
        Over::AllScores(ends) => run.run(narrowed(tx.query(Task::by_score).range(ends), asked)),
        Over::Labels(ends) => run.run(narrowed(tx.query(Task::by_label).range(ends), asked)),
        Over::Label(label) => run.run(narrowed(tx.query(Task::by_label).eq(label), asked)),
        Over::Ids(ends) => run.run(narrowed(tx.query(Task::by_id).range(model.id_ends(&ends)), asked)),
    }
}

fn narrowed<'tx, K, R>(query: IndexQuery<'tx, Task, K, R>, asked: &Asked) -> IndexQuery<'tx, Task, K, R> {
    let query = if asked.is_descending { query.descending() } else { query };
    match asked.filter {
        Some(wanted) => query.filter(move |task| task.state == wanted),
        None => query,
    }
}

/// What to do with a query, whatever its key.
trait Run {
    type Answer;
    fn run<K, R>(self, query: IndexQuery<'_, Task, K, R>) -> Result<Self::Answer, Error>;
}

struct All(How, usize);

impl Run for All {
    type Answer = (usize, Vec<Id<Task>>);

    fn run<K, R>(self, query: IndexQuery<'_, Task, K, R>) -> Result<Self::Answer, Error> {
        let ids = |rows: Vec<Doc<Task>>| rows.iter().map(Doc::id).collect::<Vec<_>>();
        let query = query.take(self.1);
        let found = match self.0 {
            How::Count => return Ok((query.count()?, Vec::new())),
            How::Collect => ids(query.collect()?),
            How::Iterate => ids(query.iter()?.collect::<Result<_, _>>()?),
            How::First => ids(query.first()?.into_iter().collect()),
        };
        Ok((found.len(), found))
    }
}

struct OnePage(usize, Option<Cursor>);

impl Run for OnePage {
    type Answer = tropism::Page<Task>;

    fn run<K, R>(self, query: IndexQuery<'_, Task, K, R>) -> Result<Self::Answer, Error> {
        query.page(self.0, self.1.as_ref())
    }
}

fn check(tx: &ReadTx, model: &Model, asked: &[Asked]) -> Result<(), Error> {
    for asked in asked {
        let whole = model.answer(asked);
        let expected: Vec<_> = whole.iter().take(asked.limit).copied().collect();
        for how in [How::Collect, How::Iterate, How::Count, How::First] {
            let (count, found) = ask(tx, model, asked, All(how, asked.limit))?;
            match how {
                How::Collect | How::Iterate => assert_eq!(found, expected, "{how:?} {asked:?}"),
                How::Count => assert_eq!(count, expected.len(), "{asked:?}"),
                How::First => assert_eq!(found.first(), expected.first(), "{asked:?}"),
            }
        }
        let (mut paged, mut cursor) = (Vec::new(), None);
        loop {
            let page = ask(tx, model, asked, OnePage(asked.page_size, cursor))?;
            paged.extend(page.docs.iter().map(Doc::id));
            assert!(page.docs.len() == asked.page_size || page.next.is_none());
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole, "in pages: {asked:?}");
    }
    for (id, task) in &model.rows {
        assert_eq!(*tx.get(*id)?.expect("it is in the model"), *task);
    }
    Ok(())
}

/// Runs `during` while a checkpoint is writing into the base.
fn during_checkpoint(db: &Db, disk: &SimulatedDisk, during: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    thread::scope(|scope| {
        let (arrive, arrived) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let gate = Mutex::new(Some((arrive, released)));
        disk.observe_syncs(move |_, point| {
            if point.file.as_deref() != Some("base.redb") || point.stage != SyncStage::Before {
                return;
            }
            let gate = gate.lock().take();
            if let Some((arrive, released)) = gate {
                let _ = arrive.send(());
                // Ends as well when the test failed and dropped the other end.
                let _ = released.recv();
            }
        });
        let checkpoint = scope.spawn(|| db.checkpoint());
        arrived.recv_timeout(Duration::from_secs(20)).expect("a checkpoint syncs the base");
        during()?;
        drop(release);
        checkpoint.join().expect("it does not panic")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn every_query_finds_what_a_filter_and_a_sort_find(
        parts in prop::array::uniform4(steps()),
        layers in layers(),
        asked in prop::collection::vec(asked(), 8),
    ) {
        let [older, frozen, newer, own] = parts;
        let disk = SimulatedDisk::new(0);
        let db = Db::builder().tables::<(Project, Task)>().driven_by_hand().open_on(disk.clone()).unwrap();
        let mut model = Model::default();
        db.write(|tx| model.apply(tx, &older)).unwrap();
        if layers != Layers::Overlay {
            db.checkpoint().unwrap();
        }
        match layers {
            Layers::Overlay | Layers::BaseAndOverlay => db.write(|tx| model.apply(tx, &newer)).unwrap(),
            Layers::Base => {}
            Layers::BaseFrozenAndOverlay => {
                db.write(|tx| model.apply(tx, &frozen)).unwrap();
                during_checkpoint(&db, &disk, || {
                    db.write(|tx| model.apply(tx, &newer))?;
                    db.read(|tx| check(tx, &model, &asked))?;
                    check_own_changes(&db, &model, &own, &asked);
                    Ok(())
                }).unwrap();
            }
        }
        db.read(|tx| check(tx, &model, &asked)).unwrap();
        check_own_changes(&db, &model, &own, &asked);
        drop(db);
        let db = Db::builder().tables::<(Project, Task)>().driven_by_hand().open_on(disk).unwrap();
        db.read(|tx| check(tx, &model, &asked)).unwrap();
    }
}

/// Queries within a transaction that has changed something, and that is then rolled back.
fn check_own_changes(db: &Db, model: &Model, own: &[Step], asked: &[Asked]) {
    let mut changed = model.clone();
    let rolled_back = db.write(|tx| -> Result<(), Error> {
        changed.apply(tx, own).unwrap();
        check(tx, &changed, asked).unwrap();
        Err(TransactionError::NestedWrite.into())
    });
    assert!(rolled_back.is_err());
    db.read(|tx| check(tx, model, asked)).unwrap();
}

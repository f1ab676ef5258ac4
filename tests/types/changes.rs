//! Change is a matter of what is stored, not of `==`.

use super::*;

schema! {
    pub table Sample in "samples" { value: f64 } with { index by_value (value); }
}

functions! {
    pub module Samples;
    pub query Values in "samples:values" {} -> Vec<f64> |tx| {
        Ok(tx.query(Sample::by_id).collect()?.iter().map(|sample| sample.value).collect())
    }
    pub query Near in "samples:near" { value: f64, among: HashSet<u64>, by: HashMap<String, f64> } -> usize |tx| {
        let _ = (value, among, by);
        tx.query(Sample::by_id).count()
    }
    pub mutation Take in "samples:take" { value: f64, nested: Option<Option<u8>> } -> String |tx| {
        let _ = tx.now();
        Ok(format!("{value:?} {nested:?}"))
    }
}

fn db() -> Db {
    Db::builder().tables::<Sample>().module(Samples).driven_by_hand().in_memory().unwrap()
}

fn insert(db: &Db, value: f64) -> Id<Sample> {
    db.write(|tx| tx.insert(Sample { value })).unwrap()
}

fn set(db: &Db, sample: Id<Sample>, value: f64) {
    db.write(|tx| tx.patch(sample, |sample| sample.value = value)).unwrap();
}

fn bits(db: &Db, sample: Id<Sample>) -> u64 {
    db.read(|tx| tx.existing(sample)).unwrap().value.to_bits()
}

const OTHER_NAN: u64 = 0x7ff8_0000_0000_0001;

#[test]
fn a_patch_that_changes_bits_is_stored() {
    let db = db();
    let sample = insert(&db, -0.0);
    for value in [0.0, -0.0, f64::NAN, f64::from_bits(OTHER_NAN), -f64::NAN, 1.0] {
        set(&db, sample, value);
        assert_eq!(bits(&db, sample), value.to_bits());
    }
}

#[test]
fn a_patch_that_changes_no_bit_is_no_change() {
    let db = db();
    let sample = insert(&db, f64::NAN);
    let live = db.watch(|tx| Ok::<_, tropism::Error>(tx.query(Sample::by_id).collect()?.len())).unwrap();
    live.recv();
    set(&db, sample, f64::NAN);
    db.write(|tx| tx.replace(sample, Sample { value: f64::NAN })).unwrap();
    assert!(db.reactor().unwrap().run().is_empty(), "nothing was committed that a query could have read");
    set(&db, sample, -f64::NAN);
    assert_eq!(db.reactor().unwrap().run().len(), 1);
}

#[test]
fn both_zeros_are_one_key_and_every_nan_is_the_last_one() {
    let db = db();
    for value in [f64::NAN, -0.0, f64::INFINITY, 0.0, -f64::NAN, f64::NEG_INFINITY, f64::from_bits(OTHER_NAN), -1.0] {
        insert(&db, value);
    }
    let values = |of: f64| -> Vec<u64> {
        let found = db.read(|tx| tx.query(Sample::by_value).eq(of).collect()).unwrap();
        found.iter().map(|sample| sample.value.to_bits()).collect()
    };
    assert_eq!(values(0.0), [(-0.0f64).to_bits(), 0.0f64.to_bits()]);
    assert_eq!(values(-0.0), values(0.0));
    assert_eq!(values(f64::NAN), [f64::NAN.to_bits(), (-f64::NAN).to_bits(), OTHER_NAN]);
    let all = db.read(|tx| tx.query(Sample::by_value).collect()).unwrap();
    let all: Vec<_> = all.iter().map(|sample| sample.value).collect();
    assert_eq!(all[..5], [f64::NEG_INFINITY, -1.0, 0.0, 0.0, f64::INFINITY]);
    assert!(all[5..].iter().all(|value| value.is_nan()));
}

#[test]
fn a_row_is_found_by_either_zero_after_a_patch_from_one_to_the_other() {
    let db = db();
    let sample = insert(&db, -0.0);
    set(&db, sample, 0.0);
    for zero in [0.0, -0.0] {
        assert_eq!(db.read(|tx| tx.query(Sample::by_value).eq(zero).count()).unwrap(), 1);
    }
}

#[test]
fn a_result_with_nan_in_it_is_equal_to_itself_and_a_result_of_other_bits_is_delivered() {
    let db = db();
    let sample = insert(&db, f64::NAN);
    let other = insert(&db, 1.0);
    let live = db.subscribe(Values {}).unwrap();
    live.recv();
    // Reads the rows again, and comes out the same.
    db.write(|tx| -> Result<(), tropism::Error> {
        let third = tx.insert(Sample { value: 3.0 })?;
        tx.delete(third)?;
        tx.patch(other, |other| other.value = 2.0)
    })
    .unwrap();
    db.write(|tx| tx.patch(other, |other| other.value = 1.0)).unwrap();
    assert_eq!(db.reactor().unwrap().run().len(), 1);
    assert!(live.try_recv().is_none(), "the result is what it was");
    set(&db, sample, -f64::NAN);
    db.reactor().unwrap().run();
    assert_eq!(live.try_recv().unwrap().unwrap()[0].to_bits(), (-f64::NAN).to_bits());
    set(&db, other, 0.0);
    db.reactor().unwrap().run();
    live.try_recv().unwrap().unwrap();
    set(&db, other, -0.0);
    db.reactor().unwrap().run();
    assert_eq!(live.try_recv().unwrap().unwrap()[1].to_bits(), (-0.0f64).to_bits());
}

#[test]
fn equal_arguments_are_one_live_query_whatever_the_order_in_a_map_or_set() {
    let db = db();
    let near = |value: f64| Near {
        value,
        among: (0..20).collect(),
        by: (0..20).map(|number| (number.to_string(), f64::NAN)).collect(),
    };
    let live: Vec<_> = (0..5).map(|_| db.subscribe(near(f64::NAN)).unwrap()).collect();
    assert!(live.iter().all(|other| other.live_query() == live[0].live_query()));
    insert(&db, 1.0);
    assert_eq!(db.reactor().unwrap().run().len(), 1);
    db.query(near(f64::NAN)).unwrap();
    assert_eq!(db.stats().functions[0].cache_hits, 1);
    // Both zeros are two arguments: a query may tell them apart.
    let zeros = [0.0, -0.0].map(|zero| db.subscribe(near(zero)).unwrap());
    assert_ne!(zeros[0].live_query(), zeros[1].live_query());
}

#[test]
fn a_job_is_given_what_was_scheduled_or_is_refused() {
    let scheduler = tropism::ManualScheduler::new(Timestamp::EPOCH);
    let builder = Db::builder().tables::<Sample>().module(Samples).driven_by_hand();
    let db = builder.scheduler(scheduler.clone()).in_memory().unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = db.write(|tx| tx.schedule().now(Take { value, nested: None })).unwrap_err();
        assert!(refused.to_string().contains("JSON has no number"), "{refused}");
    }
    let cases = [(-0.0, None), (0.1 + 0.2, Some(None)), (5e-324, Some(Some(7)))];
    let jobs = cases.map(|(value, nested)| db.write(|tx| tx.schedule().now(Take { value, nested })).unwrap());
    scheduler.run_due().unwrap();
    for (job, (value, nested)) in jobs.into_iter().zip(cases) {
        let job = db.read(|tx| tx.existing(job)).unwrap();
        assert_eq!(job.result, Some(format!("\"{value:?} {nested:?}\"")));
    }
}

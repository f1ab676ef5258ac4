//! Types that are known structurally: what is stored reads back as the same, what JSON says is checked, and change is a
//! matter of what is stored.

#![allow(missing_docs, clippy::unwrap_used)]

mod changes;
mod enums;
mod host_types;
mod json_forms;
mod stored;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tropism::{Typed, prelude::*};

schema! {
    /// How far a step is.
    #[derive(Default)]
    pub enum State { #[default] Open = "open", Closed = "closed" }

    /// What kind of step it is: there may be others.
    pub open enum Kind { Build = "build", Test = "test" }

    /// A part of a plan.
    #[derive(Default)]
    pub struct Step {
        title: String,
        state: State = State::Open,
        weight: f64 = 1.0,
        due_at: Option<Timestamp>,
        parts: Vec<Step> = Vec::new(),
        next: Option<Box<Step>>,
    }

    /// Every kind of number.
    pub struct Numbers {
        unsigned: (u8, u16, u32, u64, u128, usize),
        signed: (i8, i16, i32, i64, i128, isize),
        floats: (f32, f64),
        list: Vec<f32>,
        nested: Option<Option<f64>>,
    }

    /// Everything else.
    pub struct Others {
        flag: bool,
        letter: char,
        text: String,
        bytes: Vec<u8>,
        digest: [u8; 4],
        kind: Kind,
        state: State,
        at: Timestamp,
        wait: std::time::Duration,
        row: Option<Id<Item>>,
        words: BTreeMap<String, Vec<Kind>>,
        counts: HashMap<String, i32>,
        by_id: BTreeMap<Id<Item>, f64>,
        by_number: HashMap<u16, ()>,
        some: BTreeSet<i64>,
        others: HashSet<String>,
        json: serde_json::Value,
        maybe: Option<Option<Option<u8>>>,
    }

    pub table Item in "items" { step: Step, numbers: Numbers, others: Others }
}

/// A value after it was stored and read.
fn stored<T: Typed>(value: &T) -> T {
    let bytes = tropism::__private::encode_value(value).unwrap();
    tropism::__private::decode_value(&bytes).unwrap()
}

use tropism::prelude::*;

use std::collections::HashMap;

schema! {
    pub table Task in "tasks" { weight: f64, extra: HashMap<String, String> } with {
        index by_weight (weight);
        index by_extra (weight, extra);
        index by_state (weight, state);
    }

    pub table Seven in "sevens" { a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8 } with {
        index by_six (a, b, c, d, e, f);
        index by_seven (a, b, c, d, e, f, g);
    }
}

fn main() {}

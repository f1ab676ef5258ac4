use tropism::prelude::*;

schema! {
    pub table Task in "tasks" {
        title: String,
        is_done: bool,
        title: String,
    }
}

fn main() {}

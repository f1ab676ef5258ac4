use tropism::prelude::*;

schema! {
    pub table Task in "tasks" { title: String, branch: String } with {
        index by_text (title);
        unique by_text (branch);
        index by_id (title);
        primary by_branch (branch);
    }
}

fn main() {}

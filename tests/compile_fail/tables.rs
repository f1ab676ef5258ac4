use tropism::prelude::*;

schema! {
    pub table Task in "tasks" { title: String }

    pub table Chore in "tasks" { title: String }

    pub table Errand in "my-errands" { title: String }
}

fn main() {}
